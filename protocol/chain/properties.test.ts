import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { AccountChainPartSchema, AccountLinkSchema, SignedLinkSchema } from "../generated/fastchat/v1/account_pb.ts";
import { ConversationLinkSchema, type LinkEntry, LinkEntrySchema, Who } from "../generated/fastchat/v1/conversation_pb.ts";
import { toHex } from "../seal/bytes.ts";
import {
  additionsOf,
  applyAccountLink,
  applyAccountLinks,
  applyConversationLink,
  type ConversationState,
  isEntitled,
  newestEpoch,
  removalOf,
  rolesOf,
  stateHash,
  type VerifiedAccounts,
} from "./index.ts";
import {
  addDevice,
  bytesOf,
  derived,
  first,
  fresh,
  heads,
  openGroup,
  people,
  type Person,
  revoke,
  signOut,
  succeed,
  wholeAccount,
  wholeGroup,
  write,
} from "./test-people.ts";

const runs = process.env["SIZE"] === "large" ? 500 : 10;
/** fast-check prints seed and path of what fails. */
const often = { numRuns: runs };

const flip = (bytes: Uint8Array, place: number, bit: number): Uint8Array => {
  const changed = bytes.slice();
  const index = place % bytes.length;
  changed[index] = (changed[index] ?? 0) ^ (1 << bit);
  return changed;
};

test("[G4] no byte of a valid account link can be changed", () => {
  const chain = wholeAccount().links;
  const field = fc.constantFrom("body" as const, "signature" as const, "cosignature" as const);
  fc.assert(
    fc.property(fc.nat(chain.length - 1), field, fc.nat(), fc.nat(7), (position, which, place, bit) => {
      const { before, link } = chain[position]!;
      const bytes = link[which].length === 0 ? new Uint8Array(64) : link[which];
      const changed = create(SignedLinkSchema, { ...link, [which]: flip(bytes, place, bit) });
      expect(applyAccountLink(before, changed).kind).not.toBe("valid");
    }),
    { numRuns: runs * 8 },
  );
});

test("[G4] no byte of a valid conversation link can be changed", () => {
  const chain = wholeGroup();
  const field = fc.constantFrom("body" as const, "signature" as const, "cosignature" as const);
  fc.assert(
    fc.property(fc.nat(chain.length - 1), field, fc.nat(), fc.nat(7), (position, which, place, bit) => {
      const { before, entry } = chain[position]!;
      const { link } = entry;
      const bytes = link![which].length === 0 ? new Uint8Array(64) : link![which];
      const changed = create(SignedLinkSchema, { ...link!, [which]: flip(bytes, place, bit) });
      const result = applyConversationLink(before, create(LinkEntrySchema, { link: changed, evidence: entry.evidence }));
      expect(result.kind).not.toBe("valid");
    }),
    { numRuns: runs * 8 },
  );
});

test("[C1] no byte of the evidence can be changed: a link is then incomplete, never invalid", () => {
  const chain = wholeGroup().filter(({ entry }) => entry.evidence.some((part) => part.links.length > 0));
  const field = fc.constantFrom("body" as const, "signature" as const);
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), field, fc.nat(), fc.nat(7), (position, part, number, which, place, bit) => {
      const { before, entry } = chain[position % chain.length]!;
      const parts = entry.evidence.filter((each) => each.links.length > 0);
      const chosen = parts[part % parts.length]!;
      const links = chosen.links.map((link, index) =>
        index === number % chosen.links.length ? create(SignedLinkSchema, { ...link, [which]: flip(link[which], place, bit) }) : link,
      );
      const evidence = entry.evidence.map((each) => (each === chosen ? create(AccountChainPartSchema, { ...each, links }) : each));
      const result = applyConversationLink(before, create(LinkEntrySchema, { link: entry.link!, evidence }));
      expect(result).toMatchObject({ kind: "incomplete", reason: "evidence", missing: [{ account: chosen.account }] });
    }),
    { numRuns: runs * 4 },
  );
});

test("[G4] apply never throws, on arbitrary bytes and on bytes that resemble a link", () => {
  const accounts = wholeAccount().links;
  const group = wholeGroup();
  const bytes = fc.uint8Array({ maxLength: 300 });
  const hash = fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ maxLength: 40 }));
  const resembling = fc.tuple(fc.nat(12), hash, hash, fc.nat(12), hash, hash).map(([version, one, other, index, account, device]) => {
    const conversation = {
      version: version % 3,
      conversation: one,
      index,
      previous: other,
      account,
      device,
      heads: [{ account, index, hash: one }],
    };
    return [
      toBinary(ConversationLinkSchema, create(ConversationLinkSchema, { ...conversation, change: { case: "headsOnly", value: {} } })),
      toBinary(
        ConversationLinkSchema,
        create(ConversationLinkSchema, {
          ...conversation,
          change: { case: "create", value: { kind: 2, nonce: one, members: [{ account, role: 2 }] } },
        }),
      ),
      toBinary(
        AccountLinkSchema,
        create(AccountLinkSchema, {
          version: 1,
          index: 1,
          change: { case: "create", value: { name: "alice", nonce: one, identityKey: other } },
        }),
      ),
      toBinary(
        AccountLinkSchema,
        create(AccountLinkSchema, { version: 1, account, index, previous: one, change: { case: "signOut", value: { device } } }),
      ),
    ];
  });
  const spliced = fc.tuple(fc.nat(), fc.nat(), bytes).map(([position, cut, tail]) => {
    const body = group[position % group.length]!.entry.link!.body;
    return [new Uint8Array([...body.slice(0, cut % body.length), ...tail])];
  });
  const bodies = fc.oneof(
    bytes.map((body) => [body]),
    resembling,
    spliced,
  );
  const signature = fc.oneof(fc.constant(new Uint8Array(64)), fc.uint8Array({ minLength: 64, maxLength: 64 }));
  fc.assert(
    fc.property(bodies, signature, signature, fc.nat(), (list, one, other, position) => {
      for (const body of list) {
        const link = create(SignedLinkSchema, { body, signature: one, cosignature: position % 2 === 0 ? other : new Uint8Array(0) });
        const entry = create(LinkEntrySchema, { link, evidence: [{ account: body.slice(0, 32), links: [link] }] });
        for (const before of [undefined, accounts[position % accounts.length]!.before]) {
          expect(applyAccountLink(before, link).kind).not.toBe("valid");
        }
        for (const before of [undefined, group[position % group.length]!.before]) {
          expect(applyConversationLink(before, entry).kind).not.toBe("valid");
        }
      }
    }),
    { numRuns: runs * 10 },
  );
});

/** What random people try to do; whether they may is for `apply` to say. */
const deed = fc.record({
  who: fc.nat(3),
  whom: fc.nat(3),
  what: fc.constantFrom(
    "add",
    "add fresh",
    "remove",
    "leave",
    "promote",
    "demote",
    "rekey",
    "heads",
    "policy",
    "profile",
    "new device",
    "revoke",
    "sign out",
    "succeed",
  ),
  knows: fc.boolean(),
});

function attemptDeed(
  state: ConversationState,
  people: readonly Person[],
  { who, whom, what, knows }: { who: number; whom: number; what: string; knows: boolean },
) {
  const by = people[who]!;
  const other = people[whom]!;
  const device = by.devices.findLast((each) => by.state.devices.get(each.device)?.status.kind === "active") ?? first(by);
  const base = { by, device, knows: knows ? people : [by, other] };
  switch (what) {
    case "add":
      return write(state, { ...base, change: additionsOf(new Map([[other.account, "member"]])), opening: derived });
    case "add fresh":
      return write(state, { ...base, change: additionsOf(new Map([[other.account, "admin"]])), opening: fresh });
    case "remove":
      return write(state, { ...base, change: removalOf([other.account]), opening: fresh });
    case "leave":
      return write(state, { ...base, change: { case: "leave", value: {} } });
    case "promote":
      return write(state, { ...base, change: rolesOf(new Map([[other.account, "admin"]])) });
    case "demote":
      return write(state, { ...base, change: rolesOf(new Map([[other.account, "member"]])) });
    case "rekey":
      return write(state, { ...base, change: { case: "rekey", value: { reason: "" } }, opening: fresh });
    case "heads":
      return write(state, { ...base, change: heads });
    case "policy":
      return write(state, {
        ...base,
        change: { case: "policy", value: { policy: { mayAdd: whom % 2 === 0 ? Who.ADMINS : Who.MEMBERS } } },
      });
    default:
      return write(state, { ...base, change: { case: "profile", value: { profileHash: bytesOf(`${who}${whom}`) } } });
  }
}

function moveAccount(person: Person, what: string): void {
  const last = person.devices.findLast((each) => person.state.devices.get(each.device)?.status.kind === "active");
  if (what === "new device") addDevice(person);
  else if (last === undefined) return;
  else if (what === "revoke") revoke(person, last);
  else if (what === "sign out") signOut(person, last);
  else if (what === "succeed") succeed(person, last);
}

const isAccountDeed = (what: string): boolean => ["new device", "revoke", "sign out", "succeed"].includes(what);

test("[G4] whatever random people try, two clients that read the same log agree, and the rules hold", { timeout: 300_000 }, () => {
  let valid = 0;
  fc.assert(
    fc.property(fc.array(deed, { minLength: 5, maxLength: 25 }), (deeds) => {
      const everybody = Object.values(people());
      const opened = openGroup(everybody.slice(0, 3));
      const log: LinkEntry[] = [opened.entry];
      let { state } = opened;
      for (const each of deeds) {
        if (isAccountDeed(each.what)) {
          moveAccount(everybody[each.who]!, each.what);
          continue;
        }
        const built = attemptDeed(state, everybody, each);
        if (built.kind !== "built") continue;
        log.push(built.entry);
        const result = applyConversationLink(state, built.entry);
        if (result.kind !== "valid") continue;
        valid += 1;
        expect(brokenRules(state, result.state)).toEqual([]);
        state = result.state;
      }
      // One client remembers what it verified and gets every link twice; the other one does not.
      const one = replay(log, new Map());
      const other = replay(log.flatMap((entry) => [entry, entry]));
      expect(toHex(stateHash(one))).toBe(toHex(stateHash(state)));
      expect(toHex(stateHash(other))).toBe(toHex(stateHash(state)));
      expect([one.head, other.head]).toEqual([state.head, state.head]);
      // Every recorded head is that of the account's own chain, at some place.
      for (const member of state.members.values()) {
        const person = everybody.find((each) => each.account === member.account)!;
        const links = person.links.slice(0, member.chain.head.index);
        expect(applyAccountLinks(undefined, links)).toEqual({ kind: "valid", state: member.chain });
      }
    }),
    often,
  );
  expect(valid).toBeGreaterThan(runs);
});

/** Which rules a step broke. */
function brokenRules(before: ConversationState, after: ConversationState): string[] {
  const broken: string[] = [];
  const rule = (name: string, holds: boolean): void => void (holds || broken.push(name));
  const members = [...after.members.values()];
  rule("an admin", members.length === 0 || members.some((member) => member.role === "admin"));
  rule("the oldest good epoch goes forward", after.oldestGoodEpoch >= before.oldestGoodEpoch);
  rule("a key is used once", new Set(after.epochs.map((epoch) => epoch.keyId)).size === after.epochs.length);
  const lost = [...before.members.keys()].filter((account) => !after.members.has(account));
  // Who lost the right to read may read nothing that counts from now on.
  rule("lost means turned", lost.length === 0 || after.turnDue || after.oldestGoodEpoch === newestEpoch(after).epoch);
  rule("lost means shut out", after.turnDue || !lost.some((account) => isEntitled(after, account, after.oldestGoodEpoch)));
  for (const { account, chain } of members) {
    const known = before.members.get(account)?.chain ?? before.former.get(account)?.chain;
    if (known === undefined) continue;
    rule("heads go forward", chain.hashes[known.head.index - 1] === known.head.hash);
    const turned = after.turnDue || newestEpoch(after).index === after.head.index;
    rule("a revoke turns", !before.members.has(account) || chain.lastTurn <= known.head.index || turned);
  }
  return broken;
}

function replay(log: readonly LinkEntry[], verified?: VerifiedAccounts): ConversationState {
  let state: ConversationState | undefined;
  for (const entry of log) {
    const result = applyConversationLink(state, entry, verified);
    if (result.kind === "incomplete") throw new Error(`incomplete: ${result.reason}`);
    if (result.kind === "valid") state = result.state;
  }
  if (state === undefined) throw new Error("a log without a create");
  return state;
}
