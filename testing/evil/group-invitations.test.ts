import { create, toBinary } from "@bufbuild/protobuf";
import { conversationId, type ConversationId, ErrorCode, idBytes } from "@fastchat/protocol";
import { additionOf, buildJoinRequest, type ConversationState, policyOf } from "@fastchat/protocol/chain";
import { generateSigningKey, type SigningKey, toHex } from "@fastchat/protocol/seal";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { type JoinRequest, JoinRequestSchema } from "@fastchat/protocol/wire/conversation";
import { expect } from "vitest";
import { takeDump } from "../groups/dump.ts";
import { agree, viewOf } from "../groups/group-talk.ts";
import { type EvilCase, play, type Stage, until } from "./case.ts";
import { changedClient, goesOn, type StagedGroup, stagedGroup } from "./group-stage.ts";
import type { ModifiedClient, Wrong } from "./modified-client.ts";

const DAY_MS = 86_400_000;
/** Long enough for an admin's device to let in whom it lets in. */
const ADMISSION_MS = 1_000;

const stateOf = async (stage: Stage, id: ConversationId): Promise<ConversationState> =>
  (await takeDump(stage.system, id)).links.at(-1)!.state;
const today = (): number => Math.floor(Date.now() / DAY_MS);

/** An invitation whose secret everybody in the test knows. */
async function announced({ id, mallory }: StagedGroup, stage: Stage, terms: { uses: number; lastDay: number }): Promise<SigningKey> {
  const key = generateSigningKey();
  const { policy } = await stateOf(stage, id);
  const change = { case: "policy" as const, value: { policy: policyOf(policy, [{ publicKey: key.publicKey, ...terms }]) } };
  expect(await mallory.append(id, await mallory.forge(id, { change }))).toBe("appended");
  return key;
}

async function requestOf(who: ModifiedClient, id: ConversationId, invitation: SigningKey): Promise<JoinRequest> {
  const { state: chain } = await who.account(who.profile.me.account);
  return buildJoinRequest(id, { chain, device: who.profile.me.device, signingSeed: who.profile.signingSeed }, invitation.seed);
}

async function ask(who: ModifiedClient, request: JoinRequest): Promise<"asked" | ErrorCode> {
  const { body } = await who.socket.ask({ case: "requestJoin", value: { request } });
  return body.case === "error" ? body.value.code : "asked";
}

/** The server keeps it as if it were good, and tells the admins. */
async function plantRequest(
  stage: Stage,
  { id, bob, alice }: StagedGroup,
  request: JoinRequest,
  account = request.head!.account,
): Promise<void> {
  await stage.system.query(
    "INSERT INTO join_request (conversation, account, request, time, invited) VALUES ($1, $2, $3, $4, true) ON CONFLICT (conversation, account) DO UPDATE SET request = $3",
    [Buffer.from(idBytes(id)), Buffer.from(account), Buffer.from(toBinary(JoinRequestSchema, request)), Date.now()],
  );
  for (const who of [bob, alice]) await who.reopen();
}

const addedBy = (request: JoinRequest, change: (addition: ReturnType<typeof additionOf>) => void = () => undefined): Wrong => {
  const addition = additionOf(request);
  change(addition);
  return { change: { case: "add", value: { additions: [addition] } }, adds: [toHex(addition.member!.account) as never] };
};

/** Nobody lets in who shows it, nor does a server take it from an admin who would. */
async function isWorthNothing(stage: Stage, group: StagedGroup, who: ModifiedClient, invitation: SigningKey): Promise<void> {
  const { id, bob, mallory } = group;
  const before = (await viewOf(bob, id))!.roster;
  const request = await requestOf(who, id, invitation);
  expect(await ask(who, request)).toBe(ErrorCode.INVITATION_INVALID);
  await plantRequest(stage, group, request);
  await new Promise((resolve) => setTimeout(resolve, ADMISSION_MS));
  expect((await viewOf(bob, id))!.roster).toEqual(before);
  const state = await stateOf(stage, id);
  const { invitations, removed } = state;
  const known = invitations.get(toHex(invitation.publicKey))!;
  // The day binds who adds, and not the chain, which has no clock.
  const isChains = known.revoked || known.used >= known.uses || removed.has(who.profile.me.account);
  const pretend = (real: ConversationState): ConversationState => ({
    ...real,
    removed: new Set(),
    invitations: new Map(real.invitations).set(known.publicKey, { ...known, used: 0, revoked: false }),
  });
  const forged = await mallory.forge(id, addedBy(request), pretend);
  if (isChains) expect(await mallory.append(id, forged)).toBe(ErrorCode.LINK_INVALID);
  await stage.system.query("DELETE FROM join_request");
}

const overused: EvilCase = {
  attack: "an invitation used more often than it says, after its day, after it was revoked, and by a removed member",
  rules: "[C7]",
  async run(stage) {
    const group = await stagedGroup(stage, "By invitation", { mallory: "admin", own: true });
    const { id, bob, carol } = group;
    const [dave, erin] = [await changedClient(stage, "dave"), await changedClient(stage, "erin")];
    const once = await announced(group, stage, { uses: 1, lastDay: today() + 1 });
    expect(await ask(dave, await requestOf(dave, id, once))).toBe("asked");
    await until(bob, "dave", async () => (await viewOf(bob, id))!.roster.includes(`${dave.profile.me.name} member`) || undefined);
    await isWorthNothing(stage, group, erin, once);

    const yesterday = await announced(group, stage, { uses: 5, lastDay: today() - 1 });
    await agree([bob, carol], id);
    await isWorthNothing(stage, group, erin, yesterday);

    const good = await announced(group, stage, { uses: 5, lastDay: today() + 1 });
    await until(bob, "the invitation", async () => (await bob.client.groups.info(id))!.invitations.length === 3 || undefined);
    await bob.client.groups.remove(id, [dave.profile.me.name]);
    await isWorthNothing(stage, group, dave, good);
    await bob.client.groups.revokeInvitation(id, toHex(good.publicKey));
    await isWorthNothing(stage, group, erin, good);
    await goesOn(stage, group);
  },
};

const replayed: EvilCase = {
  attack: "a join request replayed for another group, and one forged for somebody else",
  rules: "[C7] [G1]",
  async run(stage) {
    const group = await stagedGroup(stage, "Here", { mallory: "admin", own: true });
    const { id, bob, alice, carol, mallory } = group;
    const [dave, erin] = [await changedClient(stage, "dave"), await changedClient(stage, "erin")];
    const invitation = await announced(group, stage, { uses: 5, lastDay: today() + 1 });
    const there = await bob.client.groups.create({ name: "There", members: [alice.name, carol.name, mallory.profile.me.name] });
    const forThere = await requestOf(dave, there, invitation);
    const forHere = await requestOf(dave, id, invitation);
    const { state: erins } = await erin.account(erin.profile.me.account);
    const erinsHead = create(AccountHeadSchema, {
      account: idBytes(erins.account),
      index: erins.head.index,
      hash: idBytes(erins.head.hash),
    });
    const forged: readonly (readonly [what: string, request: JoinRequest])[] = [
      ["of another group", create(JoinRequestSchema, { ...forThere, conversation: idBytes(id) })],
      ["with another invitation", create(JoinRequestSchema, { ...forHere, invitation: generateSigningKey().publicKey })],
      ["for somebody else, by dave's device", create(JoinRequestSchema, { ...forHere, head: erinsHead })],
      [
        "for somebody else, by erin's device",
        create(JoinRequestSchema, { ...forHere, head: erinsHead, device: idBytes(erin.profile.me.device) }),
      ],
      ["without the secret", create(JoinRequestSchema, { ...forHere, invitationSignature: forHere.deviceSignature })],
    ];
    for (const [what, request] of forged) {
      const answer = await ask(dave, request);
      expect([what, answer === ErrorCode.INVITATION_INVALID || answer === ErrorCode.FORBIDDEN]).toEqual([what, true]);
      // In a server's hands it is worth nothing to the admins' devices, and no chain takes it.
      await plantRequest(stage, group, request);
      await new Promise((resolve) => setTimeout(resolve, ADMISSION_MS));
      expect([what, (await viewOf(bob, id))!.roster.length]).toEqual([what, 4]);
      expect([what, await bob.client.groups.joinRequests(id)]).toEqual([what, []]);
      await stage.system.query("DELETE FROM join_request");
      const built = mallory.forge(id, addedBy(request)).then((link) => mallory.append(id, link));
      await expect(built).rejects.toThrow(/even pretending/);
    }
    // The real one is as good as ever.
    expect(await ask(dave, forHere)).toBe("asked");
    await until(bob, "dave", async () => (await viewOf(bob, id))!.roster.length === 5 || undefined);
    expect(conversationId(forHere.conversation)).toBe(id);
    await goesOn(stage, group);
  },
};

play([overused, replayed]);
