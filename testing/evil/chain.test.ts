import { create } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { type Entry, EntrySchema, type SealedMessage } from "@fastchat/protocol/wire/conversation";
import { type AddDevice, AddDeviceSchema } from "@fastchat/protocol/wire/gateway";
import { fromBinary } from "@bufbuild/protobuf";
import { expect } from "vitest";
import { anotherDevice, type Person } from "../person.ts";
import { bodyOf, FrameProxy } from "../proxy.ts";
import { type EvilCase, notices, noticed, type Stage, until, play } from "./case.ts";
import { pushHead, showingLinks } from "./false-account.ts";
import { FalseLog } from "./false-log.ts";

async function secondDevice(stage: Stage, of: Person): Promise<{ device: Person; proxy: FrameProxy }> {
  const proxy = stage.use(await FrameProxy.start(stage.system.gatewayUrl));
  const device = await stage.deviceOf(of, "2", proxy.url);
  return { device, proxy };
}

const rolledBack: EvilCase = {
  attack: "rollback of a chain: an account's is shorter than the one known",
  rules: "[G5] [A4]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances({ ownBob: true });
    const { device } = await secondDevice(stage, bob);
    await device.say(alice.name, "from my second device");
    await alice.hears(bob.name, "from my second device");
    stage.proxy.script = { toClient: showingLinks(bob, (links) => links.slice(0, 1)) };
    pushHead(stage.connectionOf(alice), bob, 1);
    await alice.reopen();
    await alice.client.caughtUp();
    await device.say(alice.name, "still from my second device");
    await alice.hears(bob.name, "still from my second device");
    await stage.honestTalk(alice, device);
  },
};

const forked: EvilCase = {
  attack: "fork: two links of an account after the same one, each shown to somebody else",
  rules: "[G5]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances({ ownBob: true });
    // A sign-in of bob's that the server refused, and whose link it kept.
    const proxy = stage.use(await FrameProxy.start(stage.system.gatewayUrl));
    let kept: AddDevice | undefined;
    proxy.script = {
      refuses: (path, body) => {
        if (path === "/v1/devices") kept = fromBinary(AddDeviceSchema, body);
        return path === "/v1/devices";
      },
    };
    await expect(anotherDevice(stage.system, bob, { profile: `${bob.profile}-lost`, gateway: proxy.url })).rejects.toThrow(
      /could not sign in/,
    );
    expect(kept?.link).toBeDefined();
    const { device } = await secondDevice(stage, bob);
    await device.say(alice.name, "from my second device");
    await alice.hears(bob.name, "from my second device");
    // Alice has seen the one built upon; now she is shown the other.
    stage.proxy.script = { toClient: showingLinks(bob, (links) => [links[0]!, kept!.link!, ...links.slice(2)]) };
    pushHead(stage.connectionOf(alice), bob, 2);
    await alice.reopen();
    await alice.client.caughtUp();
    await bob.say(alice.name, "which branch?");
    await alice.hears(bob.name, "which branch?");
    await stage.honestTalk(alice, device);
  },
};

const hiddenRevocation: EvilCase = {
  attack: "a revocation hidden from some, and an old head named on purpose: what the stolen device wrote comes after it",
  rules: "[A4] [C1] [S3]",
  async run(stage) {
    const alice = await stage.victim("alice");
    const bob = await stage.ownHonest("bob");
    const conversation = await alice.say(bob.name, "hello bob");
    await bob.hears(alice.name, "hello bob");
    const { device: stolen, proxy } = await secondDevice(stage, bob);
    await stolen.say(alice.name, "still mine");
    await alice.hears(bob.name, "still mine");
    let captured: SealedMessage | undefined;
    proxy.script = {
      toServer: (frame) => {
        if (frame.body.case === "send") captured = frame.body.value.message;
        return frame.body.case === "send" ? undefined : frame;
      },
    };
    await stolen.client.send(conversation, "from the thief");
    await until(stolen, "its message under way", () => captured);

    stage.proxy.script = { toClient: showingLinks(bob, (links) => links.slice(0, 2)) };
    await bob.client.revokeDevices(bob.password, [stolen.me.device]);
    await until(stolen, "the end of its session", () => (stolen.client.connection.kind === "ended" ? true : undefined));
    await bob.say(alice.name, "it was stolen");
    await alice.hears(bob.name, "it was stolen");
    await noticed(alice, conversation, ["device-ended"]);

    const thief = (real: readonly Entry[]): Entry =>
      create(EntrySchema, {
        sequence: 0,
        time: real.at(-1)!.time,
        account: idBytes(bob.me.account),
        device: idBytes(stolen.me.device),
        body: { case: "message", value: captured! },
      });
    stage.proxy.script = { ...new FalseLog(conversation, (real) => [...real, thief(real)]).script };
    await alice.reopen();
    await noticed(alice, conversation, ["unreadable", "contradiction", "fork"]);
    for (const message of await alice.messages(bob.name)) {
      if (message.text === "from the thief") expect(message.doubt).toBe("revoked-device");
    }
  },
};

/** The entries that hold links are changed as soon as there are more of them than when the case began. */
function tamperedLinks(
  attack: string,
  change: (links: readonly Entry[], real: readonly Entry[]) => readonly Entry[],
  /** The client may also find elsewhere what is missing, and show all as it is. */
  heals = false,
): EvilCase {
  return {
    attack,
    rules: "[C3] [S4] [G4]",
    async run(stage) {
      const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
      const before = (await notices(alice, conversation)).length;
      const asked = { conversation: idBytes(conversation), after: 0, limit: 512 };
      const known = bodyOf(await stage.connectionOf(alice).ask({ case: "fetchEntries", value: asked }), "entries").entries.length;
      stage.proxy.script = new FalseLog(conversation, (real) => [...real.slice(0, known), ...change(real.slice(known), real)]).script;
      const { device } = await secondDevice(stage, bob);
      await device.say(alice.name, "from my second device");
      const kinds = ["unreadable", "contradiction", "invalid-link", "incomplete", "fork"];
      await until(alice, "that something is wrong", async () => {
        if (heals && (await alice.texts(bob.name)).includes("from my second device")) return true;
        return (await notices(alice, conversation)).slice(before).find(({ notice }) => kinds.includes(notice));
      });
      await stage.honestTalk(alice, bob);
    },
  };
}

const isLink = (entry: Entry): boolean => entry.body.case === "link";

const tamperedInPlace: readonly EvilCase[] = [
  tamperedLinks("a link with one bit turned", (fresh) =>
    fresh.map((entry) => {
      if (entry.body.case !== "link") return entry;
      const signature = Uint8Array.from(entry.body.value.link!.signature);
      signature[5]! ^= 1;
      const link = { ...entry.body.value.link!, signature };
      return create(EntrySchema, { ...entry, body: { case: "link", value: { ...entry.body.value, link } } });
    }),
  ),
  tamperedLinks(
    "a link without its evidence",
    (fresh) =>
      fresh.map((entry) =>
        entry.body.case === "link"
          ? create(EntrySchema, { ...entry, body: { case: "link", value: { ...entry.body.value, evidence: [] } } })
          : entry,
      ),
    true,
  ),
];

play([
  rolledBack,
  forked,
  hiddenRevocation,
  tamperedLinks("rollback: a link of the conversation is left out", (fresh) => fresh.filter((entry) => !isLink(entry))),
  tamperedLinks("two creates under one id: a conversation begins again", (fresh, real) => [real.find(isLink)!, ...fresh]),
  // The pure tests of chains refuse these in every form.
  ...(process.env["SIZE"] === "large" ? tamperedInPlace : []),
]);
