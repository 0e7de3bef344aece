import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MessageContentSchema, SignalContentSchema, SlotContentSchema } from "../generated/fastchat/v1/conversation_pb.ts";
import { accountId, clientMessageId, conversationId, deviceId, linkHash } from "../ids.ts";
import { decrypt } from "./aead.ts";
import { encodeParts, fromHex, random } from "./bytes.ts";
import { everyLabel } from "./labels.ts";
import { type MessageContext, openMessage, openSignal, openSlot, sealMessage, sealSignal, sealSlot } from "./message.ts";
import { generateSigningKey, publicKeyOf } from "./signature.ts";

const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
const alice = { seed: fill(1), publicKey: publicKeyOf(fill(1)) };
const epochKey = fill(2);
const context: MessageContext = {
  conversation: conversationId(fill(3)),
  account: accountId(fill(4)),
  device: deviceId(fill(5)),
  epoch: 7,
  openingLink: linkHash(fill(6)),
};
const envelope = { clientMessageId: clientMessageId(fill(8, 16)), blobs: [fill(9)], withdraws: [3] };
const textContent = (text: string) =>
  create(MessageContentSchema, { time: 1_790_000_000_000n, counter: 1, kind: { case: "text", value: { text } } });

test("[S1] a message opens with its key and place, as often as one likes", async () => {
  const sealed = await sealMessage(epochKey, context, envelope, textContent("hi Bob"), alice.seed);
  for (let round = 0; round < 2; round++) {
    const opened = await openMessage(epochKey, context, sealed, alice.publicKey);
    expect(opened).toMatchObject({ kind: "opened", content: { counter: 1, kind: { case: "text", value: { text: "hi Bob" } } } });
  }
});

test("[S1] golden bytes: a message sealed by an earlier build opens", async () => {
  const ciphertext = fromHex(GOLDEN_MESSAGE);
  const sealed = await sealMessage(epochKey, context, envelope, textContent("golden"), alice.seed);
  expect(sealed.ciphertext.length).toBe(ciphertext.length);
  const opened = await openMessage(epochKey, context, { ...sealed, ciphertext }, alice.publicKey);
  expect(opened).toMatchObject({ kind: "opened", content: { kind: { value: { text: "golden" } } } });
});

const elsewhere: [string, Partial<MessageContext>][] = [
  ["conversation", { conversation: conversationId(fill(99)) }],
  ["account", { account: accountId(fill(99)) }],
  ["device", { device: deviceId(fill(99)) }],
  ["epoch", { epoch: 8 }],
  ["opening link", { openingLink: linkHash(fill(99)) }],
];

test.each(elsewhere)("[S1] a message moved to another %s is refused", async (_, change) => {
  const sealed = await sealMessage(epochKey, context, envelope, textContent("stay"), alice.seed);
  const opened = await openMessage(epochKey, { ...context, ...change }, sealed, alice.publicKey);
  expect(opened).toEqual({ kind: "unreadable", reason: "refused" });
});

test("[S1] what stands in the clear beside a message cannot be changed", async () => {
  const sealed = await sealMessage(epochKey, context, envelope, textContent("clear"), alice.seed);
  for (const change of [
    { clientMessageId: fill(7, 16) },
    { blobs: [] },
    { blobs: [fill(9), fill(9)] },
    { withdraws: [] },
    { withdraws: [4] },
  ]) {
    const opened = await openMessage(epochKey, context, { ...sealed, ...change }, alice.publicKey);
    expect(opened.kind).toBe("unreadable");
  }
});

test("[S3] sender forged: a member who knows the epoch key cannot write in another device's name", async () => {
  const mallory = generateSigningKey();
  const forged = await sealMessage(epochKey, context, envelope, textContent("it was alice"), mallory.seed);
  expect(await openMessage(epochKey, context, forged, alice.publicKey)).toEqual({ kind: "unreadable", reason: "signature" });
});

test("[S2] sizes tell only Padmé's steps", async () => {
  const lengths = new Set<number>();
  for (let size = 1_000; size < 1_031; size++) {
    const sealed = await sealMessage(epochKey, context, envelope, textContent("x".repeat(size)), alice.seed);
    lengths.add(sealed.ciphertext.length);
  }
  expect(lengths.size).toBeLessThanOrEqual(2);
});

test("[S1] any changed bit is refused", async () => {
  const sealed = await sealMessage(epochKey, context, envelope, textContent("bits"), alice.seed);
  await fc.assert(
    fc.asyncProperty(fc.nat(sealed.ciphertext.length * 8 - 1), async (bit) => {
      const ciphertext = sealed.ciphertext.slice();
      ciphertext[bit >> 3]! ^= 1 << (bit & 7);
      const opened = await openMessage(epochKey, context, { ...sealed, ciphertext }, alice.publicKey);
      expect(opened.kind).toBe("unreadable");
    }),
    { numRuns: 200 },
  );
});

test("[S1] arbitrary bytes never open and never throw", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (ciphertext) => {
      const sealed = { ...(await sealMessage(epochKey, context, envelope, textContent("-"), alice.seed)), ciphertext };
      expect((await openMessage(epochKey, context, sealed, alice.publicKey)).kind).toBe("unreadable");
    }),
    { numRuns: 100 },
  );
});

test("[S5] slots open where they belong; a counter in the clear that differs is refused", async () => {
  const content = create(SlotContentSchema, { counter: 4, delivered: { incarnation: 1, sequence: 9, hash: fill(1) } });
  const slot = await sealSlot(epochKey, context, content, alice.seed);
  expect(await openSlot(epochKey, context, slot, alice.publicKey)).toMatchObject({ kind: "opened", content: { counter: 4 } });
  expect((await openSlot(epochKey, context, { ...slot, counter: 5 }, alice.publicKey)).kind).toBe("unreadable");
  expect((await openSlot(epochKey, context, slot, generateSigningKey().publicKey)).kind).toBe("unreadable");
});

test("[S5] signals open where they belong", async () => {
  const content = create(SignalContentSchema, { counter: 1, kind: { case: "typing", value: { active: true } } });
  const signal = await sealSignal(epochKey, context, content, alice.seed);
  expect(await openSignal(epochKey, context, signal, alice.publicKey)).toMatchObject({ kind: "opened" });
  expect((await openSignal(random(32), context, signal, alice.publicKey)).kind).toBe("unreadable");
});

test("[G1] a message, slot or signal is worthless as each other", async () => {
  const message = await sealMessage(epochKey, context, envelope, textContent("swap"), alice.seed);
  const slot = await sealSlot(epochKey, context, create(SlotContentSchema, { counter: 1 }), alice.seed);
  const signal = await sealSignal(epochKey, context, create(SignalContentSchema, { counter: 1 }), alice.seed);
  const all = [message.ciphertext, slot.ciphertext, signal.ciphertext];
  for (const [index, ciphertext] of all.entries()) {
    const kinds = [
      (await openMessage(epochKey, context, { ...message, ciphertext }, alice.publicKey)).kind,
      (await openSlot(epochKey, context, { ...slot, ciphertext }, alice.publicKey)).kind,
      (await openSignal(epochKey, context, { ...signal, ciphertext }, alice.publicKey)).kind,
    ];
    expect(kinds.map((kind) => kind === "opened")).toEqual([index === 0, index === 1, index === 2]);
  }
});

test("[G1] a message opens under no other label of the table", async () => {
  const { ciphertext } = await sealMessage(epochKey, context, envelope, textContent("labels"), alice.seed);
  for (const label of everyLabel) expect(decrypt(epochKey, encodeParts(label), ciphertext).kind).toBe("refused");
});

const GOLDEN_MESSAGE =
  "0101b0a8b94fda186895cccb4a222422db562f06bdcc9f3c90dd8a77af7b6e637dbccda40a7e1c51832d8d8f7cd0660fc597d1e88a188dbfbdb584270f4d344c94dcfafb1b10a4a490e7bf399148e30e34ae1e5e768d2c99849fe102f723b8b7c946d0c69f1443aad428466395739bfb4333ac82d098ba8dcc75adfcc9c4e85695f87a5c5ddb830768a7";
