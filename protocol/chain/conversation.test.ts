import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AccountHeadSchema } from "../generated/fastchat/v1/account_pb.ts";
import {
  type ConversationLink,
  EpochKind,
  type EpochOpening,
  type LinkEntry,
  LinkEntrySchema,
  NewcomersRead,
  type PolicySchema,
  Role,
  Who,
} from "../generated/fastchat/v1/conversation_pb.ts";
import { idBytes } from "../ids.ts";
import { limits } from "../limits.ts";
import { fromHex, toHex } from "../seal/bytes.ts";
import {
  additionsOf,
  applyConversationLink,
  type ConversationChange,
  conversationLinkHash,
  type ConversationState,
  copyRecipients,
  directConversationId,
  draftLink,
  finishLink,
  isClosed,
  isEntitled,
  linkBodyForDerivation,
  messageAllowed,
  stateHash,
} from "./index.ts";
import {
  addDevice,
  attempt,
  authorOf,
  bytesOf,
  close,
  commitmentsOf,
  derived,
  first,
  forgeLink,
  fresh,
  grow,
  heads,
  knownOf,
  newRecovery,
  openDirect,
  openGroup,
  people,
  type Person,
  rekey,
  revoke,
  signOut,
  signUp,
  succeed,
  verdict,
  write,
} from "./test-people.ts";

const { alice: creator, bob: peer } = people();
const created = openDirect(creator, peer).entry;

/** The verdict on alice's and bob's `create`, changed by her. */
function forged(change: (body: ConversationLink) => void): string {
  return verdict(undefined, forgeLink(created, first(creator).signingSeed, change));
}

const opening = (change: (opening: EpochOpening) => void) => (body: ConversationLink) => {
  if (body.opening === undefined) throw new Error("no opening");
  change(body.opening);
};

test("[C2] either of two makes the one direct conversation; it has one id", () => {
  const { alice, bob } = people();
  const one = openDirect(alice, bob).state;
  const other = openDirect(bob, alice);
  expect(one.conversation).toBe(directConversationId(bob.account, alice.account));
  expect(other.state.conversation).toBe(one.conversation);
  expect(one.head.hash).not.toBe(other.state.head.hash);
  // The first in the log counts, and the loser uses it.
  expect(verdict(one, other.entry)).toBe("invalid: not the next link");
  expect([...one.members.values()].map((member) => member.role)).toEqual(["member", "member"]);
  expect(messageAllowed(one, { ...authorOf(bob), epoch: 1 })).toEqual({ kind: "allowed" });
});

test("[C2] a note to self is a direct conversation of one", () => {
  const { alice } = people();
  const { state } = openDirect(alice, alice);
  expect(state.members.size).toBe(1);
  expect(messageAllowed(state, { ...authorOf(alice), epoch: 1 })).toEqual({ kind: "allowed" });
  expect(copyRecipients(state)).toEqual([{ account: alice.account, generation: 1, publicKeyHash: bytesOf("alice/key/1") }]);
});

test("[C2] a direct conversation is of its two accounts, under their id, with plain members", () => {
  const { carol } = people();
  expect(forged(() => undefined)).toBe("valid");
  expect(forged((body) => (body.conversation = bytesOf("elsewhere")))).toBe("invalid: not the id of this direct conversation");
  expect(forged((body) => (body.conversation = new Uint8Array(0)))).toBe("invalid: not the id of this direct conversation");
  const members = (change: (members: { account: Uint8Array; role: Role }[]) => void) =>
    forged((body) => {
      if (body.change.case === "create") change(body.change.value.members);
    });
  expect(members((list) => (list[0]!.role = Role.ADMIN))).toBe("invalid: no such role");
  expect(members((list) => (list[0]!.role = 7 as Role))).toBe("invalid: no such role");
  expect(members((list) => list.reverse())).toBe("invalid: not an ordered list of members");
  expect(members((list) => list.pop())).toBe("invalid: create names the heads of its members");
  expect(members((list) => (list[1]!.account = idBytes(carol.account)))).toMatch(/^invalid: (create names|not an ordered)/);
  expect(members((list) => (list.length = 0))).toBe("invalid: not an ordered list of members");
  const create_ = (change: (value: { kind: number; nonce: Uint8Array }) => void) =>
    forged((body) => {
      if (body.change.case === "create") change(body.change.value);
    });
  expect(create_((value) => (value.kind = 0))).toBe("invalid: no such kind of conversation");
  expect(create_((value) => (value.kind = 3))).toBe("invalid: no such kind of conversation");
  expect(create_((value) => (value.nonce = new Uint8Array(16)))).toBe("invalid: no nonce");
});

test("[C2] a direct conversation knows no add, remove, role or leave; both set policy and profile", () => {
  const { alice, bob, carol } = people();
  const { state } = openDirect(alice, bob);
  const change = additionsOf(new Map([[carol.account, "member"]]));
  expect(attempt(state, { by: alice, knows: [carol], change, opening: fresh })).toBe("invalid: a direct conversation knows no add");
  const remove: ConversationChange = { case: "remove", value: { accounts: [idBytes(bob.account)] } };
  expect(attempt(state, { by: alice, change: remove, opening: fresh })).toBe("invalid: a direct conversation knows no remove");
  expect(attempt(state, { by: alice, change: { case: "leave", value: {} } })).toBe("invalid: a direct conversation knows no leave");
  const role: ConversationChange = { case: "role", value: { members: [{ account: idBytes(bob.account), role: Role.ADMIN }] } };
  expect(attempt(state, { by: alice, change: role })).toBe("invalid: a direct conversation knows no role");
  for (const person of [alice, bob]) {
    const kept = grow(state, { by: person, change: { case: "policy", value: { policy: { retentionSeconds: 60 } } } }).state;
    expect(kept.policy.retentionSeconds).toBe(60);
    const shown = grow(kept, { by: person, change: { case: "profile", value: { profileHash: bytesOf("picture") } } }).state;
    expect(shown.profileHash).toBe(toHex(bytesOf("picture")));
  }
  const policies: MessageInitShape<typeof PolicySchema>[] = [
    { mayWrite: Who.ADMINS },
    { mayAdd: Who.MEMBERS },
    { newcomersRead: NewcomersRead.EVERYTHING },
    { mayAdd: 9 as Who },
  ];
  for (const policy of policies) {
    expect(attempt(state, { by: alice, change: { case: "policy", value: { policy } } })).toMatch(/^invalid: no (such )?policy/);
  }
});

test("[C2] with a closed account nothing is sent, and none is opened", () => {
  const { alice, bob } = people();
  const { state } = openDirect(alice, bob);
  close(bob);
  const after = grow(state, { by: alice, knows: [bob], change: heads }).state;
  expect(isClosed(after)).toBe(true);
  expect(after.members.size).toBe(2);
  expect(messageAllowed(after, { ...authorOf(alice), epoch: 1 })).toEqual({ kind: "refused", reason: "closed" });
  const built = write(undefined, { by: alice, knows: [alice, bob], change: createOf(state), opening: fresh });
  expect(built).toEqual({ kind: "invalid", reason: "a closed account is no member" });
});

function createOf(state: ConversationState) {
  const members = [...state.members.keys()].toSorted().map((account) => ({ account: idBytes(account), role: Role.MEMBER }));
  return { case: "create", value: { kind: 1, nonce: bytesOf("again"), members } } as const;
}

test("[G4] the version gates of a conversation", () => {
  expect(forged((body) => (body.version = limits.chainVersion + 1))).toBe("incomplete: version");
  expect(forged((body) => (body.version = 0))).toBe("invalid: no version or no index");
  const { alice, bob } = people();
  const { state } = openDirect(alice, bob);
  const raise = (version: number) => ({ by: alice, change: { case: "policy", value: { policy: { version } } } }) as const;
  expect(attempt(state, raise(2))).toBe("incomplete: version");
  expect(attempt(state, raise(1))).toBe("invalid: a version is only raised");
  const { entry } = grow(state, { by: alice, change: rekey, opening: fresh });
  const seed = first(alice).signingSeed;
  expect(
    verdict(
      state,
      forgeLink(entry, seed, (body) => (body.version = 2)),
    ),
  ).toBe("invalid: not in the chain's version");
  expect(
    verdict(
      state,
      forgeLink(entry, seed, (body) => (body.change = { case: undefined })),
    ),
  ).toBe("invalid: unknown change");
  const unknown = forgeLink(entry, seed, (body) => (body.$unknown = [{ no: 19, wireType: 2, data: fromHex("00") }]));
  expect(verdict(state, unknown)).toBe("invalid: unknown field");
  const built = write(state, raise(2));
  if (built.kind !== "built") throw new Error(built.reason);
  const unsigned = forgeLink(built.entry, bytesOf("mallory"), () => undefined);
  expect(verdict(state, unsigned)).toBe("invalid: signature");
});

test("[G4] a group's version is raised by an admin alone", () => {
  const { alice, bob } = people();
  const { state } = openGroup([alice, bob]);
  const change = { case: "policy", value: { policy: { version: 2 } } } as const;
  expect(attempt(state, { by: bob, change })).toBe("invalid: may not change the policy");
  expect(attempt(state, { by: alice, change })).toBe("incomplete: version");
});

test("[G4] a link follows exactly the head, in exactly this conversation, by a member", () => {
  const { alice, bob, carol } = people();
  const { state } = openDirect(alice, bob);
  const { entry } = grow(state, { by: alice, change: rekey, opening: fresh });
  const forge = (change: (body: ConversationLink) => void) => verdict(state, forgeLink(entry, first(alice).signingSeed, change));
  expect(forge((body) => (body.index = 3))).toBe("incomplete: previous");
  expect(forge((body) => (body.index = 1))).toBe("invalid: not the next link");
  expect(forge((body) => (body.index = 0))).toBe("invalid: no version or no index");
  expect(forge((body) => (body.previous = bytesOf("x")))).toBe("invalid: does not follow the link before");
  expect(forge((body) => (body.conversation = bytesOf("x")))).toBe("invalid: of another conversation");
  expect(forge((body) => (body.account = idBytes(carol.account)))).toBe("invalid: not by a member");
  expect(forge((body) => (body.device = bytesOf("x")))).toBe("invalid: by a device that its account does not know");
  expect(forge((body) => (body.device = idBytes(first(bob).device)))).toBe("invalid: by a device that its account does not know");
  expect(forge((body) => (body.account = idBytes(bob.account)))).toBe("invalid: by a device that its account does not know");
  expect(forge((body) => (body.extra = new Uint8Array(limits.extraBytes + 1)))).toBe("invalid: extra is too long");
  expect(forge((body) => (body.extra = new Uint8Array(limits.extraBytes)))).toBe("valid");
  expect(verdict(undefined, entry)).toBe("incomplete: previous");
  expect(verdict(state, create(LinkEntrySchema, {}))).toBe("invalid: no form of a link");
  const cosigned = create(LinkEntrySchema, { link: { ...entry.link!, cosignature: entry.link!.signature } });
  expect(verdict(state, cosigned)).toBe("invalid: a co-signature that nobody needs");
});

test("[C4] what opens an epoch: exactly the next number, a kind that is due, a commitment never used before", () => {
  expect(forged((body) => delete body.opening)).toBe("invalid: opens no epoch");
  expect(forged(opening((each) => (each.kind = EpochKind.DERIVED)))).toBe("invalid: not the kind of epoch that is due");
  expect(forged(opening((each) => (each.kind = 0)))).toBe("invalid: not the kind of epoch that is due");
  expect(forged(opening((each) => (each.epoch = 2)))).toBe("invalid: not the next epoch");
  expect(forged(opening((each) => (each.keyId = new Uint8Array(0))))).toBe("invalid: no commitment to a key");
  expect(forged(opening((each) => (each.sealedKeysHash = new Uint8Array(0))))).toBe("invalid: no commitment to a key");
  expect(forged(opening((each) => each.withoutKey.push(idBytes(signUp("carol").account))))).toBe(
    "invalid: names somebody without a key who needs none",
  );
  expect(forged(opening((each) => each.withoutKey.push(bytesOf("x").slice(1))))).toBe("invalid: not an ordered list of accounts");
  expect(forged(opening((each) => (each.profileHash = new Uint8Array(1))))).toBe("invalid: not the hash of a profile");
  expect(forged(opening((each) => (each.stateHash = bytesOf("x"))))).toBe("invalid: not the hash of the state after it");
  expect(forged(opening((each) => (each.stateHash = new Uint8Array(0))))).toBe("valid");
  const { alice, bob } = people();
  const { state } = openDirect(alice, bob);
  const used = commitmentsOf("alice/");
  expect(attempt(state, { by: bob, change: rekey, opening: fresh, commitments: used })).toBe("invalid: a key that was used before");
  expect(attempt(state, { by: bob, change: rekey, opening: derived })).toBe("invalid: not the kind of epoch that is due");
  expect(attempt(state, { by: bob, change: rekey })).toBe("invalid: opens no epoch");
  newRecovery(bob);
  expect(attempt(state, { by: bob, knows: [bob], change: heads, opening: fresh })).toBe("invalid: opens an epoch that nobody needs");
  const long = { case: "rekey", value: { reason: "ü".repeat(limits.rekeyReasonBytes) } } as const;
  expect(attempt(state, { by: bob, change: long, opening: fresh })).toBe("invalid: the reason is too long");
});

test("[C4] a member whose key is missing gets no copy, and the epoch opens all the same", () => {
  const { alice, bob } = people();
  const { state } = openDirect(alice, bob);
  const without = grow(state, { by: alice, change: rekey, opening: { kind: "fresh", withoutKey: [bob.account] } }).state;
  expect(without.epochs.at(-1)?.withoutKey).toEqual([bob.account]);
  expect(copyRecipients(without).map((recipient) => recipient.account)).toEqual([alice.account]);
  expect(isEntitled(without, bob.account, 2)).toBe(true);
});

test("[C1] heads are recorded in order, with evidence, and only forward", () => {
  const { alice, bob, carol } = people();
  const { state } = openDirect(alice, bob);
  expect(attempt(state, { by: alice, change: heads })).toBe("invalid: names no head");
  newRecovery(bob);
  newRecovery(bob);
  const { entry, state: after } = grow(state, { by: alice, knows: [bob], change: heads });
  expect(after.members.get(bob.account)?.chain.head).toEqual(bob.state.head);
  expect(entry.evidence[0]?.links).toHaveLength(2);
  const forge = (change: (body: ConversationLink) => void) => verdict(state, forgeLink(entry, first(alice).signingSeed, change));
  const head = (account: typeof alice, index: number, hash: Uint8Array) =>
    create(AccountHeadSchema, { account: idBytes(account.account), index, hash });
  const backwards = "invalid: names a head that does not follow the recorded one";
  expect(forge((body) => (body.heads[0]!.index = 1))).toBe(backwards);
  expect(forge((body) => (body.heads[0]! = head(bob, 1, idBytes(bob.state.hashes[0]!))))).toBe(backwards);
  // An index that its hash contradicts can never be completed.
  expect(forge((body) => (body.heads[0]!.index = 2))).toBe("invalid: names a head of no valid chain");
  expect(forge((body) => (body.heads[0]!.index = 4))).toBe("invalid: names a head of no valid chain");
  expect(forge((body) => (body.heads[0]!.index = 0))).toBe("invalid: not a head");
  expect(forge((body) => body.heads.push(body.heads[0]!))).toBe("invalid: heads are not in order");
  expect(forge((body) => (body.heads[0]! = head(carol, 1, idBytes(carol.state.hashes[0]!))))).toBe(
    "invalid: names the head of somebody who is no member",
  );
  expect(
    verdict(
      after,
      forgeLink(entry, first(alice).signingSeed, (body) => Object.assign(body, { index: 3, previous: idBytes(after.head.hash) })),
    ),
  ).toBe(backwards);
});

test("[C1] without its evidence a link is incomplete, with it valid, and bad evidence counts as none", () => {
  const { alice, bob, carol } = people();
  const { state } = openDirect(alice, bob);
  newRecovery(bob);
  newRecovery(bob);
  const { entry } = grow(state, { by: alice, knows: [bob], change: heads });
  const account = idBytes(bob.account);
  const withEvidence = (...evidence: { account: Uint8Array; links: LinkEntry["evidence"][0]["links"] }[]) =>
    applyConversationLink(state, create(LinkEntrySchema, { link: entry.link!, evidence }));
  const [one, two, three] = bob.links;
  const missing = { kind: "incomplete", reason: "evidence", missing: [{ account, index: 3, hash: idBytes(bob.state.head.hash) }] };
  expect(withEvidence()).toMatchObject(missing);
  expect(withEvidence({ account, links: [three!] })).toMatchObject(missing);
  expect(withEvidence({ account, links: [two!] })).toMatchObject(missing);
  expect(withEvidence({ account, links: [one!, three!] })).toMatchObject(missing);
  expect(withEvidence({ account: idBytes(carol.account), links: [two!, three!] })).toMatchObject(missing);
  expect(withEvidence({ account, links: [{ ...two!, cosignature: two!.signature }, three!] })).toMatchObject(missing);
  const tooMany = [...Array.from({ length: limits.evidenceLinksPerLink - 1 }, () => one!), two!, three!];
  expect(withEvidence({ account, links: tooMany })).toMatchObject(missing);
  expect(withEvidence({ account, links: tooMany.slice(1) }).kind).toBe("valid");
  const emptyParts = Array.from({ length: limits.evidencePartsPerLink }, () => ({ account, links: [] }));
  expect(withEvidence(...emptyParts, { account, links: [two!, three!] })).toMatchObject(missing);
  expect(withEvidence(...emptyParts.slice(1), { account, links: [two!, three!] }).kind).toBe("valid");
  expect(withEvidence({ account, links: [two!, three!] }).kind).toBe("valid");
  expect(withEvidence({ account, links: bob.links }).kind).toBe("valid");
  expect(withEvidence({ account, links: [three!] }, { account, links: [two!, three!] }).kind).toBe("valid");
});

test("[C1] what was verified before saves time and changes no verdict", () => {
  const { alice, bob } = people();
  const verified = new Map();
  const { entry } = openDirect(alice, bob);
  const once = applyConversationLink(undefined, entry, verified);
  expect(verified.size).toBe(2);
  expect(applyConversationLink(undefined, entry, verified)).toEqual(once);
  const bare = create(LinkEntrySchema, { link: entry.link! });
  expect(applyConversationLink(undefined, bare, verified)).toMatchObject({ kind: "incomplete", reason: "evidence" });
});

test("[C1] a device not yet recorded writes its own head; until then its messages do not count", () => {
  const { alice, bob } = people();
  const { state } = openDirect(alice, bob);
  const phone = addDevice(bob);
  const message = { ...authorOf(bob, phone), epoch: 1 };
  expect(messageAllowed(state, message)).toEqual({ kind: "refused", reason: "device-unknown" });
  expect(attempt(state, { by: bob, device: phone, change: rekey, opening: fresh })).toBe("invalid: by a device that is not active");
  const after = grow(state, { by: bob, device: phone, knows: [bob], change: heads }).state;
  expect(messageAllowed(after, message)).toEqual({ kind: "allowed" });
  const other = grow(state, { by: bob, device: phone, knows: [bob], change: rekey, opening: fresh }).state;
  expect(messageAllowed(other, { ...message, epoch: 2 })).toEqual({ kind: "allowed" });
});

test("[C1] a device's rights end at the first link that names a head in which it is revoked, which may be its own last", () => {
  const { alice, bob } = people();
  const phone = addDevice(bob);
  const { state } = openDirect(alice, bob);
  const message = { ...authorOf(bob, phone), epoch: 1 };
  revoke(bob, phone);
  expect(messageAllowed(state, message)).toEqual({ kind: "allowed" });
  const last = grow(state, { by: bob, device: phone, knows: [bob], change: heads }).state;
  expect(last.turnDue).toBe(true);
  expect(messageAllowed(last, message)).toEqual({ kind: "refused", reason: "device-ended" });
  expect(attempt(last, { by: bob, device: phone, change: rekey, opening: fresh })).toMatch(/^invalid: by a device/);
  // Its last link opens no epoch, whose key it would know.
  expect(attempt(state, { by: bob, device: phone, knows: [bob], change: rekey, opening: fresh })).toBe(
    "invalid: an epoch opened by a device whose rights end",
  );
  // Who was never recorded as active has no last link.
  const late = addDevice(bob);
  revoke(bob, late);
  expect(attempt(last, { by: bob, device: late, knows: [bob], change: heads })).toBe("invalid: by a device that is not active");
});

test("[C4] a recorded revoke, succeed or close makes a turn due; a sign-out, a new device and a recovery key do not", () => {
  const { alice } = people();
  const cases = [
    { due: true, move: (bob: Person) => void revoke(bob, addDevice(bob)) },
    { due: true, move: (bob: Person) => void succeed(bob, first(bob)) },
    { due: true, move: (bob: Person) => void close(bob) },
    { due: false, move: (bob: Person) => void signOut(bob, addDevice(bob)) },
    { due: false, move: (bob: Person) => void addDevice(bob) },
    { due: false, move: (bob: Person) => void newRecovery(bob) },
  ];
  for (const { due, move } of cases) {
    const { bob } = people();
    const { state } = openDirect(alice, bob);
    move(bob);
    const after = grow(state, { by: alice, knows: [bob], change: heads }).state;
    expect(after.turnDue).toBe(due);
  }
});

test("[C4] a turn that is due is cleared only by a fresh key, which is the oldest good epoch from then on", () => {
  const { alice, bob } = people();
  const { state } = openDirect(alice, bob);
  revoke(bob, addDevice(bob));
  const due = grow(state, { by: alice, knows: [bob], change: heads }).state;
  expect(messageAllowed(due, { ...authorOf(alice), epoch: 1 })).toEqual({ kind: "refused", reason: "turn-due" });
  const kept = grow(due, { by: alice, change: { case: "policy", value: { policy: {} } } }).state;
  expect(kept.turnDue).toBe(true);
  const turned = grow(kept, { by: bob, change: rekey, opening: fresh }).state;
  expect(turned).toMatchObject({ turnDue: false, oldestGoodEpoch: 2 });
  expect(messageAllowed(turned, { ...authorOf(alice), epoch: 1 })).toEqual({ kind: "refused", reason: "stale-epoch" });
  expect(messageAllowed(turned, { ...authorOf(alice), epoch: 2 })).toEqual({ kind: "allowed" });
  expect(messageAllowed(turned, { ...authorOf(alice), epoch: 3 })).toEqual({ kind: "refused", reason: "unknown-epoch" });
  // Nobody lost anything: a further key leaves the oldest good epoch where it is.
  const more = grow(turned, { by: bob, change: rekey, opening: fresh }).state;
  expect(more.oldestGoodEpoch).toBe(2);
  expect(copyRecipients(more).find((each) => each.account === bob.account)?.generation).toBe(2);
  // Heads and the fresh key may stand in one link.
  const both = grow(state, { by: alice, knows: [bob], change: rekey, opening: fresh }).state;
  expect(both).toMatchObject({ turnDue: false, oldestGoodEpoch: 2 });
});

test("[C8] who opens an epoch seals the newest profile into it", () => {
  const { alice, bob } = people();
  const { state } = openDirect(alice, bob);
  const early = commitmentsOf("early", "profile");
  expect(attempt(state, { by: alice, change: rekey, opening: fresh, commitments: early })).toBe(
    "invalid: a profile that the conversation does not have",
  );
  const shown = grow(state, { by: bob, change: { case: "profile", value: { profileHash: bytesOf("first") } } }).state;
  const bare = commitmentsOf("bare");
  expect(attempt(shown, { by: alice, change: rekey, opening: fresh, commitments: bare })).toBe(
    "invalid: the profile is missing in the new epoch",
  );
  const again = commitmentsOf("again", "the same, sealed again");
  const turned = grow(shown, { by: alice, change: rekey, opening: fresh, commitments: again }).state;
  expect(turned.profileHash).toBe(toHex(bytesOf("the same, sealed again")));
  expect(attempt(shown, { by: alice, change: { case: "profile", value: {} } })).toBe("invalid: not the hash of a profile");
});

test("[C4] a body for derivation lacks exactly key id, hash of sealed keys and hash of the profile", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob]);
  const change = additionsOf(new Map([[carol.account, "member"]]));
  const plan = { state, author: authorOf(alice), known: knownOf(carol), change, opening: derived };
  const drafted = draftLink(plan);
  if (drafted.kind !== "drafted") throw new Error(drafted.reason);
  const { draft } = drafted;
  const finish = (name: string) => finishLink(draft, first(alice).signingSeed, commitmentsOf(name)).link!.body;
  expect(finish("one")).not.toEqual(finish("two"));
  expect(linkBodyForDerivation(finish("one"))).toEqual(draft.opening?.bodyWithoutCommitments);
  expect(linkBodyForDerivation(finish("two"))).toEqual(draft.opening?.bodyWithoutCommitments);
  expect(draft.opening).toMatchObject({ epoch: 2, context: state.conversation, previous: state.head.hash });
  expect(draft.opening?.recipients.map((recipient) => recipient.account)).toEqual([carol.account]);
  const other = forgeLink(
    finishLink(draft, first(alice).signingSeed, commitmentsOf("one")),
    first(alice).signingSeed,
    (body) => (body.opening!.epoch = 3),
  );
  expect(linkBodyForDerivation(other.link!.body)).not.toEqual(draft.opening?.bodyWithoutCommitments);
  expect(() => finishLink(draft, first(alice).signingSeed)).toThrow(RangeError);
});

test("[C4] an opening link may carry the hash of the state after it, and then it must be that", () => {
  const { alice, bob } = people();
  const { state, entry } = openGroup([alice, bob]);
  const again = applyConversationLink(undefined, entry);
  expect(again.kind === "valid" && toHex(stateHash(again.state))).toBe(toHex(stateHash(state)));
  expect(state.head.hash).toBe(conversationLinkHash(entry.link!));
  const turned = grow(state, { by: bob, change: rekey, opening: fresh });
  const claimed = forgeLink(
    turned.entry,
    first(bob).signingSeed,
    opening((each) => (each.stateHash = stateHash(state))),
  );
  expect(verdict(state, claimed)).toBe("invalid: not the hash of the state after it");
  expect(toHex(stateHash(turned.state))).not.toBe(toHex(stateHash(state)));
});
