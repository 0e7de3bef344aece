import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EntrySchema } from "../generated/fastchat/v1/conversation_pb.ts";
import { conversationId } from "../ids.ts";
import { toHex } from "./bytes.ts";
import { entryHash, runningHash, startHash } from "./entry.ts";

const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
const message = { clientMessageId: fill(3, 16), epoch: 1, blobs: [], withdraws: [], ciphertext: fill(4, 60) };
const base: MessageInitShape<typeof EntrySchema> = {
  sequence: 5,
  time: 1_790_000_000_000n,
  account: fill(1),
  device: fill(2),
  body: { case: "message", value: message },
};
const hashOf = (change: MessageInitShape<typeof EntrySchema>) => {
  const hash = entryHash(create(EntrySchema, { ...base, ...change }));
  return hash === undefined ? undefined : toHex(hash);
};

test("[S4] golden bytes: entry hash, running hash", () => {
  expect(hashOf({})).toBe("44b8c57a66c95667e8fcfb7a4bc17a69c44ea9c83a0c0f60c1e749c3404c8787");
  expect(toHex(runningHash(startHash(conversationId(fill(9))), 1, fill(7)))).toBe(
    "44e8798c83206274031a01ce0bb5a62d69928832324abea1086e2c632bb70618",
  );
});

test("[S4] the hash covers author, device, time and every field of the body", () => {
  const link = { body: fill(5), signature: fill(6, 64), cosignature: fill(7, 64) };
  const variants: MessageInitShape<typeof EntrySchema>[] = [
    {},
    { time: 1_790_000_000_001n },
    { account: fill(8) },
    { device: fill(8) },
    { body: { case: "message", value: { ...message, epoch: 2 } } },
    { body: { case: "message", value: { ...message, clientMessageId: fill(4, 16) } } },
    { body: { case: "message", value: { ...message, blobs: [fill(1)] } } },
    { body: { case: "message", value: { ...message, withdraws: [1] } } },
    { body: { case: "message", value: { ...message, ciphertext: fill(5, 60) } } },
    { body: { case: "link", value: { link } } },
    { body: { case: "link", value: { link: { ...link, signature: fill(7, 64) } } } },
    { body: { case: "link", value: { link: { ...link, cosignature: new Uint8Array(0) } } } },
    { body: { case: "incarnation", value: { incarnation: 1, sequence: 4, hash: fill(1) } } },
  ];
  const hashes = variants.map(hashOf);
  expect(hashes).not.toContain(undefined);
  expect(new Set(hashes).size).toBe(variants.length);
});

test("[S4] evidence lies beside a link and is not part of its hash", () => {
  const link = { body: fill(5), signature: fill(6, 64), cosignature: new Uint8Array(0) };
  const bare = hashOf({ body: { case: "link", value: { link } } });
  expect(hashOf({ body: { case: "link", value: { link, evidence: [{ account: fill(1), links: [link] }] } } })).toBe(bare);
});

test("[S4] a hash outlives its body", () => {
  const hash = entryHash(create(EntrySchema, base));
  if (hash === undefined) throw new Error("a message has a hash");
  expect(hashOf({ body: { case: "erased", value: { entryHash: hash } } })).toBe(toHex(hash));
});

test("[S4] an entry without a known body has no hash", () => {
  expect(entryHash(create(EntrySchema, { sequence: 1 }))).toBeUndefined();
});

test("[S4] the running hash depends on the one before, the place and the entry", () => {
  const hashes = [
    runningHash(fill(1), 1, fill(2)),
    runningHash(fill(2), 1, fill(2)),
    runningHash(fill(1), 2, fill(2)),
    runningHash(fill(1), 1, fill(3)),
  ];
  expect(new Set(hashes.map(toHex)).size).toBe(hashes.length);
});
