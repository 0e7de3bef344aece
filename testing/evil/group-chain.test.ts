import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { additionsOf, rolesOf } from "@fastchat/protocol/chain";
import { labels, random, signLink } from "@fastchat/protocol/seal";
import { type SignedLink, SignedLinkSchema } from "@fastchat/protocol/wire/account";
import {
  type ConversationLink,
  ConversationLinkSchema,
  ConversationRemoveSchema,
  type Entry,
  EntrySchema,
  type LinkEntry,
  LinkEntrySchema,
} from "@fastchat/protocol/wire/conversation";
import { expect } from "vitest";
import { takeDump } from "../groups/dump.ts";
import { agree, hears, say, textsOf, viewOf } from "../groups/group-talk.ts";
import { type EvilCase, noticed, play, type Stage, until } from "./case.ts";
import { makeFakeAccount } from "./fake-account.ts";
import { FalseLog } from "./false-log.ts";
import { changedClient, goesOn, plantLink, shows, type StagedGroup, stagedGroup } from "./group-stage.ts";
import { asAdmin, type ModifiedClient } from "./modified-client.ts";

const authorOf = ({ profile: { me } }: ModifiedClient) => ({ account: idBytes(me.account), device: idBytes(me.device) });

/** Everybody ignores what was planted, shows it, and has the roster that was there before. */
async function ignored(stage: Stage, group: StagedGroup, planted: number): Promise<void> {
  const { id, alice, bob, carol } = group;
  const before = (await viewOf(bob, id))!;
  await say(bob, id, "what was that?");
  for (const who of [alice, bob, carol]) {
    await hears(who, id, "what was that?");
    await shows(who, id, "invalid-link", planted);
    expect(await viewOf(who, id)).toEqual(before);
  }
  await goesOn(stage, group);
}

const ghostMember: EvilCase = {
  attack: "ghost member: the server lets somebody of its own into a group",
  rules: "[C2] [C3]",
  async run(stage) {
    const group = await stagedGroup(stage, "No ghosts");
    const { id, alice, bob, carol, mallory } = group;
    const ghost = await changedClient(stage, "ghost");
    const { account } = ghost.profile.me;
    const { state: chain } = await ghost.account(account);
    const wrong = { change: additionsOf(new Map([[account, "member" as const]])), adds: [account] };
    // By nobody who is in it; and by a member who may not, in league with the server.
    const stranger = await changedClient(stage, "stranger");
    const strangers = await stranger.account(stranger.profile.me.account);
    const byStranger = await stranger.forge(id, wrong, asAdmin(stranger.profile.me.account, strangers.state));
    const members = await mallory.account(mallory.profile.me.account);
    const byMember = await mallory.forge(id, wrong, asAdmin(mallory.profile.me.account, members.state));
    await plantLink(stage.system, id, { entry: byStranger.entry, ...authorOf(stranger) });
    await plantLink(stage.system, id, { entry: byMember.entry, ...authorOf(mallory) });
    // The server counts it among the members, and hands it everything.
    await stage.system.query("INSERT INTO member (conversation, account, role, may_write, account_head) VALUES ($1, $2, 1, true, $3)", [
      Buffer.from(idBytes(id)),
      Buffer.from(idBytes(account)),
      chain.head.index,
    ]);
    await ignored(stage, group, 2);
    await bob.client.groups.setPolicy(id, { newcomersRead: "now" });
    await agree([alice, bob, carol], id);
    const { copies, links } = await takeDump(stage.system, id);
    expect(links.at(-1)!.state.epochs.length).toBeGreaterThan(1);
    expect(copies.filter((copy) => Buffer.from(copy.account).toString("hex") === account)).toEqual([]);
  },
};

const serverMadeRole: EvilCase = {
  attack: "server-made role: somebody is an admin because the server says so",
  rules: "[C2] [C3]",
  async run(stage) {
    const group = await stagedGroup(stage, "No promotion");
    const { id, mallory, alice } = group;
    const { account } = mallory.profile.me;
    // In its own table; and by a link that an account of its own signs, which is called bob.
    await stage.system.query("UPDATE member SET role = 2 WHERE conversation = $1 AND account = $2", [
      Buffer.from(idBytes(id)),
      Buffer.from(idBytes(account)),
    ]);
    const fake = await makeFakeAccount(group.bob.name);
    const { state } = (await takeDump(stage.system, id)).links.at(-1)!;
    const body = create(ConversationLinkSchema, {
      version: 1,
      conversation: idBytes(id),
      index: state.head.index + 1,
      previous: idBytes(state.head.hash),
      account: idBytes(group.bob.me.account),
      device: idBytes(group.bob.me.device),
      change: rolesOf(new Map([[account, "admin"]])),
    });
    const bytes = toBinary(ConversationLinkSchema, body);
    const signature = signLink(fake.device.seed, labels.signature.conversationLink, bytes);
    const entry = create(LinkEntrySchema, { link: create(SignedLinkSchema, { body: bytes, signature }) });
    await plantLink(stage.system, id, { entry, account: body.account, device: body.device });
    await ignored(stage, group, 1);
    const roster = (await viewOf(alice, id))!.roster;
    expect(roster).toContain(`${mallory.profile.me.name} member`);
  },
};

const replayed: EvilCase = {
  attack: "a change replayed in another conversation: a removal of one group in another one",
  rules: "[C3] [G1]",
  async run(stage) {
    const group = await stagedGroup(stage, "Here");
    const { id, alice, bob, carol, mallory } = group;
    const other = await bob.client.groups.create({ name: "There", members: [alice.name, carol.name, mallory.profile.me.name] });
    await bob.client.groups.remove(other, [carol.name]);
    await bob.client.groups.setRole(other, [mallory.profile.me.name], "admin");
    const { links } = await takeDump(stage.system, other);
    for (const { entry } of links.slice(1)) {
      await plantLink(stage.system, id, { entry, account: idBytes(bob.me.account), device: idBytes(bob.me.device) });
    }
    // In the other one too, a second time.
    await plantLink(stage.system, other, { entry: links[1]!.entry, account: idBytes(bob.me.account), device: idBytes(bob.me.device) });
    await ignored(stage, group, 2);
    await say(bob, other, "once more?");
    await hears(alice, other, "once more?");
    await shows(alice, other, "invalid-link", 1);
  },
};

/** Links as no client writes them, by a member who signs anything. */
async function nonsense({ id, mallory }: StagedGroup, stage: Stage): Promise<LinkEntry[]> {
  const { state } = (await takeDump(stage.system, id)).links.at(-1)!;
  const good = await mallory.forge(id, { change: { case: "rekey", value: { reason: "as a pattern" } } });
  const { body } = good.entry.link!;
  const signed = (bytes: Uint8Array): LinkEntry => {
    const signature = signLink(mallory.profile.signingSeed, labels.signature.conversationLink, bytes);
    return create(LinkEntrySchema, { ...good.entry, link: create(SignedLinkSchema, { body: bytes, signature }) });
  };
  const changed = (change: (link: ConversationLink) => void): LinkEntry => {
    const link = fromBinary(ConversationLinkSchema, body);
    change(link);
    return signed(toBinary(ConversationLinkSchema, link));
  };
  const garbled = (part: Partial<SignedLink>) =>
    create(LinkEntrySchema, { ...good.entry, link: create(SignedLinkSchema, { ...good.entry.link!, ...part }) });
  return [
    create(LinkEntrySchema, { link: {} }),
    garbled({ signature: random(64) }),
    garbled({ signature: random(12) }),
    garbled({ cosignature: random(64) }),
    // Field 25, of three bytes: a change of which nobody knows.
    signed(Uint8Array.of(...body, 0xca, 0x01, 0x03, 1, 2, 3)),
    changed((link) => (link.change = { case: undefined })),
    changed((link) => (link.version = 0)),
    changed((link) => (link.version = 9)),
    changed((link) => (link.index += 7)),
    changed((link) => (link.previous = random(32))),
    changed((link) => (link.conversation = random(32))),
    changed((link) => (link.extra = random(5_000))),
    changed((link) => (link.opening!.epoch += 1)),
    changed((link) => (link.opening!.keyId = idBytes(state.epochs[0]!.keyId))),
    changed((link) => (link.opening!.stateHash = random(32))),
    changed((link) => (link.change = { case: "remove", value: create(ConversationRemoveSchema, { accounts: [random(3)] }) })),
  ];
}

const garbage: EvilCase = {
  attack: "a garbage link, and one of an unknown link type",
  rules: "[G4] [C3]",
  async run(stage) {
    const group = await stagedGroup(stage, "Garbage");
    const { id, alice, bob, mallory } = group;
    const links = await nonsense(group, stage);
    for (const entry of links) await plantLink(stage.system, id, { entry, ...authorOf(mallory) });
    await ignored(stage, group, links.length);
    // What is no link at all no honest server could pass on: alice is shown it by her evil one.
    const bodies = [random(200), Uint8Array.of(0xff), new Uint8Array(2_000_000)];
    const shown = (real: readonly Entry[]) =>
      bodies.map((body) => {
        const value = create(LinkEntrySchema, { link: create(SignedLinkSchema, { body, signature: random(64) }) });
        return create(EntrySchema, { ...real.at(-1)!, body: { case: "link", value } });
      });
    const before = (await viewOf(alice, id))!;
    const length = (await alice.client.conversation(id))!.head;
    stage.proxy.script = new FalseLog(id, (real) => [...real.slice(0, length), ...shown(real), ...real.slice(length)]).script;
    await say(bob, id, "and that?");
    await hears(alice, id, "and that?");
    await shows(alice, id, "invalid-link", links.length + bodies.length);
    expect(await viewOf(alice, id)).toEqual(before);
  },
};

const STORM = 1_000;
/** Of all that was planted, and the message after it. */
const STORM_MS = 15_000;

const storm: EvilCase = {
  attack: "a storm of garbage links in a group: others still talk and change it",
  rules: "[G4] [C3] [C5]",
  async run(stage) {
    const group = await stagedGroup(stage, "Storm");
    const { id, alice, bob, carol, mallory } = group;
    const links = await nonsense(group, stage);
    for (const entry of links) await plantLink(stage.system, id, { entry, ...authorOf(mallory) }, Math.ceil(STORM / links.length));
    const start = performance.now();
    await say(carol, id, "through the storm");
    for (const who of [alice, bob]) await hears(who, id, "through the storm");
    expect(performance.now() - start).toBeLessThan(STORM_MS);
    await goesOn(stage, group);
    expect((await alice.client.conversation(id))!.head).toBeGreaterThan(STORM);
  },
};

const rolledBack: EvilCase = {
  attack: "rollback of roster or admin list: an older group, in which somebody is who was removed",
  rules: "[G5] [S4] [C3]",
  async run(stage) {
    const group = await stagedGroup(stage, "Then and now", { mallory: "admin" });
    const { id, alice, bob, carol, mallory } = group;
    const { name } = mallory.profile.me;
    await say(bob, id, "before");
    await bob.client.groups.setRole(id, [name], "member");
    await bob.client.groups.remove(id, [name]);
    await say(bob, id, "without mallory");
    await hears(alice, id, "without mallory");
    const before = await agree([alice, bob, carol], id);
    const links = (real: readonly Entry[]) => real.findIndex((entry) => entry.body.case === "link" && entry.sequence > 1);
    stage.proxy.script = new FalseLog(id, (real) => real.slice(0, links(real))).script;
    await alice.reopen();
    expect(await viewOf(alice, id)).toEqual(before);
    // A device without memory believes it until something crosses that somebody signed later.
    const fresh = await stage.deviceOf(alice, "new", stage.proxy.url);
    await fresh.client.caughtUp(AbortSignal.timeout(20_000));
    await until(fresh, "the old roster", async () => (await viewOf(fresh, id))?.roster.join().includes(name) || undefined);
    await fresh.client.send(id, "is mallory still here?");
    expect(await viewOf(alice, id)).toEqual(before);
    stage.proxy.script = new FalseLog(id, (real) => [...real.slice(0, links(real)), ...real.slice(-1)]).script;
    await say(carol, id, "no, she is gone");
    await noticed(fresh, id, ["contradiction", "unreadable"]);
    expect(await textsOf(fresh, id)).not.toContain("no, she is gone");
    await goesOn(stage, group);
    // What the fresh device wrote was for the key that mallory has: no server took it, and nobody has it.
    for (const who of [alice, bob, carol]) expect((await viewOf(who, id))!.roster.join()).not.toContain(name);
  },
};

play([ghostMember, serverMadeRole, replayed, garbage, storm, rolledBack]);
