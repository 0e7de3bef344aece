import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AccountHeadSchema } from "../generated/fastchat/v1/account_pb.ts";
import {
  type Addition,
  AdditionSchema,
  type ConversationLink,
  Joining,
  NewcomersRead,
  type PolicySchema,
  Role,
  Who,
} from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, idBytes } from "../ids.ts";
import { limits } from "../limits.ts";
import { labels } from "../seal/labels.ts";
import { publicKeyOf, signLink } from "../seal/signature.ts";
import {
  additionOf,
  additionsOf,
  applyConversationLink,
  buildJoinRequest,
  type ConversationChange,
  type ConversationState,
  copyRecipients,
  faultOfJoinRequest,
  isEntitled,
  joinRequestParts,
  messageAllowed,
  removalOf,
  rolesOf,
  stateHash,
  type VerifiedAccounts,
  verifyEvidence,
  wasMemberAt,
} from "./index.ts";
import {
  addDevice,
  authorOf,
  attempt,
  bytesOf,
  close,
  derived,
  first,
  forgeLink,
  fresh,
  grow,
  heads,
  newRecovery,
  openDirect,
  openGroup,
  people,
  type Person,
  rekey,
  revoke,
  signOut,
  signUp,
  type TestDevice,
  twin,
  verdict,
} from "./test-people.ts";

const leave: ConversationChange = { case: "leave", value: {} };
const leaveTo = (successor: Person): ConversationChange => ({ case: "leave", value: { successor: idBytes(successor.account) } });
const policyOf = (policy: MessageInitShape<typeof PolicySchema>): ConversationChange => ({ case: "policy", value: { policy } });
const asMember = (...people: readonly Person[]) => additionsOf(new Map(people.map((person) => [person.account, "member"])));
const rolesNow = (state: ConversationState) =>
  Object.fromEntries([...state.members.values()].map((member) => [member.chain.name, member.role]));

test("[G2] a group's id is the hash of its create, which names no id", () => {
  const { alice, bob } = people();
  const { state, entry } = openGroup([alice, bob]);
  expect(state.conversation).not.toBe(state.head.hash);
  const forge = (change: (body: ConversationLink) => void) => verdict(undefined, forgeLink(entry, first(alice).signingSeed, change));
  expect(forge((body) => (body.conversation = idBytes(state.conversation)))).toBe("invalid: a group's id follows from its create");
  const create_ = (change: (members: { role: Role }[]) => void) =>
    forge((body) => {
      if (body.change.case === "create") change(body.change.value.members);
    });
  expect(create_((members) => members.forEach((member) => (member.role = Role.MEMBER)))).toBe("invalid: who creates a group is an admin");
  const other = forgeLink(entry, first(alice).signingSeed, (body) => (body.extra = bytesOf("x")));
  const result = applyConversationLink(undefined, other);
  expect(result.kind === "valid" && result.state.conversation).not.toBe(state.conversation);
});

test("[C2] only an admin adds, removes, changes roles, policy or profile; anybody rekeys and writes heads", () => {
  const { alice, bob, carol, dave } = people();
  const { state } = openGroup([alice, bob, carol]);
  const profile: ConversationChange = { case: "profile", value: { profileHash: bytesOf("name") } };
  newRecovery(dave);
  const deeds: { change: ConversationChange; opening?: typeof fresh; knows?: Person[]; refusal: string | undefined }[] = [
    { change: asMember(dave), opening: fresh, knows: [dave], refusal: "may not add" },
    { change: removalOf([carol.account]), opening: fresh, refusal: "may not remove" },
    { change: rolesOf(new Map([[bob.account, "admin"]])), refusal: "may not change roles" },
    { change: policyOf({ mayAdd: Who.MEMBERS }), refusal: "may not change the policy" },
    { change: profile, refusal: "may not change the profile" },
    { change: rekey, opening: fresh, refusal: undefined },
    { change: leave, refusal: undefined },
  ];
  for (const { refusal, ...deed } of deeds) {
    expect(attempt(state, { by: bob, ...deed })).toBe(refusal === undefined ? "valid" : `invalid: ${refusal}`);
    expect(attempt(state, { by: alice, ...deed })).toBe("valid");
    expect(attempt(state, { by: dave, ...deed })).toBe("invalid: not by a member");
  }
  newRecovery(carol);
  expect(attempt(state, { by: bob, knows: [carol], change: heads })).toBe("valid");
});

test("[C2] the policy may let members add and change the profile, and let only admins write", () => {
  const { alice, bob, carol, dave } = people();
  const open = openGroup([alice, bob], { mayAdd: Who.MEMBERS, mayChangeProfile: Who.MEMBERS, mayWrite: Who.ADMINS }).state;
  expect(attempt(open, { by: bob, knows: [dave], change: asMember(dave), opening: derived })).toBe("valid");
  const admin = additionsOf(new Map([[carol.account, "admin"]]));
  expect(attempt(open, { by: bob, knows: [carol], change: admin, opening: derived })).toBe("invalid: may not add an admin");
  expect(attempt(open, { by: bob, change: { case: "profile", value: { profileHash: bytesOf("name") } } })).toBe("valid");
  expect(messageAllowed(open, { ...authorOf(bob), epoch: 1 })).toEqual({ kind: "refused", reason: "may-not-write" });
  expect(messageAllowed(open, { ...authorOf(alice), epoch: 1 })).toEqual({ kind: "allowed" });
  const closed = grow(open, { by: alice, change: policyOf({}) }).state;
  expect(messageAllowed(closed, { ...authorOf(bob), epoch: 1 })).toEqual({ kind: "allowed" });
  expect(attempt(closed, { by: bob, knows: [dave], change: asMember(dave), opening: derived })).toBe("invalid: may not add");
});

test("[C4] an add derives the next key, or opens a fresh one; while a turn is due only a fresh one", () => {
  const { alice, bob, carol, dave } = people();
  const { state } = openGroup([alice, bob]);
  const added = grow(state, { by: alice, knows: [carol], change: asMember(carol), opening: derived }).state;
  expect(added.epochs.at(-1)).toMatchObject({ epoch: 2, kind: "derived", previousLink: state.head.hash, index: 2 });
  expect(copyRecipients(added).map((each) => each.account)).toEqual([carol.account]);
  expect(added.oldestGoodEpoch).toBe(1);
  expect(attempt(state, { by: alice, knows: [carol], change: asMember(carol), opening: fresh })).toBe("valid");
  expect(attempt(state, { by: alice, knows: [carol], change: asMember(carol) })).toBe("invalid: opens no epoch");
  const left = grow(added, { by: bob, change: leave }).state;
  expect(left.turnDue).toBe(true);
  expect(attempt(left, { by: alice, knows: [dave], change: asMember(dave), opening: derived })).toBe(
    "invalid: not the kind of epoch that is due",
  );
  const turned = grow(left, { by: alice, knows: [dave], change: asMember(dave), opening: fresh }).state;
  expect(turned).toMatchObject({ turnDue: false, oldestGoodEpoch: 3 });
  expect(copyRecipients(turned)).toHaveLength(3);
  // A revoke that the same link records makes the turn due as well.
  revoke(carol, addDevice(carol));
  const knows = [carol, dave];
  expect(attempt(added, { by: alice, knows, change: asMember(dave), opening: derived })).toBe("invalid: not the kind of epoch that is due");
});

test("[C4] only newcomers can be without a key in a derived epoch", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob]);
  const adding = (withoutKey: AccountId[]) => ({
    by: alice,
    knows: [carol],
    change: asMember(carol),
    opening: { kind: "derived", withoutKey } as const,
  });
  expect(attempt(state, adding([carol.account]))).toBe("valid");
  expect(attempt(state, adding([bob.account]))).toBe("invalid: names somebody without a key who needs none");
});

test("[C4] a remove turns in itself, a leave makes the turn due and opens nothing", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob, carol]);
  const removal = { by: alice, change: removalOf([carol.account]) };
  expect(attempt(state, removal)).toBe("invalid: opens no epoch");
  expect(attempt(state, { ...removal, opening: derived })).toBe("invalid: not the kind of epoch that is due");
  const removed = grow(state, { ...removal, opening: fresh }).state;
  expect(removed).toMatchObject({ turnDue: false, oldestGoodEpoch: 2 });
  expect(messageAllowed(removed, { ...authorOf(carol), epoch: 2 })).toEqual({ kind: "refused", reason: "not-a-member" });
  expect(isEntitled(removed, carol.account, 1)).toBe(true);
  expect(isEntitled(removed, carol.account, 2)).toBe(false);
  expect(attempt(state, { by: bob, change: leave, opening: fresh })).toBe("invalid: opens an epoch that nobody needs");
  expect(grow(state, { by: bob, change: leave }).state.turnDue).toBe(true);
});

test("[C2] who is removed is a member and not the author; lists are ordered", () => {
  const { alice, bob, carol, dave } = people();
  const { state } = openGroup([alice, bob, carol]);
  const removing = (accounts: readonly AccountId[]) => attempt(state, { by: alice, change: removalOf(accounts), opening: fresh });
  expect(removing([])).toBe("invalid: not an ordered list of accounts");
  expect(removing([bob.account, bob.account])).toBe("invalid: not an ordered list of accounts");
  expect(removing([dave.account])).toBe("invalid: removes somebody who is no member");
  expect(removing([alice.account])).toBe("invalid: who goes leaves");
  expect(removing([bob.account, carol.account])).toBe("valid");
  const again = attempt(state, { by: alice, knows: [bob], change: asMember(bob), opening: derived });
  expect(again).toBe("invalid: adds a member");
  const role = rolesOf(new Map([[dave.account, "admin"]]));
  expect(attempt(state, { by: alice, change: role })).toBe("invalid: changes the role of somebody who is no member");
  expect(attempt(state, { by: alice, change: rolesOf(new Map()) })).toBe("invalid: not an ordered list of accounts");
});

test("[C2] with no admin left the earliest-added member is one", () => {
  const { alice, bob, carol, dave } = people();
  const { state } = openGroup([alice, dave]);
  const three = grow(state, { by: alice, knows: [carol], change: asMember(carol), opening: derived }).state;
  const four = grow(three, { by: alice, knows: [bob], change: asMember(bob), opening: derived }).state;
  expect(rolesNow(grow(four, { by: alice, change: leave }).state)).toEqual({ bob: "member", carol: "member", dave: "admin" });
  const down = grow(four, { by: alice, change: rolesOf(new Map([[alice.account, "member"]])) }).state;
  expect(Object.values(rolesNow(down)).filter((role) => role === "admin")).toHaveLength(1);
  close(alice);
  const closed = grow(four, { by: bob, knows: [alice], change: heads });
  expect(rolesNow(closed.state)).toEqual({ bob: "member", carol: "member", dave: "admin" });
  expect(closed.state.turnDue).toBe(true);
  expect(attempt(closed.state, { by: dave, change: removalOf([bob.account]), opening: fresh })).toBe("valid");
});

test("[C2] the last admin's leave may name a successor; nobody else's", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob, carol]);
  expect(rolesNow(grow(state, { by: alice, change: leaveTo(carol) }).state)).toEqual({ bob: "member", carol: "admin" });
  expect(attempt(state, { by: bob, change: leaveTo(carol) })).toBe("invalid: only the last admin names a successor");
  expect(attempt(state, { by: alice, change: leaveTo(alice) })).toBe("invalid: the successor is no member");
  expect(attempt(state, { by: alice, change: leaveTo(signUp("dave")) })).toBe("invalid: the successor is no member");
  const two = grow(state, { by: alice, change: rolesOf(new Map([[bob.account, "admin"]])) }).state;
  expect(attempt(two, { by: alice, change: leaveTo(carol) })).toBe("invalid: only the last admin names a successor");
  expect(attempt(two, { by: alice, change: leave })).toBe("valid");
  // Nor a member whose own link records that the last admin is gone.
  close(alice);
  expect(attempt(state, { by: bob, knows: [alice], change: leaveTo(carol) })).toBe("invalid: only the last admin names a successor");
});

test("[C2] a closed account is no member: it leaves the group with the head that says so, and is not added", () => {
  const { alice, bob, carol, dave } = people();
  const { state } = openGroup([alice, bob, carol]);
  close(carol);
  close(dave);
  const after = grow(state, { by: bob, knows: [carol], change: heads }).state;
  expect(after.members.has(carol.account)).toBe(false);
  expect(after.removed.has(carol.account)).toBe(false);
  expect(attempt(after, { by: carol, change: rekey, opening: fresh })).toBe("invalid: not by a member");
  expect(attempt(after, { by: alice, knows: [dave], change: asMember(dave), opening: fresh })).toBe("invalid: adds a closed account");
});

test("[C1] who comes back does so with the head recorded last, or a later one, never an older or another", () => {
  const { alice, bob, carol } = people();
  const old = twin(carol);
  newRecovery(carol);
  const { state } = openGroup([alice, bob, carol]);
  const removed = grow(state, { by: alice, change: removalOf([carol.account]), opening: fresh }).state;
  const change = asMember(carol);
  const same = grow(removed, { by: alice, knows: [carol], change, opening: derived });
  expect(same.entry.evidence[0]?.links).toHaveLength(0);
  expect(same.state.members.get(carol.account)).toMatchObject({ addedAt: 3, earlier: [{ from: 1, until: 2 }] });
  expect([1, 2, 3].map((index) => wasMemberAt(same.state, carol.account, index))).toEqual([true, false, true]);
  expect([1, 2, 3].map((epoch) => isEntitled(same.state, carol.account, epoch))).toEqual([true, false, true]);
  newRecovery(carol);
  expect(attempt(removed, { by: alice, knows: [carol], change, opening: derived })).toBe("valid");
  const back = forgeLink(same.entry, first(alice).signingSeed, (body) => {
    body.heads = [create(AccountHeadSchema, { account: idBytes(old.account), index: 1, hash: idBytes(old.state.head.hash) })];
  });
  expect(verdict(removed, back)).toBe("invalid: names a head that does not follow the recorded one");
  expect(attempt(removed, { by: alice, knows: [old], change, opening: derived })).toBe("invalid: adds an account without its head");
});

test("[C6] older epochs are for newcomers only where the policy gives them", () => {
  const { alice, bob, carol } = people();
  const grown = (policy: MessageInitShape<typeof PolicySchema>) => {
    const turned = grow(openGroup([alice, bob], policy).state, { by: bob, change: rekey, opening: fresh }).state;
    return grow(turned, { by: alice, knows: [carol], change: asMember(carol), opening: derived }).state;
  };
  const entitled = (state: ConversationState, person: Person) => [1, 2, 3, 4].map((epoch) => isEntitled(state, person.account, epoch));
  expect(entitled(grown({}), carol)).toEqual([false, false, true, false]);
  expect(entitled(grown({ newcomersRead: NewcomersRead.EVERYTHING }), carol)).toEqual([true, true, true, false]);
  expect(entitled(grown({ newcomersReadSinceEpoch: 2 }), carol)).toEqual([false, true, true, false]);
  expect(entitled(grown({ newcomersRead: NewcomersRead.EVERYTHING }), signUp("dave"))).toEqual([false, false, false, false]);
  expect(entitled(grown({}), bob)).toEqual([true, true, true, false]);
});

test("[C2] a group has no more members than the limit", () => {
  const { alice, bob } = people();
  const { state } = openGroup([alice]);
  const member = state.members.get(alice.account)!;
  const others = Array.from({ length: limits.groupMembers - 1 }, (_, number) => ({ ...member, account: `${number}` as AccountId }));
  const full = { ...state, members: new Map([...state.members, ...others.map((each) => [each.account, each] as const)]) };
  expect(attempt(full, { by: alice, knows: [bob], change: asMember(bob), opening: derived })).toBe("invalid: too many members");
});

const invitationSeed = bytesOf("invitation");
const invitationKey = publicKeyOf(invitationSeed);
const invitation = { publicKey: invitationKey, uses: 1, lastDay: 20_000 };

/** A request to join, signed with the invitation's secret and by a device. */
function request(
  state: ConversationState,
  person: Person,
  change: (addition: Addition) => void = () => undefined,
  device: TestDevice = first(person),
) {
  const account = idBytes(person.account);
  const head = create(AccountHeadSchema, { account, index: person.state.head.index, hash: idBytes(person.state.head.hash) });
  const parts = joinRequestParts({ conversation: idBytes(state.conversation), invitation: invitationKey, account, head });
  const addition = create(AdditionSchema, {
    member: { account, role: Role.MEMBER },
    invitation: invitationKey,
    requestInvitationSignature: signLink(invitationSeed, labels.signature.invitation, ...parts),
    requestDeviceSignature: signLink(device.signingSeed, labels.signature.invitationByDevice, ...parts),
    requestDevice: idBytes(device.device),
    requestHead: head,
  });
  change(addition);
  return { case: "add", value: { additions: [addition] } } satisfies ConversationChange;
}

test("[C7] an invitation lets in who holds its secret, as often as it says", () => {
  const { alice, bob, carol, dave } = people();
  const { state } = openGroup([alice, bob], { invitations: [invitation] });
  const joining = (person: Person, on = state, change: ConversationChange = request(on, person)) => ({
    by: alice,
    knows: [person],
    change,
    opening: derived,
  });
  const joined = grow(state, joining(carol)).state;
  expect([...joined.invitations.values()]).toMatchObject([{ uses: 1, used: 1 }]);
  expect(attempt(joined, joining(dave, joined))).toBe("invalid: the invitation is used up");
  expect(attempt(state, { ...joining(carol), by: bob })).toBe("invalid: may not add");
  const wrong = (change: (addition: Addition) => void, device?: TestDevice) =>
    attempt(state, joining(carol, state, request(state, carol, change, device)));
  expect(wrong((each) => (each.requestInvitationSignature = each.requestDeviceSignature))).toBe("invalid: the request is not signed");
  expect(wrong((each) => (each.requestDeviceSignature = each.requestInvitationSignature))).toBe("invalid: the request is not signed");
  expect(wrong((each) => (each.member!.role = Role.ADMIN))).toBe("invalid: an invitation makes no admin");
  expect(wrong((each) => (each.invitation = publicKeyOf(bytesOf("other"))))).toBe("invalid: no such invitation");
  expect(wrong((each) => delete each.requestHead)).toBe("invalid: no head in the request");
  expect(wrong((each) => (each.requestHead!.index = 2))).toBe("invalid: the request names a head that is not the account's");
  expect(wrong((each) => (each.requestDevice = new Uint8Array(0)))).toBe("invalid: no device in the request");
  expect(wrong(() => undefined, first(dave))).toBe("invalid: the request is by no active device of the account");
  expect(wrong((each) => (each.invitation = new Uint8Array(0)))).toBe("invalid: a request without an invitation");
  const other = openGroup([alice, bob, dave], { invitations: [invitation] }).state;
  expect(attempt(state, joining(carol, state, request(other, carol)))).toBe("invalid: the request is not signed");
  const phone = addDevice(carol);
  signOut(carol, phone);
  expect(wrong(() => undefined, phone)).toBe("invalid: the request is by no active device of the account");
});

test("[C7] an invitation is no way back for who was removed, also long ago; who left may use it", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob, carol], { invitations: [{ ...invitation, uses: 9 }] });
  const join = (on: ConversationState) => ({ by: alice, knows: [carol], change: request(on, carol), opening: fresh });
  const left = grow(state, { by: carol, change: leave }).state;
  expect(attempt(left, join(left))).toBe("valid");
  const removed = grow(state, { by: alice, change: removalOf([carol.account]), opening: fresh }).state;
  expect(attempt(removed, join(removed))).toBe("invalid: who was removed needs more than an invitation");
  const back = grow(removed, { by: alice, knows: [carol], change: asMember(carol), opening: derived }).state;
  const gone = grow(back, { by: carol, change: leave }).state;
  expect(attempt(gone, join(gone))).toBe("invalid: who was removed needs more than an invitation");
});

test("[C7] an invitation is announced once, revoked once, and survives other policies", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob], { invitations: [invitation] });
  const setting = (on: ConversationState, ...invitations: object[]) => attempt(on, { by: alice, change: policyOf({ invitations }) });
  expect(setting(state, invitation)).toBe("invalid: an invitation is announced once");
  expect(setting(state, { ...invitation, uses: 5, revoked: true })).toBe("invalid: an invitation is announced once");
  const key = { ...invitation, publicKey: publicKeyOf(bytesOf("second")) };
  expect(setting(state, key)).toBe("valid");
  expect(setting(state, key, key)).toBe("invalid: an invitation is announced once");
  expect(setting(state, { ...key, uses: 0 })).toBe("invalid: an invitation of no use");
  expect(setting(state, { ...key, lastDay: 4_294_967_295 })).toBe("invalid: an invitation of no use");
  expect(setting(state, { ...key, revoked: true })).toBe("invalid: an invitation of no use");
  expect(setting(state, { ...key, publicKey: new Uint8Array(32) })).toBe("invalid: not an acceptable key of an invitation");
  const many = Array.from({ length: limits.invitationsPerPolicy + 1 }, () => key);
  expect(setting(state, ...many)).toBe("invalid: too many invitations");
  const kept = grow(state, { by: alice, change: policyOf({}) }).state;
  expect(kept.invitations.size).toBe(1);
  const revoked = grow(kept, { by: alice, change: policyOf({ invitations: [{ ...invitation, revoked: true }] }) }).state;
  const joining = { by: alice, knows: [carol], change: request(revoked, carol), opening: derived };
  expect(attempt(revoked, joining)).toBe("invalid: the invitation was revoked");
  expect(setting(revoked, { ...invitation, revoked: true })).toBe("invalid: an invitation is announced once");
});

test("[C7] a request is its account's own: built by a device, it lets in, with an invitation or by hand", async () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob], { invitations: [invitation] });
  const asking = { chain: carol.state, device: first(carol).device, signingSeed: first(carol).signingSeed };
  const invited = await buildJoinRequest(state.conversation, asking, invitationSeed);
  expect(faultOfJoinRequest(invited, carol.state)).toBeUndefined();
  const adding = (each: typeof invited): ConversationChange => ({ case: "add", value: { additions: [additionOf(each)] } });
  const joined = grow(state, { by: alice, knows: [carol], change: adding(invited), opening: derived }).state;
  expect([...joined.invitations.values()]).toMatchObject([{ used: 1 }]);
  const byName = await buildJoinRequest(state.conversation, asking);
  expect(faultOfJoinRequest(byName, carol.state)).toBeUndefined();
  expect(attempt(state, { by: alice, knows: [carol], change: adding(byName), opening: derived })).toBe("valid");
  expect(faultOfJoinRequest({ ...byName, invitation: invitationKey }, carol.state)).toBe("the request is not signed");
  expect(faultOfJoinRequest({ ...invited, invitation: new Uint8Array(0) }, carol.state)).toBe("the request is not signed");
  expect(faultOfJoinRequest({ ...byName, conversation: bytesOf("another group") }, carol.state)).toBe("the request is not signed");
  expect(faultOfJoinRequest(byName, bob.state)).toBe("no head in the request");
});

test("[C2] [C7] a public name has the form of a username, and an admin says how people join", () => {
  const { alice, bob } = people();
  const { state } = openGroup([alice, bob]);
  expect(state.policy).toMatchObject({ publicName: "", joining: "at-once" });
  const setting = (policy: MessageInitShape<typeof PolicySchema>, by = alice) => attempt(state, { by, change: policyOf(policy) });
  expect(setting({ publicName: "chess-club" }, bob)).toBe("invalid: may not change the policy");
  for (const publicName of ["Chess", "a", "-x", "two words", "x".repeat(33), "b\u043eb"]) {
    expect([publicName, setting({ publicName })]).toEqual([publicName, "invalid: not a public name"]);
  }
  const named = grow(state, { by: alice, change: policyOf({ publicName: "chess-club", joining: Joining.ASKS }) }).state;
  expect(named.policy).toMatchObject({ publicName: "chess-club", joining: "asks" });
  expect(stateHash(named)).not.toEqual(
    stateHash(grow(state, { by: alice, change: policyOf({ publicName: "chess-clubs", joining: Joining.ASKS }) }).state),
  );
  const direct = openDirect(alice, bob).state;
  expect(attempt(direct, { by: alice, change: policyOf({ publicName: "us-two" }) })).toBe("invalid: no policy of a direct conversation");
  expect(attempt(direct, { by: alice, change: policyOf({ joining: Joining.ASKS }) })).toBe("invalid: no policy of a direct conversation");
});

test("[C8] the state tells which link set the profile; who opens an epoch does not set it", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob, carol]);
  expect(state.profileAt).toBe(0);
  const set = grow(state, { by: alice, change: { case: "profile", value: { profileHash: bytesOf("profile") } } }).state;
  expect(set.profileAt).toBe(2);
  const turned = grow(set, { by: bob, change: rekey, opening: fresh }).state;
  expect(turned.profileAt).toBe(2);
  expect(turned.profileHash).not.toBe(set.profileHash);
  expect(grow(turned, { by: alice, change: { case: "profile", value: { profileHash: bytesOf("other") } } }).state.profileAt).toBe(4);
});

test("[C1] evidence that was verified ahead changes no verdict, and garbage has nothing verified for it", async () => {
  const crowd = Array.from({ length: 9 }, (_, number) => signUp(`crowd${number}`));
  const { entry, state } = openGroup(crowd);
  const verified: VerifiedAccounts = new Map();
  let pauses = 0;
  await verifyEvidence(undefined, entry, verified, async () => void (pauses += 1));
  expect([verified.size, pauses]).toEqual([9, 4]);
  expect(applyConversationLink(undefined, entry, verified)).toMatchObject({ kind: "valid", state: { head: state.head } });
  const [alice, newcomers] = [crowd[0]!, Array.from({ length: 9 }, (_, number) => signUp(`new${number}`))];
  const change = additionsOf(new Map(newcomers.map(({ account }) => [account, "member" as const])));
  const { entry: adding } = grow(state, { by: alice, knows: newcomers, change, opening: derived });
  const garbage = forgeLink(adding, bytesOf("nobody's key"), () => undefined);
  const nothing: VerifiedAccounts = new Map();
  await verifyEvidence(state, garbage, nothing, async () => undefined);
  expect(nothing.size).toBe(0);
  await verifyEvidence(state, adding, nothing, async () => undefined);
  expect(nothing.size).toBe(9);
  expect(verdict(state, garbage)).toBe("invalid: signature");
});
