import type { ClientFrame } from "@fastchat/protocol/wire/frames";
import { idBytes } from "@fastchat/protocol";
import { additionsOf } from "@fastchat/protocol/chain";
import { equal } from "@fastchat/protocol/seal";
import { type Entry, EntrySchema } from "@fastchat/protocol/wire/conversation";
import { type AddDevice, AddDeviceSchema } from "@fastchat/protocol/wire/gateway";
import { create, fromBinary } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { lootOf, readableWith, takeDump } from "../groups/dump.ts";
import { agree, hears, say, textsOf, viewOf } from "../groups/group-talk.ts";
import { anotherDevice } from "../person.ts";
import { FrameProxy } from "../proxy.ts";
import { type EvilCase, noticed, play, until, warned } from "./case.ts";
import { pushHead, showingLinks } from "./false-account.ts";
import { makeFakeAccount } from "./fake-account.ts";
import { FalseLog } from "./false-log.ts";
import { goesOn, stagedGroup } from "./group-stage.ts";

const hiddenRevocation: EvilCase = {
  attack: "split view of one account: a revocation hidden from some members of a group",
  rules: "[A4] [C1]",
  async run(stage) {
    const group = await stagedGroup(stage, "Carol's tablet", { own: true });
    const { id, alice, bob, carol } = group;
    const tablet = await stage.deviceOf(carol, "2");
    await until(tablet, "the group", async () => (await viewOf(tablet, id)) ?? undefined);
    await say(tablet, id, "from my tablet");
    await hears(alice, id, "from my tablet");
    stage.proxy.script = { toClient: showingLinks(carol, (links) => links.slice(0, 2)) };
    await carol.client.revokeDevices(carol.password, [tablet.me.device]);
    await agree([bob, carol], id);
    // Nobody tells alice but the group itself: what carol wrote into it proves what it says.
    await noticed(alice, id, ["device-ended"]);
    await agree([bob, carol, alice], id);
    await say(alice, id, "where is your tablet?");
    await hears(carol, id, "where is your tablet?");
    await tablet.client.close();
    const dump = await takeDump(stage.system, id);
    const readable = await readableWith(await lootOf(tablet, id), dump);
    expect(readable.messages).toEqual(dump.messages.slice(0, -1).map(({ sequence }) => sequence));
    await goesOn(stage, group);
  },
};

const forkedAccount: EvilCase = {
  attack: "split view of one account: two branches, of which a group has the one and a member is shown the other",
  rules: "[G5] [A4]",
  async run(stage) {
    const group = await stagedGroup(stage, "Two of carol", { own: true });
    const { id, alice, bob, carol } = group;
    // A sign-in of carol's that the server refused, and whose link it kept.
    const proxy = stage.use(await FrameProxy.start(stage.system.gatewayUrl));
    let kept: AddDevice | undefined;
    proxy.script = {
      refuses: (path, body) => {
        if (path === "/v1/devices") kept = fromBinary(AddDeviceSchema, body);
        return path === "/v1/devices";
      },
    };
    await expect(anotherDevice(stage.system, carol, { profile: `${carol.profile}-lost`, gateway: proxy.url })).rejects.toThrow(
      /could not sign in/,
    );
    let asked = false;
    const shown = showingLinks(carol, ([first]) => [first!, kept!.link!]);
    stage.proxy.script = {
      toClient: shown,
      toServer: (frame) => {
        asked ||= frame.body.case === "fetchAccount";
        return frame;
      },
    };
    pushHead(stage.connectionOf(alice), carol, 2);
    await until(alice, "the other branch", () => asked || undefined);
    const device = await stage.deviceOf(carol, "2");
    await until(device, "the group", async () => (await viewOf(device, id)) ?? undefined);
    await say(device, id, "which of us is carol?");
    await hears(alice, id, "which of us is carol?");
    await warned(alice, "account-fork");
    await until(alice, "that sending asks first", async () => (await alice.client.conversation(id))?.blocked === "forked" || undefined);
    // The group's own chain is one and the same for all.
    expect(await agree([bob, alice, device], id)).toMatchObject({ name: "Two of carol" });
    await alice.client.send(id, "I wait");
    await say(bob, id, "and I do not");
    await hears(alice, id, "and I do not");
    expect(await textsOf(bob, id)).not.toContain("I wait");
    await alice.client.acceptFork(id);
    await hears(bob, id, "I wait");
    await goesOn(stage, group);
  },
};

const twin: EvilCase = {
  attack: "two accounts under one name: somebody adds a second one under a contact's to a group",
  rules: "[A3] [C2]",
  async run(stage) {
    const { id, alice, bob, carol, mallory } = await stagedGroup(stage, "Which carol?", { mallory: "admin" });
    await alice.client.openDirect(carol.name);
    const fake = await makeFakeAccount(carol.name);
    const sent: ClientFrame[] = [];
    const { entry } = await mallory.forge(id, { change: additionsOf(new Map([[fake.account, "member" as const]])), brings: [fake] });
    const added = (real: readonly Entry[]): Entry => {
      const { account, device } = mallory.profile.me;
      const body = { case: "link" as const, value: entry };
      return create(EntrySchema, { time: real.at(-1)!.time, account: idBytes(account), device: idBytes(device), body });
    };
    // The server lets it in for alice alone.
    const { script } = new FalseLog(id, (real) => [...real, added(real)]);
    stage.proxy.script = {
      ...script,
      toServer: (frame, connection) => {
        if (frame.body.case === "send" && equal(frame.body.value.conversation, idBytes(id))) sent.push(frame);
        return script.toServer!(frame, connection);
      },
    };
    await alice.reopen();
    await until(alice, "two carols", async () => (await alice.client.groups.info(id))?.memberCount === 5 || undefined);
    await warned(alice, "account-fork");
    const members = (await alice.client.groups.info(id))!.members.map(({ person }) => person);
    expect(members.find(({ account }) => account === fake.account)).toMatchObject({ verification: "changed", contact: false });
    expect(members.find(({ account }) => account === carol.me.account)).toMatchObject({ name: carol.name, verification: "not-verified" });
    expect((await alice.client.conversation(id))!.blocked).toBe("none");
    // Had she compared safety numbers with the carol whom she knows, nothing would be sealed to another one.
    await alice.client.setVerified(carol.name, true);
    await until(
      alice,
      "that sending waits",
      async () => (await alice.client.conversation(id))?.blocked === "identity-changed" || undefined,
    );
    await alice.client.send(id, "for the right carol alone");
    await until(
      alice,
      "the message, which waits",
      async () => (await textsOf(alice, id)).includes("for the right carol alone") || undefined,
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(sent).toEqual([]);
    await stage.honestTalk(alice, bob);
  },
};

play([hiddenRevocation, forkedAccount, twin]);
