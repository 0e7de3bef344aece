import { type AccountChainPart, type AccountHead, AccountLinkSchema, type SignedLink } from "../generated/fastchat/v1/account_pb.ts";
import { ConversationLinkSchema, type LinkEntry } from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, accountId, deviceId, idBytes, isHash, type LinkHash, linkHash } from "../ids.ts";
import { equal } from "../seal/bytes.ts";
import { labels } from "../seal/labels.ts";
import { judgeLinkAhead, verifyLink } from "../seal/signature.ts";
import { limits } from "../limits.ts";
import { type AccountState, applyAccountLinks, judgeAccountLinksAhead } from "./account.ts";
import type { ConversationState } from "./conversation-state.ts";
import { accountLinkHash, decodeBody, type Invalid, invalid } from "./link.ts";

/**
 * Account states that were found valid before, by the hash of their head. Only a memory: it saves verifying signatures
 * again and never changes a verdict, so it may be shared, empty or cleared at any time. `apply` adds to it.
 */
export type VerifiedAccounts = Map<LinkHash, AccountState>;

export type HeadsResult =
  | { readonly kind: "resolved"; readonly chains: ReadonlyMap<AccountId, AccountState> }
  | Invalid
  | { readonly kind: "incomplete"; readonly reason: "version" | "evidence"; readonly missing: readonly AccountHead[] };

/**
 * [C1] The accounts at the heads that a link names, out of the evidence beside it. What is wrong with the evidence is
 * nobody's fault but its sender's, so it only counts as missing; what the named hash itself commits to (through the chain
 * of hashes back from it) and is not valid, or does not follow what is recorded, makes the link invalid for everybody.
 *
 * @param recorded the account as recorded in the conversation, if it ever was
 */
export function resolveHeads(
  heads: readonly AccountHead[],
  evidence: readonly AccountChainPart[],
  recorded: (account: AccountId) => AccountState | undefined,
  verified: VerifiedAccounts | undefined,
): HeadsResult {
  const chains = new Map<AccountId, AccountState>();
  const missing: AccountHead[] = [];
  let newer = false;
  const offered = partsByAccount(evidence);
  for (const head of heads) {
    const account = accountId(head.account);
    const result = resolveHead(head, account, offered.get(account) ?? [], recorded(account), verified);
    switch (result.kind) {
      case "valid":
        chains.set(account, result.state);
        break;
      case "invalid":
        return result;
      case "missing":
      case "version":
        missing.push(head);
        newer ||= result.kind === "version";
        break;
      default:
        return result satisfies never;
    }
  }
  if (missing.length > 0) return { kind: "incomplete", reason: newer ? "version" : "evidence", missing };
  return { kind: "resolved", chains };
}

type HeadResult =
  | { readonly kind: "valid"; readonly state: AccountState }
  | Invalid
  | { readonly kind: "missing" }
  | { readonly kind: "version" };

function resolveHead(
  head: AccountHead,
  account: AccountId,
  parts: readonly AccountChainPart[],
  recorded: AccountState | undefined,
  verified: VerifiedAccounts | undefined,
): HeadResult {
  const named = linkHash(head.hash);
  const from = recorded?.head.index ?? 0;
  if (recorded !== undefined && head.index <= from) {
    // Only who comes back may be where it was recorded last; the caller refuses a head that did not move.
    return recorded.hashes[head.index - 1] === named && head.index === from
      ? { kind: "valid", state: recorded }
      : invalid("names a head that does not follow the recorded one");
  }
  for (const part of parts) {
    const links = linksUpTo(part.links, named, from, head.index);
    if (links.kind === "invalid") return links;
    if (links.kind === "missing") continue;
    const known = verified?.get(named);
    if (known?.account === account && (recorded === undefined || known.hashes[from - 1] === recorded.head.hash)) {
      return { kind: "valid", state: known };
    }
    const result = applyAccountLinks(recorded, links.links);
    if (result.kind === "incomplete" && result.reason === "version") return { kind: "version" };
    if (result.kind !== "valid") return invalid("names a head of no valid chain");
    if (result.state.account !== account) return invalid("names a head of another account");
    verified?.set(named, result.state);
    return { kind: "valid", state: result.state };
  }
  return { kind: "missing" };
}

type Links = { readonly kind: "links"; readonly links: readonly SignedLink[] } | { readonly kind: "missing" } | Invalid;

/**
 * The links after number `from` up to number `to`, which has the named hash. Read backwards, each link carries the hash of
 * the one before it, so that the named hash commits to all of them: what is wrong inside them is the author's doing, and
 * only a link of another hash is bad evidence.
 */
function linksUpTo(links: readonly SignedLink[], named: LinkHash, from: number, to: number): Links {
  const end = links.findLastIndex((link) => accountLinkHash(link) === named);
  let wanted: LinkHash = named;
  for (let index = to; index > from; index--) {
    const link = links[end - (to - index)];
    // The last one was just found by its hash.
    if (link === undefined || (index < to && accountLinkHash(link) !== wanted)) return { kind: "missing" };
    const body = decodeBody(AccountLinkSchema, link.body);
    if (body?.index !== index) return invalid("names a head of no valid chain");
    if (index === 1) break;
    if (!isHash(body.previous)) return invalid("names a head of no valid chain");
    wanted = linkHash(body.previous);
  }
  return { kind: "links", links: links.slice(end + 1 - (to - from), end + 1) };
}

/** [C1] Whether there is more evidence than a link may have: parts count as well as the links in them, for a part may be empty. */
export function isTooMuchEvidence(evidence: readonly AccountChainPart[]): boolean {
  if (evidence.length > limits.evidencePartsPerLink) return true;
  return evidence.reduce((count, part) => count + part.links.length, 0) > limits.evidenceLinksPerLink;
}

/** Account chains verified between two pauses; one takes some milliseconds. */
const VERIFIED_AT_ONCE = 4;
/** So many links are quickly verified. */
const FEW_LINKS = 1;

/**
 * Verifies the account chains beside a link ahead of `apply`, into the memory that it is given, with pauses: `apply` itself cannot wait,
 * and the evidence of 1,000 members takes seconds. What does not verify is left for `apply` to judge, and so is what garbage brings along.
 */
export async function verifyEvidence(
  state: ConversationState | undefined,
  { link, evidence }: LinkEntry,
  verified: VerifiedAccounts,
  pause: () => Promise<unknown>,
): Promise<void> {
  if (link === undefined || evidence.reduce((count, part) => count + part.links.length, 0) <= FEW_LINKS) return;
  const body = decodeBody(ConversationLinkSchema, link.body);
  if (body === undefined || !isHash(body.account) || !isHash(body.device)) return;
  const recorded = (account: AccountId) => (state?.members.get(account) ?? state?.former.get(account))?.chain;
  const author = accountId(body.account);
  const keyIn = (chain: AccountState | undefined) => chain?.devices.get(deviceId(body.device))?.signingKey;
  const judgeAhead = (signingKey: Uint8Array) => judgeLinkAhead(signingKey, link.signature, labels.signature.conversationLink, link.body);
  const key = keyIn(recorded(author));
  if (key !== undefined) await judgeAhead(key);
  if (key === undefined ? state !== undefined : !verifyLink(key, link.signature, labels.signature.conversationLink, link.body)) return;
  await pause();
  const { heads } = body;
  const offered = partsByAccount(evidence);
  const unknown = heads.filter(({ account, hash }) => isHash(account) && isHash(hash) && !verified.has(linkHash(hash)));
  for (let at = 0; at < unknown.length; at += VERIFIED_AT_ONCE) {
    const some = unknown.slice(at, at + VERIFIED_AT_ONCE).map((head) => ({ head, account: accountId(head.account) }));
    const judged = some.flatMap(({ account }) =>
      (offered.get(account) ?? []).map((part) => judgeAccountLinksAhead(recorded(account), part.links.slice(-limits.accountLinks))),
    );
    await Promise.all(judged);
    for (const { head, account } of some) resolveHead(head, account, offered.get(account) ?? [], recorded(account), verified);
    await pause();
  }
  const named = heads.find(({ account, hash }) => equal(account, body.account) && isHash(hash))?.hash;
  const brought = key === undefined && named !== undefined ? keyIn(verified.get(linkHash(named))) : undefined;
  if (brought !== undefined) await judgeAhead(brought);
}

/** More evidence than a link may have is no evidence. */
function partsByAccount(evidence: readonly AccountChainPart[]): Map<AccountId, AccountChainPart[]> {
  const parts = new Map<AccountId, AccountChainPart[]>();
  if (isTooMuchEvidence(evidence)) return parts;
  for (const part of evidence) {
    if (!isHash(part.account)) continue;
    const account = accountId(part.account);
    const known = parts.get(account);
    if (known === undefined) parts.set(account, [part]);
    else known.push(part);
  }
  return parts;
}

/**
 * [C1] The links of an account that a valid link of a conversation records: of those beside it the ones to which the head that it names
 * commits, newest first, at most `limits.recordedLinks`. What else its author put there is nobody's word but his. At most
 * `limits.recordingLinksSearched` links, from the end of each part on, are hashed in search of the head, and none when it names none.
 */
export function recordedLinks(entry: LinkEntry, account: AccountId): SignedLink[] {
  const heads = (entry.link && decodeBody(ConversationLinkSchema, entry.link.body))?.heads ?? [];
  const id = idBytes(account);
  const named = heads.find((head) => equal(head.account, id))?.hash;
  if (named === undefined || !isHash(named)) return [];
  const head = linkHash(named);
  let searched = 0;
  for (const part of entry.evidence) {
    if (!equal(part.account, id)) continue;
    for (let end = part.links.length - 1; end >= 0; end--) {
      if (searched === limits.recordingLinksSearched) return [];
      searched += 1;
      if (accountLinkHash(part.links[end]!) === head) return linksBack(part.links, end);
    }
  }
  return [];
}

/** The link at this place, and those before it as far as each carries the hash of the one before, newest first. */
function linksBack(links: readonly SignedLink[], end: number): SignedLink[] {
  const back: SignedLink[] = [];
  for (let place = end; place >= 0 && back.length < limits.recordedLinks; place--) {
    const link = links[place]!;
    const next = back.at(-1);
    if (next !== undefined) {
      const previous = decodeBody(AccountLinkSchema, next.body)?.previous;
      if (previous === undefined || !isHash(previous) || accountLinkHash(link) !== linkHash(previous)) break;
    }
    back.push(link);
  }
  return back;
}
