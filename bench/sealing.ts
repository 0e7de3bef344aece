/**
 * What does it cost a client to seal a message, and to open one? README.md says the method and what came out: `node bench/sealing.ts [messages]`. The
 * whole way of a catch-up, storage and checks included, is in fresh.ts.
 */
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { accountId, clientMessageId, conversationId, deviceId, linkHash } from "@fastchat/protocol";
import { generateSigningKey, openMessage, sealMessage } from "@fastchat/protocol/seal";
import { MessageContentSchema, type SealedMessage } from "@fastchat/protocol/wire/conversation";
import { noise } from "./measure.ts";

const count = Number(process.argv[2] ?? 10_000);
/** As those of a page are. */
const AT_ONCE = 100;
const TEXT = "the quick brown fox jumps over the lazy dog and says good morning to everybody in the house";
const SIZES = [10, 100, 1_000];

const author = generateSigningKey();
const epochKey = new Uint8Array(randomBytes(32));
const context = {
  conversation: conversationId(randomBytes(32)),
  account: accountId(randomBytes(32)),
  device: deviceId(randomBytes(32)),
  epoch: 1,
  openingLink: linkHash(randomBytes(32)),
};

/** CPU time of all threads of this process, and of the wall, for each of them, in microseconds. */
async function measured<Value>(work: (number: number) => Promise<Value>): Promise<{ readonly values: Value[]; readonly words: string }> {
  const before = { cpu: process.cpuUsage(), at: performance.now() };
  const values: Value[] = [];
  for (let from = 0; from < count; from += AT_ONCE)
    values.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => work(from + index)))));
  const { user, system } = process.cpuUsage(before.cpu);
  const each = (microseconds: number) => microseconds / count;
  const [cpu, wall] = [each(user + system), each(1_000 * (performance.now() - before.at))];
  return {
    values,
    words: `${cpu.toFixed(0)} µs of CPU time, ${Math.round(1e6 / cpu).toLocaleString("en-GB")}/s and core; ${wall.toFixed(0)} µs on the wall`,
  };
}

await noise();
for (const size of [SIZES[0]!, ...SIZES]) {
  const text = TEXT.repeat(Math.ceil(size / TEXT.length)).slice(0, size);
  const sealed = await measured((counter): Promise<SealedMessage> => {
    const content = create(MessageContentSchema, { counter, kind: { case: "text", value: { text } } });
    return sealMessage(epochKey, context, { clientMessageId: clientMessageId(randomBytes(16)) }, content, author.seed);
  });
  const opened = await measured(
    async (number) => (await openMessage(epochKey, context, sealed.values[number]!, author.publicKey)).kind === "opened",
  );
  if (!opened.values.every(Boolean)) throw new Error("A message did not open.");
  console.log(`${size} characters: sealing ${sealed.words}; opening ${opened.words}`);
}
console.log(`resident memory ${(process.memoryUsage.rss() / 2 ** 20).toFixed(0)} MiB`);
await noise();
