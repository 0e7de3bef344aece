import type { ConversationId } from "@fastchat/protocol";
import { idBytes, limits } from "@fastchat/protocol";
import { type Entry, EntrySchema } from "@fastchat/protocol/wire/conversation";
import { create } from "@bufbuild/protobuf";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import type { Person } from "../person.ts";
import type { ProxiedConnection } from "../proxy.ts";
import { type EvilCase, play } from "./case.ts";
import { withoutUncaught } from "./uncaught.ts";

type Push = Parameters<ProxiedConnection["push"]>[0];

const READ_MS = 300;
const DAY = 86_400_000;

async function headOf(person: Person, conversation: ConversationId): Promise<number> {
  return (await person.client.conversation(conversation))!.head;
}

/** Something that no honest server says; each is pushed for itself, and the two must be able to talk after it. */
const nonsense: readonly [what: string, push: (conversation: Uint8Array, head: number) => Push][] = [
  ["slots of a conversation with a short id", () => ({ case: "slots", value: { conversation: new Uint8Array(3), slots: [] } })],
  ["a signal of a conversation with a short id", () => ({ case: "signal", value: { conversation: new Uint8Array(3), signal: {} } })],
  [
    "the largest incarnation",
    (conversation, head) => ({
      case: "entries",
      value: {
        conversation,
        head: head + 1,
        entries: [
          {
            sequence: head + 1,
            time: BigInt(Date.now()),
            body: { case: "incarnation", value: { incarnation: limits.largestNumber, sequence: head, hash: new Uint8Array(32) } },
          },
        ],
      },
    }),
  ],
  ["the largest head", (conversation) => ({ case: "entries", value: { conversation, head: limits.largestNumber, entries: [] } })],
  ["the largest revision of the vault", () => ({ case: "vaultMoved", value: { revision: limits.largestNumber } })],
];

const badFields: EvilCase = {
  attack: `a bad field that ends the client: ${nonsense.map(([what]) => what).join(", ")}`,
  rules: "[S7] [W1]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    await withoutUncaught(async () => {
      for (const [what, push] of nonsense) {
        const connection = stage.connectionOf(alice);
        connection.push(push(idBytes(conversation), await headOf(alice, conversation)));
        // The session with such a server ends, and another begins.
        await expect.poll(() => connection.open, { timeout: 10_000, message: what }).toBe(false);
        await stage.honestTalk(alice, bob);
      }
    });
  },
};

/** Changes the times of all entries that are on their way. */
const timed =
  (change: (time: bigint) => bigint) =>
  (entry: Entry): Entry =>
    create(EntrySchema, { ...entry, time: change(entry.time) });

const farFuture: EvilCase = {
  attack: "forged times: an entry of the end of time, which later ones may not come before",
  rules: "[D6] [S4]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    await withoutUncaught(async () => {
      stage.proxy.script = {
        toClient: (frame) => {
          if (frame.body.case === "entries") frame.body.value.entries = frame.body.value.entries.map(timed(() => 2n ** 64n - 1n));
          return frame;
        },
      };
      await bob.say(alice.name, "late");
      await alice.hears(bob.name, "late");
      await stage.honestTalk(alice, bob);
      const latest = Date.now() + 2 * DAY;
      for (const { time } of await alice.messages(bob.name)) expect(time).toBeLessThan(latest);
      for (const { time } of await alice.client.conversations()) expect(time).toBeLessThan(latest);
      await wait(READ_MS);
    });
  },
};

play([badFields, farFuture]);
