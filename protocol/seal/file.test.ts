import { createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { encodeParts } from "./bytes.ts";
import { FileCipher, fileChunkBytes, fileChunks, sealedChunkBytes, sealedFileSize } from "./file.ts";
import { labels } from "./labels.ts";

const random = (bytes: number): Uint8Array<ArrayBuffer> => new Uint8Array(randomBytes(bytes));

test("[S6] a chunk is AES-256-GCM under a key derived from the file's, its nonce the chunk's number and whether it is the last", async () => {
  const secret = random(32);
  const chunk = random(1_000);
  const cipher = await FileCipher.of(secret);
  for (const [index, isLast] of [
    [0, false],
    [1, true],
    [65_537, false],
    [4_294_967_295, true],
  ] as const) {
    const sealed = await cipher.seal(index, isLast, chunk);
    const key = Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), encodeParts(labels.derive.fileKey), 32));
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(index, 7);
    nonce[11] = isLast ? 1 : 0;
    const decipher = createDecipheriv("aes-256-gcm", key, nonce);
    decipher.setAAD(encodeParts(labels.encrypt.fileChunk));
    decipher.setAuthTag(sealed.subarray(-16));
    expect(Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])).toEqual(Buffer.from(chunk));
  }
});

test("[S6] no bit of a chunk can be turned, none can take another's place, and the last one cannot be left out", async () => {
  const cipher = await FileCipher.of(random(32));
  const other = await FileCipher.of(random(32));
  const chunk = random(100);
  const sealed = await cipher.seal(3, false, chunk);
  expect(await cipher.open(3, false, sealed)).toEqual(chunk);
  for (let bit = 0; bit < 8 * sealed.length; bit++) {
    const turned = new Uint8Array(sealed);
    turned[bit >> 3]! ^= 1 << (bit & 7);
    expect([bit, await cipher.open(3, false, turned)]).toEqual([bit, undefined]);
  }
  for (const opened of [
    cipher.open(2, false, sealed),
    cipher.open(4, false, sealed),
    cipher.open(3, true, sealed),
    cipher.open(3, false, sealed.slice(0, -1)),
    cipher.open(3, false, sealed.slice(0, 5)),
    cipher.open(3, false, new Uint8Array(0)),
    other.open(3, false, sealed),
  ])
    expect(await opened).toBeUndefined();
});

test("[S6] sizes: an empty file has one chunk, a full last chunk is followed by none", () => {
  expect([0, 1, fileChunkBytes, fileChunkBytes + 1, 2 * fileChunkBytes].map(fileChunks)).toEqual([1, 1, 1, 2, 2]);
  expect([0, 1, fileChunkBytes, fileChunkBytes + 1].map(sealedFileSize)).toEqual([16, 17, sealedChunkBytes, sealedChunkBytes + 17]);
});

test("[S6] a key of another length is refused", async () => {
  await expect(FileCipher.of(random(16))).rejects.toThrow("32 bytes");
});
