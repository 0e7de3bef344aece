import { create } from "@bufbuild/protobuf";
import { type ConversationId, idBytes } from "@fastchat/protocol";
import { entryHash, equal, random, runningHash, startHash } from "@fastchat/protocol/seal";
import { type Entry, EntrySchema } from "@fastchat/protocol/wire/conversation";
import type { Entries } from "@fastchat/protocol/wire/frames";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { bodyOf } from "../proxy.ts";
import { type EvilCase, noticed, play } from "./case.ts";
import { FalseLog } from "./false-log.ts";

const FALSE_HEAD = 1_000_000;

const hashAfter = (conversation: ConversationId, entries: readonly Entry[]): Uint8Array =>
  entries.reduce((hash, entry, index) => runningHash(hash, index + 1, entryHash(entry)!), startHash(conversation));

const falseIncarnation = (what: string, hashOf: (conversation: ConversationId, before: readonly Entry[]) => Uint8Array): EvilCase => ({
  attack: `drop: an entry makes way for a new incarnation that names ${what}`,
  rules: "[S4] [H6]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const asked = { conversation: idBytes(conversation), after: 0, limit: 512 };
    const known = bodyOf(await stage.connectionOf(alice).ask({ case: "fetchEntries", value: asked }), "entries").entries.length;
    const begins = (before: readonly Entry[], { time }: Entry): Entry =>
      create(EntrySchema, {
        time,
        body: { case: "incarnation", value: { incarnation: 0, sequence: before.length, hash: hashOf(conversation, before) } },
      });
    const edit = (real: readonly Entry[]): readonly Entry[] =>
      real.map((entry, index) => (index === known ? begins(real.slice(0, known), entry) : entry));
    stage.proxy.script = new FalseLog(conversation, edit).script;
    await bob.say(alice.name, "do NOT pay");
    await bob.say(alice.name, "three");
    await alice.hears(bob.name, "three");
    expect(await alice.texts(bob.name)).not.toContain("do NOT pay");
    await noticed(alice, conversation, ["contradiction"]);
    await alice.say(bob.name, "four");
    await bob.hears(alice.name, "four");
    await noticed(bob, conversation, ["contradiction"]);
    await stage.honestTalk(alice, bob);
  },
});

const falseHead = (also: string, withhold: (page: Entries) => void): EvilCase => ({
  attack: `a false head on a fresh device${also}`,
  rules: "[H1] [D7]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    stage.proxy.script = {
      toClient: (frame) => {
        const { body } = frame;
        if (body.case === "heads") for (const head of body.value.heads) head.sequence = FALSE_HEAD;
        if (body.case === "entries" && frame.request !== 0 && equal(body.value.conversation, idBytes(conversation))) withhold(body.value);
        return frame;
      },
    };
    const fresh = await stage.deviceOf(alice, "fresh", stage.proxy.url);
    await wait(1_000);
    stage.proxy.script = {};
    await fresh.reopen();
    await stage.honestTalk(fresh, bob);
    expect(await fresh.texts(bob.name)).toEqual(expect.arrayContaining(["hello bob", "hello alice"]));
  },
});

const linksOnly = (page: Entries): void => {
  page.entries = page.entries.filter((entry) => entry.body.case === "link");
  page.head = FALSE_HEAD;
};

play([
  falseIncarnation("nothing that was", () => random(32)),
  falseIncarnation("the place before it rightly", hashAfter),
  falseHead(", which would lose the conversation for good", () => {}),
  falseHead(", and no page of the log as long as it stands", linksOnly),
]);
