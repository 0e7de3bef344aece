import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConfigError, readConfig } from "../config.ts";
import type { BlobPlace } from "./blob-store.ts";
import { blobStoreContract, bytesOf, listed } from "./blob-store-contract.ts";
import { Bucket, elements, escaped, textAt } from "./bucket.ts";
import { openBlobStore } from "./open-blob-store.ts";
import { blobPieceBytes, content, inChunks, pieceAt, randomId } from "./test-content.ts";
import { Swift } from "./test-swift.ts";

const BUCKET = "files";
const starting = Swift.isInstalled() ? Swift.start() : Promise.resolve(undefined);
let swift: Swift | undefined;
beforeAll(async () => {
  swift = await starting;
  if (swift !== undefined) await new Bucket(swift.place(BUCKET)).ask({ method: "PUT", key: "" });
}, 120_000);
afterAll(async () => (await starting)?.[Symbol.asyncDispose]());

function server(skip: (why: string) => never): Swift {
  if (swift !== undefined) return swift;
  console.warn("!!! LEFT OUT: no S3 store to test with; apt-get install swift-proxy swift-account swift-container swift-object !!!");
  return skip("no Swift");
}

blobStoreContract("bucket", (skip) => server(skip).place(BUCKET));

/** The contract on any other store: BLOB_URL and the keys as the server takes them, in an empty prefix of its own, whose files the tests remove. */
const other = process.env["TEST_BLOB_URL"];
if (other !== undefined) blobStoreContract("TEST_BLOB_URL", () => readConfig(undefined, { ...process.env, BLOB_URL: other }).blobs);

test(
  "two gateways that begin one upload each: the longest counts, and the others go with its end",
  { timeout: 60_000 },
  async ({ skip }) => {
    const place = server(skip).place(BUCKET);
    const store = await openBlobStore(place);
    const bucket = new Bucket(place);
    const id = randomId();
    const key = `${place.prefix}${id}`;
    const size = blobPieceBytes + 1;
    const begin = async (): Promise<string> => textAt(await bucket.ask({ method: "POST", key, query: { uploads: "" } }), "UploadId")!;
    await begin();
    const longer = await begin();
    await begin();
    const { piece, bytes } = pieceAt("longer", size, 0);
    await bucket.put(key, { partNumber: "1", uploadId: longer }, piece, inChunks(bytes));
    expect(await store.uploaded(id)).toBe(blobPieceBytes);
    const last = pieceAt("longer", size, blobPieceBytes);
    expect(await store.append(id, last.piece, inChunks(last.bytes))).toEqual({ kind: "appended", uploaded: size });
    expect(await store.complete(id, size)).toBe("complete");
    expect(await bucket.ask({ method: "GET", key: "", query: { uploads: "", prefix: key } })).not.toContain("<Upload>");
    expect(await bytesOf(store, id, 0, size)).toEqual(content("longer", 0, size));

    // One that was left over does not hide what is whole, nor is it listed as partial; and it goes, too.
    await begin();
    expect(await store.uploaded(id)).toBe(size);
    expect(await store.complete(id, size)).toBe("complete");
    await begin();
    expect((await listed(store)).filter((blob) => blob.id === id).map(({ whole }) => whole)).toEqual([true]);
    await store.remove(id);
    expect(await bucket.ask({ method: "GET", key: "", query: { uploads: "", prefix: key } })).not.toContain("<Upload>");
  },
);

test("a store that says no: a sentence at the start that says what to do, and an error later", { timeout: 60_000 }, async ({ skip }) => {
  const running = server(skip);
  const failing: [BlobPlace, RegExp, RegExp][] = [
    [
      running.place(BUCKET, { secretAccessKey: "wrong" }),
      /403/,
      /bucket files at .*403 SignatureDoesNotMatch.*AWS_SECRET_ACCESS_KEY must be of somebody who may/,
    ],
    [running.place("nowhere"), /NoSuchBucket/, /404 NoSuchBucket.*make the bucket/],
    [running.place(BUCKET, { endpoint: "http://127.0.0.1:1" }), /ECONNREFUSED/, /ECONNREFUSED.*can be reached from here/],
  ];
  for (const [place, reason, sentence] of failing) {
    const store = await openBlobStore(place);
    await expect(store.check()).rejects.toThrow(ConfigError);
    await expect(store.check()).rejects.toThrow(sentence);
    const { piece, bytes } = pieceAt("no", 100, 0);
    await expect(store.append(randomId(), piece, inChunks(bytes))).rejects.toThrow(reason);
    await expect(store.uploaded(randomId())).rejects.toThrow(reason);
    await expect(store.read(randomId(), { start: 0, end: 1 })).rejects.toThrow(reason);
  }
});

test("who may not abort uploads, or list their parts, is told at the start", async () => {
  const answers: [RegExp, string][] = [
    [/^POST \S+\?uploads/, "200 OK\r\nconnection: close\r\n\r\n<Result><UploadId>1</UploadId></Result>"],
    [/^(PUT|GET|DELETE) /, "200 OK\r\nconnection: close\r\n\r\n<List/>"],
  ];
  for (const denied of [/^DELETE \S+uploadId=/, /^GET \S+uploadId=/]) {
    const refusal: [RegExp, string] = [denied, "403 No\r\nconnection: close\r\n\r\n<Error><Code>AccessDenied</Code></Error>"];
    await using store = await wrongStore((text) => {
      const found = [refusal, ...answers].find(([request]) => request.test(text));
      return found && `HTTP/1.1 ${found[1]}`;
    });
    await expect((await openBlobStore(store.place)).check()).rejects.toThrow(/403 AccessDenied.*multipart uploads there/u);
  }
});

/** What no real store does when asked. */
async function wrongStore(answer: (text: string) => string | undefined) {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      const text = answer(data.toString("latin1"));
      if (text !== undefined) socket.end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const credentials = { accessKeyId: "key", secretAccessKey: "secret", sessionToken: undefined };
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const place = { kind: "bucket", bucket: "b", prefix: "", endpoint, region: "us-east-1", credentials } as const;
  return {
    place,
    connections: () => connections,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

test("a store that is silent or busy is asked three times, and no longer", async () => {
  {
    await using silent = await wrongStore(() => undefined);
    await expect(new Bucket(silent.place).ask({ method: "GET", key: "x", silenceMs: 100 })).rejects.toThrow(/did not answer for 0.1 s/);
    expect(silent.connections()).toBe(3);
  }
  await using busy = await wrongStore(
    () => "HTTP/1.1 503 Slow\r\nconnection: close\r\n\r\n<Error><Code>SlowDown</Code><Message>a &amp; b</Message></Error>",
  );
  await expect(new Bucket(busy.place).ask({ method: "GET", key: "x" })).rejects.toThrow("The S3 store answered 503 SlowDown: a & b");
  expect(busy.connections()).toBe(3);
});

test("an answer that breaks off while it is read is asked for again", async () => {
  let asked = 0;
  await using broken = await wrongStore(() => `HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n${++asked < 3 ? "<Li" : "<List/>"}`);
  expect(await new Bucket(broken.place).ask({ method: "GET", key: "x" })).toBe("<List/>");
  expect(asked).toBe(3);
  asked = -Infinity;
  await expect(new Bucket(broken.place).ask({ method: "GET", key: "x" })).rejects.toThrow(/aborted|terminated|reset/i);
});

test("a full bucket is told from other refusals, and an answer that ends early is an error", async () => {
  const refusal = "HTTP/1.1 507 Full\r\nconnection: close\r\n\r\n<Error><Code>XMinioStorageFull</Code></Error>";
  await using full = await wrongStore((text) => {
    if (text.startsWith("PUT")) return refusal;
    return text.startsWith("HEAD") ? "HTTP/1.1 404 No\r\nconnection: close\r\n\r\n" : "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<List/>";
  });
  const store = await openBlobStore(full.place);
  const id = randomId();
  for (const size of [blobPieceBytes, 10]) {
    const { piece, bytes } = pieceAt("full", size, 0);
    expect(await store.append(id, piece, inChunks(bytes))).toEqual({ kind: "full" });
  }

  await using short = await wrongStore(() => "HTTP/1.1 206 Partial\r\ncontent-length: 100\r\n\r\nshort");
  const cut = await openBlobStore(short.place);
  await expect(bytesOf(cut, id, 0, 100)).rejects.toThrow(/aborted|terminated|reset/i);
});

test("text passes through XML unchanged", () => {
  const text = `"a&b<c>"`;
  expect(textAt(`<ETag>${escaped(text)}</ETag>`, "ETag")).toBe(text);
  expect(textAt("<ETag>&quot;x&amp;quot;&#x41;&#66;</ETag>", "ETag")).toBe('"x&quot;AB');
});

test("an answer without an end of its elements, or with too many, keeps nobody busy", async () => {
  const started = performance.now();
  expect(elements("<Part>".repeat(50_000), "Part")).toEqual([]);
  expect(elements(`<Part>1</Part>${"<Part>".repeat(50_000)}`, "Part")).toEqual(["1"]);
  expect(performance.now() - started).toBeLessThan(1_000);
  const endless: Record<string, (asked: number) => string> = {
    uploads: (asked) =>
      Array.from({ length: 500 }, (_, count) => `<Upload><UploadId>${asked}-${count}</UploadId><Key>KEY</Key></Upload>`).join(""),
    parts: (asked) =>
      Array.from({ length: 500 }, (_, count) => {
        return `<Part><PartNumber>${500 * asked + count + 1}</PartNumber><Size>${blobPieceBytes}</Size></Part>`;
      }).join(""),
  };
  for (const what of ["uploads", "parts"]) {
    let asked = 0;
    await using endlessly = await wrongStore((text) => {
      if (text.startsWith("HEAD")) return "HTTP/1.1 404 No\r\nconnection: close\r\n\r\n";
      const isOfParts = text.includes("uploadId=");
      const isEndless = isOfParts === (what === "parts");
      const one = `<Upload><UploadId>1</UploadId><Key>KEY</Key></Upload>`;
      const content = isEndless ? endless[what]!(asked++) : isOfParts ? "" : one;
      const body = `<IsTruncated>${isEndless}</IsTruncated><NextPartNumberMarker>9</NextPartNumberMarker>${content}`;
      const key = /prefix=([0-9a-f]{64})/.exec(text)?.[1] ?? "";
      return `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${body.replaceAll("KEY", key)}`;
    });
    await expect((await openBlobStore(endlessly.place)).uploaded(randomId())).rejects.toThrow(/more than/);
    expect(asked).toBeLessThan(50);
  }
});
