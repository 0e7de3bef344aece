import { create } from "@bufbuild/protobuf";
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { AccountChainPartSchema, type SignedLink, SignedLinkSchema } from "../generated/fastchat/v1/account_pb.ts";
import { type LinkEntry, LinkEntrySchema } from "../generated/fastchat/v1/conversation_pb.ts";
import { fromHex, toHex } from "../seal/bytes.ts";
import {
  type AccountResult,
  type AccountState,
  applyAccountLink,
  applyConversationLink,
  buildAccountPolicy,
  conversationLinkHash,
  type ConversationState,
  linkBodyForDerivation,
  stateHash,
} from "./index.ts";
import { openDirect, people, wholeAccount, wholeGroup } from "./test-people.ts";

/**
 * The bytes of one link of each type, in hex, made with fixed seeds by this version and kept in `golden-links.json`: other
 * bytes would mean that old chains are not read any more. `GOLDEN=write` makes the file anew, for a new version of a chain.
 */
interface GoldenLink {
  readonly type: string;
  readonly body: string;
  readonly signature: string;
  readonly cosignature: string;
}

interface Golden {
  readonly account: {
    readonly id: string;
    readonly links: readonly (GoldenLink & { readonly hash: string })[];
    readonly policy: GoldenLink;
  };
  readonly conversations: readonly {
    readonly id: string;
    readonly links: readonly (GoldenLink & {
      readonly evidence: readonly { readonly account: string; readonly links: readonly GoldenLink[] }[];
      readonly hash: string;
      readonly stateHash: string;
      readonly derivation: string;
    })[];
  }[];
}

const file = new URL("golden-links.json", import.meta.url);

const inHex = (type: string, { body, signature, cosignature }: SignedLink): GoldenLink => ({
  type,
  body: toHex(body),
  signature: toHex(signature),
  cosignature: toHex(cosignature),
});

const fromGolden = ({ body, signature, cosignature }: GoldenLink): SignedLink =>
  create(SignedLinkSchema, { body: fromHex(body), signature: fromHex(signature), cosignature: fromHex(cosignature) });

/** Every type of link, built by the code as it is. */
function built(): Golden {
  const { alice, links } = wholeAccount();
  const account = {
    id: alice.account,
    links: links.map(({ type, link }, place) => ({ ...inHex(type, link), hash: alice.state.hashes[place] ?? "" })),
    policy: inHex("policy", buildAccountPolicy(links.at(-1)!.before!, { identitySeed: alice.identitySeed, version: 2 })),
  };
  return { account, conversations: [direct(), group()] };
}

function direct() {
  const { alice, bob } = people();
  const { state, entry } = openDirect(alice, bob);
  return { id: state.conversation, links: [{ ...conversationInHex("create", entry), stateHash: toHex(stateHash(state)) }] };
}

function group() {
  const links = wholeGroup();
  return {
    id: links[0]!.after.conversation,
    links: links.map(({ type, entry, after }) => ({ ...conversationInHex(type, entry), stateHash: toHex(stateHash(after)) })),
  };
}

function conversationInHex(type: string, { link, evidence }: LinkEntry) {
  if (link === undefined) throw new Error("an entry without a link");
  return {
    ...inHex(type, link),
    evidence: evidence.map((part) => ({ account: toHex(part.account), links: part.links.map((each) => inHex("", each)) })),
    hash: conversationLinkHash(link),
    derivation: toHex(linkBodyForDerivation(link.body)),
  };
}

if (process.env["GOLDEN"] === "write") writeFileSync(file, `${JSON.stringify(built(), undefined, 1)}\n`);
const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;

test("[G3] the builders still write the same bytes for every type of link", () => {
  expect(built()).toEqual(golden);
});

test("[G3] links written by version 1 are still read, with the same ids, hashes and states", () => {
  let state: AccountState | undefined;
  let raised: AccountResult | undefined;
  for (const link of golden.account.links) {
    if (link.type === "close") raised = applyAccountLink(state, fromGolden(golden.account.policy));
    const result = applyAccountLink(state, fromGolden(link));
    if (result.kind !== "valid") throw new Error(`${link.type}: ${JSON.stringify(result)}`);
    ({ state } = result);
    expect([link.type, state.account, state.head.hash]).toEqual([link.type, golden.account.id, link.hash]);
  }
  expect(raised).toEqual({ kind: "incomplete", reason: "version" });
  for (const conversation of golden.conversations) {
    let current: ConversationState | undefined;
    for (const link of conversation.links) {
      const evidence = link.evidence.map((part) =>
        create(AccountChainPartSchema, { account: fromHex(part.account), links: part.links.map(fromGolden) }),
      );
      const result = applyConversationLink(current, create(LinkEntrySchema, { link: fromGolden(link), evidence }));
      if (result.kind !== "valid") throw new Error(`${link.type}: ${JSON.stringify(result)}`);
      current = result.state;
      const { head } = current;
      expect([link.type, current.conversation, head.hash]).toEqual([link.type, conversation.id, link.hash]);
      expect(toHex(stateHash(current))).toBe(link.stateHash);
      expect(toHex(linkBodyForDerivation(fromHex(link.body)))).toBe(link.derivation);
    }
  }
});
