import { create, toBinary } from "@bufbuild/protobuf";
import { type ConversationId, ErrorCode, FastChatError } from "@fastchat/protocol";
import { random, sealedFileSize } from "@fastchat/protocol/seal";
import { FileSchema } from "@fastchat/protocol/wire/conversation";
import { expect, test } from "vitest";
import type { Conversation } from "../conversation.ts";
import type { Gateway, Piece } from "../gateway.ts";
import { Outbox, type OutboxParts, type Outgoing } from "../outbox.ts";
import { keys } from "../records.ts";
import { StorageFullError } from "../storage.ts";
import { MemoryPlace, openMemoryStorage } from "../storage-memory.ts";
import { type BlobPlace, Blobs } from "./blobs.ts";
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
    connection: { request: () => Promise.reject(new Error("nothing is sent")), sessionNumber: 0 },
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
  const add = async (): Promise<Outgoing> => {
    const staged = { file, staged: "staged" };
    await outbox.add([{ conversation, texts: ["with a file"], expiresAfter: 0, files: [staged] }]);
    return files.at(-1)!;
  };
  const outgoing = await add();
  return { storage, outbox, id: outgoing.id, outgoing, add };
}

const allThere = { begin: async ({ size }: BlobPlace) => ({ uploaded: size, pieceBytes: 1 }) };

const uploadsWith = (
  outbox: UploadsParts["outbox"],
  errors: unknown[],
  blobs: Partial<Blobs> = allThere,
  staging = memoryStaging(),
): Uploads =>
  new Uploads({
    blobs: blobs as Blobs,
    staging,
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

test("[S6] an upload that the server knows no more, as one that was restored, is begun once more; not again and again", async () => {
  const { outbox, outgoing, id } = await waiting();
  const staging = memoryStaging();
  const writer = await staging.write("staged");
  await writer.write(new Uint8Array(sealedFileSize(0)));
  await writer.close();
  let begun = 0;
  let forgets = 1;
  const blobs = {
    begin: async () => ({ uploaded: 0, pieceBytes: 4_096, count: ++begun }),
    put: async (_: Uint8Array, offset: number, { bytes }: Piece) => {
      if (forgets-- > 0) throw new FastChatError(ErrorCode.NOT_FOUND);
      return offset + bytes.size;
    },
  };
  const uploads = uploadsWith(outbox, [], blobs, staging);
  uploads.add(outgoing);
  await expect.poll(() => outbox.find(id)?.item).toMatchObject({ failed: 0, files: [{ uploaded: true }] });
  expect(begun).toBe(2);
  const { outbox: others, outgoing: second } = await waiting();
  forgets = Infinity;
  const more = uploadsWith(others, [], blobs, staging);
  more.add(second);
  await expect.poll(() => others.find(second.id)?.item.failed).toBe(ErrorCode.NOT_FOUND);
  expect(begun).toBe(4);
  for (const each of [uploads, more]) await each.close();
});

test.each([
  ["is to be tried again", ErrorCode.UNAVAILABLE],
  ["is to be done on top of what is there now", ErrorCode.WRONG_PIECE],
])(
  "[S6] a message whose own upload fails with what %s holds up none behind it, and its turn comes again",
  async (_, code) => {
    const { outbox, outgoing: first, add } = await waiting();
    const second = await add();
    let isBroken = true;
    const begin = async (place: BlobPlace) => {
      if (isBroken && place.clientMessageId === first.id) throw new FastChatError(code);
      return allThere.begin(place);
    };
    const uploads = uploadsWith(outbox, [], { begin });
    const isUploaded = ({ id }: Outgoing) => outbox.find(id)?.item.files[0]?.uploaded;
    for (const each of [first, second]) uploads.add(each);
    await expect.poll(() => isUploaded(second), { timeout: 10_000 }).toBe(true);
    expect(isUploaded(first)).toBe(false);
    isBroken = false;
    await expect.poll(() => isUploaded(first), { timeout: 20_000 }).toBe(true);
    await uploads.close();
  },
  40_000,
);

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
