import { create, toBinary } from "@bufbuild/protobuf";
import type { ConversationId } from "@fastchat/protocol";
import { random } from "@fastchat/protocol/seal";
import { FileSchema } from "@fastchat/protocol/wire/conversation";
import { expect, test } from "vitest";
import type { Conversation } from "../conversation.ts";
import type { Gateway } from "../gateway.ts";
import { Outbox, type OutboxParts, type Outgoing } from "../outbox.ts";
import { keys } from "../records.ts";
import { StorageFullError } from "../storage.ts";
import { MemoryPlace, openMemoryStorage } from "../storage-memory.ts";
import { Blobs } from "./blobs.ts";
import { Uploads, type UploadsParts } from "./uploads.ts";
import { memoryStaging } from "./staging-memory.ts";

// What the network and the disk do in moments that nobody can wait for.

const conversation = "ab".repeat(32) as ConversationId;
const file = create(FileSchema, { blob: random(32), key: random(32), size: 0n, name: "empty" });
const nothing = () => undefined;

/** An outbox with one message that waits for its file. */
async function waiting(parts: Partial<OutboxParts> = {}) {
  const storage = openMemoryStorage(new MemoryPlace());
  const files: Outgoing[] = [];
  const outbox = new Outbox({
    storage,
    author: {} as OutboxParts["author"],
    links: {} as OutboxParts["links"],
    connection: { request: () => Promise.reject(new Error("nothing is sent")) },
    isOnline: () => false,
    conversationOf: async () => ({}) as Conversation,
    manifestReference: () => random(32),
    onChanged: nothing,
    onBlocked: nothing,
    onFiles: (outgoing) => files.push(outgoing),
    onTakenBack: nothing,
    onGone: nothing,
    onUnexpected: nothing,
    ...parts,
  });
  const staged = { file, staged: "staged" };
  const [id] = await outbox.add([{ conversation, texts: ["with a file"], expiresAfter: 0, files: [staged] }]);
  return { storage, outbox, id: id!, outgoing: files[0]! };
}

const uploadsWith = (outbox: UploadsParts["outbox"], errors: unknown[]): Uploads =>
  new Uploads({
    blobs: { begin: async ({ size }: { size: number }) => ({ uploaded: size, pieceBytes: 1 }) } as unknown as Blobs,
    staging: memoryStaging(),
    outbox,
    links: { prepare: async () => undefined } as unknown as UploadsParts["links"],
    conversationOf: async () => ({}) as Conversation,
    isOnline: () => true,
    onBlocked: nothing,
    onUnexpected: (error) => errors.push(error),
  });

test("[S6] a disk that is full while it is noted what the server has leaves the message waiting: the next attempt goes on", async () => {
  const { outbox, outgoing, id } = await waiting();
  const errors: unknown[] = [];
  let noted = 0;
  const full = async (...given: Parameters<Outbox["uploaded"]>): Promise<void> => {
    if (++noted === 1) throw new StorageFullError(new Error("no room"));
    await outbox.uploaded(...given);
  };
  const uploads = uploadsWith({ find: (one) => outbox.find(one), uploaded: full, fail: async () => undefined, changed: nothing }, errors);
  uploads.add(outgoing);
  await expect.poll(() => errors).toEqual([expect.any(StorageFullError)]);
  expect(uploads.progressOf(id)).toBeDefined();
  uploads.drive();
  await expect.poll(() => outbox.find(id)?.item.files[0]?.uploaded).toBe(true);
  expect(noted).toBe(2);
  await uploads.close();
});

test("[S6] what could not be stored of a message is not in memory either", async () => {
  const { storage, outbox, id } = await waiting();
  const commit = storage.commit.bind(storage);
  storage.commit = () => Promise.reject(new StorageFullError(new Error("no room")));
  await expect(outbox.uploaded(id, 0)).rejects.toThrow(StorageFullError);
  expect(outbox.find(id)?.item.files[0]?.uploaded).toBe(false);
  storage.commit = commit;
  await outbox.uploaded(id, 0);
  expect(outbox.find(id)?.item.files[0]?.uploaded).toBe(true);
});

test("[S6] a message that is taken back while its last file is noted is gone, and is not sent", async () => {
  const { storage, outbox, id } = await waiting();
  const commit = storage.commit.bind(storage);
  const slow = Promise.withResolvers<void>();
  storage.commit = async (changes) => {
    await slow.promise;
    await commit(changes);
  };
  const taken = outbox.cancel(id);
  const noted = outbox.uploaded(id, 0);
  slow.resolve();
  expect(await taken).toBe(true);
  await noted;
  expect(outbox.find(id)).toBeUndefined();
  expect(outbox.isWaiting(conversation)).toBe(false);
  expect(await storage.get(keys.outbox(conversation, 1, id))).toBeUndefined();
  await outbox.close();
});

test("who gives up does not wait for a pass that does not come", async () => {
  const asked = Promise.withResolvers<void>();
  const gateway = {
    blobPass: () => {
      asked.resolve();
      return new Promise(() => undefined);
    },
  } as unknown as Gateway;
  const blobs = new Blobs(gateway, { device: "cd".repeat(32) as never, signingSeed: random(32) });
  const giving = new AbortController();
  const piece = { bytes: new Blob([toBinary(FileSchema, file)]), sha256: random(32) };
  const putting = blobs.put(file.blob, 0, piece, giving.signal);
  await asked.promise;
  giving.abort(new Error("enough"));
  await expect(putting).rejects.toThrow("enough");
});
