import { create } from "@bufbuild/protobuf";
import { type ConversationId, idBytes } from "@fastchat/protocol";
import { entryHash, random, runningHash, startHash } from "@fastchat/protocol/seal";
import { type Entry, EntrySchema } from "@fastchat/protocol/wire/conversation";
import type { ServerFrame } from "@fastchat/protocol/wire/frames";
import { expect } from "vitest";
import { hears, say } from "../groups/group-talk.ts";
import type { Person } from "../person.ts";
import { changedServerFrame, type ProxiedConnection, type Script } from "../proxy.ts";
import { type EvilCase, noticed, play, until } from "./case.ts";
import { type Edit, FalseLog } from "./false-log.ts";
import { goesOn, stagedGroup } from "./group-stage.ts";

const hashAfter = (conversation: ConversationId, entries: readonly Entry[]): Uint8Array =>
  entries.reduce((hash, entry, index) => runningHash(hash, index + 1, entryHash(entry)!), startHash(conversation));

/** A server that says that it was restored, shows an edited log, and takes back what it is given as it likes. */
function restored(conversation: ConversationId, edit: Edit, asked: string[] = []): Script {
  const log = new FalseLog(conversation, edit).script;
  const running = random(32);
  return {
    toServer: (frame, connection) => {
      const { body } = frame;
      const isOurs = (body.case === "appendLink" && body.value.putBack) || body.case === "beginIncarnation";
      if (!isOurs) return log.toServer!(frame, connection);
      // Thank you very much.
      asked.push(body.case!);
      connection.answer(frame, { case: "appended", value: { sequence: 1, time: 1n } });
      return undefined;
    },
    toClient: (frame: ServerFrame, connection: ProxiedConnection) => {
      const { body } = frame;
      if (body.case === "welcome") return changedServerFrame(frame, { case: "welcome", value: { ...body.value, running } });
      const question = connection.asked(frame)?.body;
      if (body.case === "compared" && question?.case === "compare") {
        asked.push("compare");
        return changedServerFrame(frame, { case: "compared", value: { ...body.value, different: question.value.tips } });
      }
      return log.toClient!(frame, connection);
    },
  };
}

const textsOf = async ({ client }: Person, id: ConversationId): Promise<string[]> => {
  const { items } = await client.items(id, { limit: 100 });
  return items.flatMap((item) => (item.kind === "message" ? [`${item.text}${item.doubt === "none" ? "" : ` (${item.doubt})`}`] : []));
};

const cases: readonly EvilCase[] = [
  {
    attack: "rollback of roster: a restore that never was, by a server that takes no removal back",
    rules: "[H6] [G5] [C3]",
    async run(stage) {
      const group = await stagedGroup(stage, "rolled back", { own: true });
      const { id, alice, bob, carol } = group;
      await say(bob, id, "before");
      await hears(alice, id, "before");
      await bob.client.groups.remove(id, [carol.name]);
      await say(bob, id, "without carol");
      await hears(alice, id, "without carol");
      const isOut = async () => {
        const { members = [] } = (await alice.client.groups.info(id)) ?? {};
        return members.every(({ person }) => person.name !== carol.name);
      };
      expect(await isOut()).toBe(true);
      const asked: string[] = [];
      const edit: Edit = (real) =>
        real.slice(
          0,
          real.findLastIndex(({ body }) => body.case === "link"),
        );
      stage.proxy.script = restored(id, edit, asked);
      await alice.reopen(stage.proxy.url);
      await until(alice, "the link is offered", () => (asked.includes("appendLink") ? true : undefined));
      await until(alice, "a warning", () => alice.events.find((event) => event.kind === "warning" && event.warning === "incarnation"));
      expect(await isOut()).toBe(true);
      expect(await textsOf(alice, id)).toEqual(["before", "without carol"]);
      stage.proxy.script = {};
      await alice.reopen(stage.proxy.url);
      await goesOn(stage, group, [alice]);
    },
  },
  {
    attack: "withheld: messages that a server says to have lost stay, marked, and come back when it has them again",
    rules: "[H6] [S4]",
    async run(stage) {
      const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
      await bob.say(alice.name, "do NOT pay");
      await alice.hears(bob.name, "do NOT pay");
      const begins = (before: readonly Entry[], { time }: Entry): Entry =>
        create(EntrySchema, {
          time,
          account: idBytes(bob.me.account),
          device: idBytes(bob.me.device),
          body: { case: "incarnation", value: { incarnation: 0, sequence: before.length, hash: hashAfter(conversation, before) } },
        });
      const edit: Edit = (real) => [...real.slice(0, -1), begins(real.slice(0, -1), real.at(-1)!)];
      stage.proxy.script = restored(conversation, edit);
      await alice.reopen(stage.proxy.url);
      await until(alice, "the message is marked", async () => {
        const texts = await textsOf(alice, conversation);
        return texts.includes("do NOT pay (lost)") ? true : undefined;
      });
      await noticed(alice, conversation, ["incomplete"]);
      stage.proxy.script = {};
      await alice.reopen(stage.proxy.url);
      await until(alice, "the message is back", async () =>
        (await textsOf(alice, conversation)).includes("do NOT pay") ? true : undefined,
      );
      await stage.honestTalk(alice, bob);
    },
  },
];

play(cases);
