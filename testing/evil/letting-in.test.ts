import { create, toBinary } from "@bufbuild/protobuf";
import { ErrorCode, idBytes } from "@fastchat/protocol";
import { entryHash, equal } from "@fastchat/protocol/seal";
import { type Entry, EntrySchema, ErasedSchema, type JoinRequest, JoinRequestSchema } from "@fastchat/protocol/wire/conversation";
import { expect } from "vitest";
import { takeDump } from "../groups/dump.ts";
import { hears, say, viewOf } from "../groups/group-talk.ts";
import { type EvilCase, noticed, play, until } from "./case.ts";
import { goesOn, stagedGroup } from "./group-stage.ts";

const LONG_ENOUGH_MS = 2_000;
const aWhile = () => new Promise((resolve) => setTimeout(resolve, LONG_ENOUGH_MS));

const trap: EvilCase = {
  attack: "a stranger's group, of which one was made the admin, lets nobody in by one's device",
  rules: "[C8] [C7]",
  async run(stage) {
    const victim = await stage.ownHonest("victim");
    const stranger = await stage.ownHonest("stranger");
    const accomplice = await stage.ownHonest("accomplice");
    const id = await stranger.client.groups.create({ name: "Trap", members: [victim.name] });
    const { link } = await stranger.client.groups.invite(id);
    await until(victim, "the request", async () => (await victim.client.requests()).count || undefined);
    await stranger.client.groups.leave(id);
    expect((await accomplice.client.groups.join(link)).kind).toBe("asked");
    await aWhile();
    const { links } = await takeDump(stage.system, id);
    expect(links.at(-1)!.state.members.has(accomplice.me.account)).toBe(false);
    expect(victim.events.filter(({ kind }) => kind === "join-request")).toEqual([]);
    // Once it is accepted, the group is like any other.
    await victim.client.requests();
    await victim.client.accept(id);
    await until(accomplice, "that it is in", async () => (await accomplice.client.groups.info(id))?.role);
  },
};

const replayed: EvilCase = {
  attack: "an old request to join is shown again: who left is not brought back by it",
  rules: "[C7]",
  async run(stage) {
    const [alice, carol] = [await stage.ownHonest("alice"), await stage.victim("carol")];
    let request: JoinRequest | undefined;
    stage.proxy.script = {
      toServer: (frame) => {
        if (frame.body.case === "requestJoin") ({ request } = frame.body.value);
        return frame;
      },
    };
    const id = await alice.client.groups.create({ name: "Once", members: [] });
    const { link } = await alice.client.groups.invite(id, { uses: 3 });
    await carol.client.groups.join(link);
    await until(carol, "that it is in", async () => (await carol.client.groups.info(id))?.role);
    await carol.client.groups.leave(id);
    await until(alice, "that carol left", async () => (await viewOf(alice, id))?.roster.length === 1 || undefined);
    await stage.system.query("INSERT INTO join_request (conversation, account, request, invited, time) VALUES ($1, $2, $3, true, $4)", [
      Buffer.from(idBytes(id)),
      Buffer.from(idBytes(carol.me.account)),
      Buffer.from(toBinary(JoinRequestSchema, request!)),
      Date.now(),
    ]);
    await alice.reopen();
    await until(alice, "that somebody asks", async () => (await alice.client.groups.info(id))?.joinRequests || undefined);
    expect((await viewOf(alice, id))!.roster).toEqual([`${alice.name} admin`]);
  },
};

const erased: EvilCase = {
  attack: "a message passed off as deleted where no policy deletes",
  rules: "[S4]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    let target = 0;
    const isIt = ({ sequence, account, body }: Entry) =>
      body.case === "message" && equal(account, idBytes(bob.me.account)) && (target === 0 || target === sequence);
    stage.proxy.script = {
      toClient: (frame) => {
        const { body } = frame;
        if (body.case !== "entries" || !equal(body.value.conversation, idBytes(conversation))) return frame;
        body.value.entries = body.value.entries.map((entry) => {
          if (!isIt(entry)) return entry;
          target = entry.sequence;
          const { sequence, time, account, device } = entry;
          const value = create(ErasedSchema, { entryHash: entryHash(entry)! });
          return create(EntrySchema, { sequence, time, account, device, body: { case: "erased", value } });
        });
        return frame;
      },
    };
    await bob.say(alice.name, "do not pay");
    expect((await noticed(alice, conversation, ["contradiction"])).text).toMatch(/no rule of this conversation lets it/);
    await stage.honestTalk(alice, bob);
  },
};

const oldHead: EvilCase = {
  attack: "a server that calls every head old: the change is given up, not sealed again and again",
  rules: "[C3]",
  async run(stage) {
    const group = await stagedGroup(stage, "Old", { own: true });
    const { id, alice, bob } = group;
    await bob.client.groups.setRole(id, [alice.name], "admin");
    await until(alice, "that it is an admin", async () => (await alice.client.groups.info(id))?.role === "admin" || undefined);
    let tries = 0;
    stage.proxy.script = {
      toServer: (frame, connection) => {
        if (frame.body.case !== "appendLink") return frame;
        tries++;
        connection.answer(frame, { case: "error", value: { code: ErrorCode.STALE_HEAD } });
        return undefined;
      },
    };
    await expect(alice.client.groups.setProfile(id, { name: "Never" })).rejects.toMatchObject({ code: ErrorCode.STALE_HEAD });
    expect(tries).toBeLessThan(10);
    await goesOn(stage, group);
  },
};

const unseen: EvilCase = {
  attack: "somebody is put out before the first look, and the newest name is sealed for others: the group keeps its name",
  rules: "[C8]",
  async run(stage) {
    const alice = await stage.ownHonest("alice");
    const bob = await stage.ownHonest("bob");
    await bob.say(alice.name, "add me some time");
    await alice.hears(bob.name, "add me some time");
    await bob.client.close();
    const id = await alice.client.groups.create({ name: "Surprise", members: [bob.name] });
    await say(alice, id, "sh");
    await alice.client.groups.remove(id, [bob.name]);
    await bob.reopen();
    await hears(bob, id, "sh");
    await until(bob, "its name", async () => (await bob.client.conversation(id))?.title === "Surprise" || undefined);
  },
};

play([trap, replayed, erased, oldHead, unseen]);
