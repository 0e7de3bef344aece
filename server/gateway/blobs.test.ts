import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, utimesSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { dirname, join } from "node:path";
import {
  type BlobId,
  blobId,
  type ClientMessageId,
  clientMessageId,
  type ConversationId,
  ErrorCode,
  idBytes,
  limits,
} from "@fastchat/protocol";
import { sealedFileSize, signBlobPassRequest, toHex } from "@fastchat/protocol/seal";
import { fromBinary } from "@bufbuild/protobuf";
import { ErrorSchema } from "@fastchat/protocol/wire/error";
import * as wire from "@fastchat/protocol/wire/gateway";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { FolderBlobStore } from "../blobs/blob-store-folder.ts";
import { openBlobStore } from "../blobs/open-blob-store.ts";
import { silentLog } from "../events.ts";
import { lookAtBlobsOf } from "../store/blobs.ts";
import { eraseDue } from "../store/retention.ts";
import {
  addDevice,
  buildRevocation,
  codeOf,
  getBlobPass,
  getChallenge,
  post,
  signUp,
  type TestDevice,
  type TestPerson,
  TestSocket,
} from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";
import { BlobCleanUp } from "./blob-clean-up.ts";
import { readSecrets } from "./secret-file.ts";
import { SealedStates } from "./sealed-state.ts";

// What a client may and what a changed one would try, one HTTP request at a time.

const PIECE = limits.blobPieceBytes;
const DAY_MS = 86_400_000;

let installation: TestInstallation;
let gateway: string;
let store: FolderBlobStore;
beforeAll(async () => {
  installation = await TestInstallation.start();
  gateway = installation.gateway.url;
  store = new FolderBlobStore(folder());
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const folder = (): string => join(dirname(installation.secretFile), "blobs");

let alice: TestPerson;
let bob: TestPerson;
let group: TestGroup;
let socket: TestSocket;
let count = 0;
beforeEach(async () => {
  count++;
  await installation.database.query.deleteFrom("blob").execute();
  [alice, bob] = [await signUp(gateway, `alice${count}`), await signUp(gateway, `bob${count}`)];
  group = new TestGroup(alice, bob);
  socket = await TestSocket.welcome(gateway, alice.devices[0]!);
  await group.create(socket);
  return () => socket[Symbol.asyncDispose]();
});

const passOf = (device: TestDevice) => getBlobPass(gateway, device);

/** An upload as its owner knows it. */
interface Made {
  readonly bytes: Buffer;
  readonly blob: Uint8Array;
  readonly id: ClientMessageId;
}

function made(length: number, id = clientMessageId(randomBytes(16))): Made {
  const bytes = randomBytes(length);
  return { bytes, blob: createHash("sha256").update(bytes).digest(), id };
}

function begin(
  pass: Uint8Array,
  { bytes, blob, id }: Made,
  {
    size = bytes.length,
    conversation = group.id,
    at = gateway,
  }: { size?: number | bigint; conversation?: ConversationId; at?: string } = {},
) {
  const body = { pass, blob, conversation: idBytes(conversation), clientMessageId: idBytes(id), size: BigInt(size) };
  return post(at, "/v1/blobs/begin", wire.BeginBlobSchema, wire.BlobBegunSchema, body);
}

const drop = (pass: Uint8Array, blob: Uint8Array) =>
  post(gateway, "/v1/blobs/drop", wire.DropBlobSchema, wire.BlobDroppedSchema, { pass, blob });

const bearer = (pass: Uint8Array): string => `Bearer ${Buffer.from(pass).toString("base64url")}`;

function pieceHeaders(pass: Uint8Array, offset: number, piece: Uint8Array): Record<string, string> {
  return {
    authorization: bearer(pass),
    "content-type": "application/offset+octet-stream",
    "content-digest": `sha-256=:${createHash("sha256").update(piece).digest("base64")}:`,
    "upload-offset": String(offset),
  };
}

/** The error's code; 0: it was taken. */
async function patch(
  pass: Uint8Array,
  blob: Uint8Array,
  offset: number,
  piece: Uint8Array,
  headers: Record<string, string> = {},
): Promise<number> {
  const response = await fetch(`${gateway}/v1/blobs/${toHex(blob)}`, {
    method: "PATCH",
    body: Buffer.from(piece),
    headers: { ...pieceHeaders(pass, offset, piece), ...headers },
  });
  return errorOf(response);
}

async function errorOf(response: Response): Promise<number> {
  const body = new Uint8Array(await response.arrayBuffer());
  return response.ok ? 0 : fromBinary(ErrorSchema, body).code;
}

/** A PATCH of which nothing is done by itself: what it declares, and what it sends. */
function slowPatch(pass: Uint8Array, blob: Uint8Array, offset: number, declared: Uint8Array) {
  const answered = Promise.withResolvers<IncomingMessage | "ended">();
  const request = httpRequest(`${gateway}/v1/blobs/${toHex(blob)}`, {
    method: "PATCH",
    headers: { ...pieceHeaders(pass, offset, declared), "content-length": declared.length },
  });
  request.once("response", (response) => {
    response.resume();
    answered.resolve(response);
  });
  request.once("error", () => answered.resolve("ended"));
  return { request, answered: answered.promise };
}

async function upload(pass: Uint8Array, it: Made): Promise<void> {
  await begin(pass, it);
  for (let at = 0; at < it.bytes.length; at += PIECE) expect(await patch(pass, it.blob, at, it.bytes.subarray(at, at + PIECE))).toBe(0);
}

async function say(it: Made, by = alice, through = socket, device = by.devices[0]!): Promise<number> {
  const message = await group.message("see", by, { id: it.id, device });
  message.blobs = [it.blob];
  return (await through.ask(group.send(message), "sent")).sequence;
}

const get = (pass: Uint8Array, blob: Uint8Array, headers: Record<string, string> = {}) =>
  fetch(`${gateway}/v1/blobs/${toHex(blob)}`, { headers: { authorization: bearer(pass), ...headers } });

async function fetched(pass: Uint8Array, blob: Uint8Array): Promise<Buffer | number> {
  const response = await get(pass, blob);
  return response.ok ? Buffer.from(await response.arrayBuffer()) : errorOf(response);
}

const rowsOf = async (blob: Uint8Array) => installation.database.query.selectFrom("blob").selectAll().where("blob", "=", blob).execute();

test("[S6] a blob comes in pieces, and goes to every member once a message names it, not before", async () => {
  const pass = await passOf(alice.devices[0]!);
  const bobs = await passOf(bob.devices[0]!);
  const it = made(2 * PIECE + 5);
  expect(await begin(pass, it)).toMatchObject({ uploaded: 0n, pieceBytes: PIECE });
  expect(await patch(pass, it.blob, 0, it.bytes.subarray(0, PIECE))).toBe(0);
  expect(await begin(pass, it)).toMatchObject({ uploaded: BigInt(PIECE) });
  expect(await patch(pass, it.blob, PIECE, it.bytes.subarray(PIECE, 2 * PIECE))).toBe(0);
  expect(await patch(pass, it.blob, 2 * PIECE, it.bytes.subarray(2 * PIECE))).toBe(0);
  expect(await begin(pass, it)).toMatchObject({ uploaded: BigInt(it.bytes.length) });
  expect([await fetched(pass, it.blob), await fetched(bobs, it.blob)]).toEqual([ErrorCode.NOT_FOUND, ErrorCode.NOT_FOUND]);
  await say(it);
  for (const each of [pass, bobs]) expect(it.bytes.equals((await fetched(each, it.blob)) as Buffer)).toBe(true);
  // What is whole is taken once more, and changes nothing.
  expect(await patch(pass, it.blob, 0, randomBytes(PIECE))).toBe(0);
  expect(it.bytes.equals((await fetched(bobs, it.blob)) as Buffer)).toBe(true);
});

test("[S6] a whole blob whose bytes are gone, as after a restore of an older blob store, is begun anew before a message can name it", async () => {
  const pass = await passOf(alice.devices[0]!);
  for (const length of [1_000, PIECE + 5]) {
    const it = made(length);
    await upload(pass, it);
    expect(await begin(pass, it)).toMatchObject({ uploaded: BigInt(length) });
    expect(await rowsOf(it.blob)).toMatchObject([{ whole: true }]);
    await store.remove(blobId(it.blob));
    expect(await begin(pass, it)).toMatchObject({ uploaded: 0n });
    const message = await group.message("see", alice, { id: it.id });
    message.blobs = [it.blob];
    expect(await codeOf(socket.ask(group.send(message), "sent"))).toBe(ErrorCode.BLOB_MISSING);
    await upload(pass, it);
    await socket.ask(group.send(message, true), "sent");
    expect(it.bytes.equals((await fetched(pass, it.blob)) as Buffer)).toBe(true);
  }
});

test("[S6] a piece is taken at its place, in its length, with its digest, or not at all", async () => {
  const pass = await passOf(alice.devices[0]!);
  const it = made(PIECE + 100);
  const first = it.bytes.subarray(0, PIECE);
  const last = it.bytes.subarray(PIECE);
  await begin(pass, it);
  const { MALFORMED, WRONG_PIECE, PASS_INVALID } = ErrorCode;
  expect(await patch(pass, it.blob, PIECE, last)).toBe(WRONG_PIECE);
  expect(await patch(pass, it.blob, 1, first)).toBe(WRONG_PIECE);
  expect(await patch(pass, it.blob, 101, first)).toBe(MALFORMED);
  expect(await patch(pass, it.blob, 0, first.subarray(1))).toBe(MALFORMED);
  expect(await patch(pass, it.blob, 0, it.bytes)).toBe(ErrorCode.TOO_LARGE);
  expect(await patch(pass, it.blob, PIECE, Buffer.concat([last, last]))).toBe(MALFORMED);
  expect(await patch(pass, it.blob, 0, randomBytes(PIECE), pieceHeaders(pass, 0, first))).toBe(WRONG_PIECE);
  expect(await patch(pass, it.blob, 0, Buffer.alloc(0))).toBe(MALFORMED);
  for (const [name, values] of Object.entries({
    "upload-offset": ["", "-1", "0x0", "1e0", "0.0", "99999999999999999999"],
    "content-digest": ["", "sha-256=::", "md5=:AAAA:", `sha-256=:${randomBytes(31).toString("base64")}:`],
  }))
    for (const value of values) expect(await patch(pass, it.blob, 0, first, { [name]: value })).toBe(MALFORMED);
  expect(await patch(pass, it.blob, 0, first, { authorization: "Bearer" })).toBe(PASS_INVALID);
  expect(await patch(pass, it.blob, 0, first, { authorization: "Bearer AAAA" })).toBe(PASS_INVALID);
  expect(await patch(pass, it.blob, 0, first, { "content-type": "text/plain" })).toBe(MALFORMED);
  expect(await begin(pass, it)).toMatchObject({ uploaded: 0n });
  expect(await patch(pass, it.blob, 0, first)).toBe(0);
  expect(await patch(pass, it.blob, 0, first)).toBe(WRONG_PIECE);
  expect(await patch(pass, it.blob, PIECE, last)).toBe(0);
  await say(it);
  expect(it.bytes.equals((await fetched(pass, it.blob)) as Buffer)).toBe(true);
});

test("[S6] an upload is its device's alone: not another device's, another conversation's, nor another message's", async () => {
  const other = await addDevice(gateway, alice);
  const [pass, others, bobs] = [await passOf(alice.devices[0]!), await passOf(other), await passOf(bob.devices[0]!)];
  const it = made(1_000);
  await begin(pass, it);
  const elsewhere = new TestGroup(alice, bob);
  await elsewhere.create(socket);
  const { FORBIDDEN, NOT_FOUND } = ErrorCode;
  for (const each of [others, bobs]) {
    expect(await codeOf(begin(each, it))).toBe(FORBIDDEN);
    expect(await patch(each, it.blob, 0, it.bytes)).toBe(NOT_FOUND);
    await drop(each, it.blob);
  }
  expect(await codeOf(begin(pass, it, { conversation: elsewhere.id }))).toBe(FORBIDDEN);
  expect(await codeOf(begin(pass, { ...it, id: clientMessageId(randomBytes(16)) }))).toBe(FORBIDDEN);
  expect(await codeOf(begin(pass, it, { size: 1_001 }))).toBe(FORBIDDEN);
  expect(await rowsOf(it.blob)).toHaveLength(1);
  expect(await patch(pass, it.blob, 0, it.bytes)).toBe(0);
  // A message of another device under the same client message id does not make it readable.
  await using second = await TestSocket.welcome(gateway, other);
  await group.write(socket, alice, { case: "rekey", value: { reason: "record the new device" } });
  expect(await codeOf(say(it, alice, second, other))).toBe(ErrorCode.BLOB_MISSING);
  await second.ask(group.send(await group.message("of the same number", alice, { id: it.id, device: other }), true), "sent");
  expect(await fetched(pass, it.blob)).toBe(NOT_FOUND);
  await say(it);
  expect(it.bytes.equals((await fetched(others, it.blob)) as Buffer)).toBe(true);
});

test("[S6] [D3] what names a file that is not there, half there or another message's is not stored; what comes behind is held, or keeps its place", async () => {
  const pass = await passOf(alice.devices[0]!);
  const [half, others, whole] = [made(PIECE + 1), made(1_000), made(1_000)];
  await begin(pass, half);
  await patch(pass, half.blob, 0, half.bytes.subarray(0, PIECE));
  for (const it of [others, whole]) await upload(pass, it);
  const naming = async (id: ClientMessageId, blobs: readonly Uint8Array[]) => {
    const message = await group.message("see", alice, { id });
    message.blobs = [...blobs];
    return message;
  };
  const { BLOB_MISSING, HELD } = ErrorCode;
  for (const message of [
    await naming(half.id, [half.blob]),
    await naming(clientMessageId(randomBytes(16)), [others.blob]),
    await naming(whole.id, [whole.blob, others.blob]),
    await naming(whole.id, [whole.blob, randomBytes(32)]),
  ]) {
    const behind = await group.message("behind it", alice);
    const [first, second] = socket.say(group.send(message, true), group.send(behind));
    expect(await codeOf(socket.answer(first!, "sent"))).toBe(BLOB_MISSING);
    expect(await codeOf(socket.answer(second!, "sent"))).toBe(HELD);
  }
  const texts = await Promise.all(Array.from({ length: 5 }, (_, index) => group.message(`behind it ${index}`, alice)));
  const frames = [group.send(await naming(whole.id, [whole.blob]), true), ...texts.map((text) => group.send(text))];
  const places = await Promise.all(socket.say(...frames).map(async (request) => (await socket.answer(request, "sent")).sequence));
  expect(places).toEqual(places.map((_, index) => places[0]! + index));
  expect(whole.bytes.equals((await fetched(pass, whole.blob)) as Buffer)).toBe(true);
});

test("[S6] who is no member neither stores nor fetches; nor does anybody what there is not", async () => {
  const carol = await signUp(gateway, `carol${count}`);
  const [pass, carols] = [await passOf(alice.devices[0]!), await passOf(carol.devices[0]!)];
  const it = made(1_000);
  expect(await codeOf(begin(carols, it))).toBe(ErrorCode.NOT_FOUND);
  await upload(pass, it);
  await say(it);
  expect(await fetched(carols, it.blob)).toBe(ErrorCode.NOT_FOUND);
  expect(await fetched(pass, randomBytes(32))).toBe(ErrorCode.NOT_FOUND);
  for (const blob of ["ab", "..%2f..%2fsecret.json", "A".repeat(64), toHex(it.blob).toUpperCase()]) {
    const response = await fetch(`${gateway}/v1/blobs/${blob}`, { headers: { authorization: bearer(pass) } });
    expect(await errorOf(response)).toBe(ErrorCode.MALFORMED);
  }
});

test("[S6] removed member: who was removed fetches what came before, and nothing of what comes after", async () => {
  const [pass, bobs] = [await passOf(alice.devices[0]!), await passOf(bob.devices[0]!)];
  const [before, after, own] = [made(1_000), made(1_000), made(PIECE + 1)];
  await upload(pass, before);
  await say(before);
  await begin(bobs, own);
  await group.remove(socket, alice, bob);
  await upload(pass, after);
  await say(after);
  expect(before.bytes.equals((await fetched(bobs, before.blob)) as Buffer)).toBe(true);
  expect(await fetched(bobs, after.blob)).toBe(ErrorCode.NOT_FOUND);
  expect(await codeOf(begin(bobs, made(1_000)))).toBe(ErrorCode.NOT_FOUND);
  expect(await codeOf(begin(bobs, own))).toBe(ErrorCode.NOT_FOUND);
  await group.add(socket, alice, bob);
  expect(after.bytes.equals((await fetched(bobs, after.blob)) as Buffer)).toBe(true);
});

test("[H3] revoked device: its pass is refused at once, and it is given no other", async () => {
  const stolen = await addDevice(gateway, bob);
  const [pass, stolens] = [await passOf(alice.devices[0]!), await passOf(stolen)];
  const it = made(1_000);
  await upload(pass, it);
  await say(it);
  expect(it.bytes.equals((await fetched(stolens, it.blob)) as Buffer)).toBe(true);
  const { link, attachments } = await buildRevocation(bob, stolen);
  await using bobs = await TestSocket.welcome(gateway, bob.devices[0]!);
  await bobs.ask({ case: "appendAccountLink", value: { link, attachments } }, "appended");
  expect(await fetched(stolens, it.blob)).toBe(ErrorCode.DEVICE_REVOKED);
  expect(await codeOf(begin(stolens, made(1_000)))).toBe(ErrorCode.DEVICE_REVOKED);
  expect(await patch(stolens, it.blob, 0, it.bytes)).toBe(ErrorCode.DEVICE_REVOKED);
  expect(await codeOf(drop(stolens, it.blob))).toBe(ErrorCode.DEVICE_REVOKED);
  expect(await codeOf(passOf(stolen))).toBe(ErrorCode.DEVICE_REVOKED);
});

test("[S6] a pass is this gateway's, for this, for a while", async () => {
  const { device } = alice.devices[0]!;
  const { key } = await readSecrets(installation.secretFile, silentLog);
  const it = made(1_000);
  const passes = [
    new SealedStates(key).seal("blob-pass", -1, { device }),
    new SealedStates(key).seal("challenge", 60_000, { device }),
    new SealedStates(randomBytes(32)).seal("blob-pass", 60_000, { device }),
    new Uint8Array(0),
    randomBytes(200),
  ];
  for (const pass of passes) {
    expect(await codeOf(begin(pass, it))).toBe(ErrorCode.PASS_INVALID);
    expect(await fetched(pass, it.blob)).toBe(ErrorCode.PASS_INVALID);
  }
  const challenge = await getChallenge(gateway, device);
  const ask = (signature: Uint8Array, asked: Uint8Array) =>
    codeOf(
      post(gateway, "/v1/blobs/pass", wire.BlobPassRequestSchema, wire.BlobPassSchema, {
        device: idBytes(device),
        challenge: asked,
        signature,
      }),
    );
  const bobs = await signBlobPassRequest(bob.devices[0]!.signingSeed, device, challenge);
  expect(await ask(bobs, challenge)).toBe(ErrorCode.SIGNATURE_INVALID);
  expect(await ask(bobs, randomBytes(challenge.length))).toBe(ErrorCode.SIGN_IN_EXPIRED);
});

test("[S6] ranges: from a place on, between two, and none that there is not", async () => {
  const pass = await passOf(alice.devices[0]!);
  const it = made(PIECE + 100);
  const { length } = it.bytes;
  await upload(pass, it);
  await say(it);
  const part = async (range: string) => {
    const response = await get(pass, it.blob, { range });
    const bytes = Buffer.from(await response.arrayBuffer());
    return [response.status, response.headers.get("content-range"), bytes] as const;
  };
  for (const [range, start, end] of [
    ["bytes=0-", 0, length],
    ["bytes=0-0", 0, 1],
    [`bytes=${PIECE - 1}-${PIECE}`, PIECE - 1, PIECE + 1],
    [`bytes=${length - 1}-`, length - 1, length],
    [`bytes=${length - 3}-${length + 1_000}`, length - 3, length],
  ] as const) {
    const [status, said, bytes] = await part(range);
    expect([status, said]).toEqual([206, `bytes ${start}-${end - 1}/${length}`]);
    expect(bytes.equals(it.bytes.subarray(start, end))).toBe(true);
  }
  for (const range of [
    `bytes=${length}-`,
    "bytes=5-4",
    "bytes=-5",
    "bytes=",
    "bytes=0-1,3-4",
    "pages=0-1",
    "bytes=1e3-",
    "bytes=99999999999999999999-",
  ])
    expect((await part(range)).slice(0, 2)).toEqual([416, `bytes */${length}`]);
});

test("other methods on a blob are no requests, and none reads what it does not send", async () => {
  const pass = await passOf(alice.devices[0]!);
  const it = made(1_000);
  await upload(pass, it);
  await say(it);
  for (const method of ["HEAD", "PUT", "DELETE", "POST"]) {
    const response = await fetch(`${gateway}/v1/blobs/${toHex(it.blob)}`, { method, headers: { authorization: bearer(pass) } });
    expect([method, response.status]).toEqual([method, 404]);
  }
  expect(it.bytes.equals((await fetched(pass, it.blob)) as Buffer)).toBe(true);
});

test("a file that is larger than this server takes, or that no file can be, is refused before its bytes come", async () => {
  const small = await installation.addGateway({ files: { largest: 1_000, quota: 0, retentionMs: 0 } });
  const pass = await passOf(alice.devices[0]!);
  await begin(pass, made(sealedFileSize(1_000)), { at: small.url });
  const refused = begin(pass, made(sealedFileSize(1_000) + 1), { at: small.url });
  await expect(refused).rejects.toThrow(/1000 bytes/);
  expect(await codeOf(begin(pass, made(16), { size: 2n ** 63n }))).toBe(ErrorCode.FILE_TOO_LARGE);
  expect(await codeOf(begin(pass, made(16), { size: 2n ** 64n - 1n }))).toBe(ErrorCode.FILE_TOO_LARGE);
  for (const size of [0, 1, 15]) expect(await codeOf(begin(pass, made(16), { size }))).toBe(ErrorCode.MALFORMED);
  expect(await codeOf(begin(pass, { ...made(16), blob: randomBytes(31) }))).toBe(ErrorCode.MALFORMED);
});

test("quota: an account's files take what it is given, of all its devices, and what is dropped or erased gives room", async () => {
  const { url: at } = await installation.addGateway({ files: { largest: 10_000, quota: 2_000, retentionMs: 0 } });
  const other = await addDevice(gateway, alice);
  const [pass, others, bobs] = [await passOf(alice.devices[0]!), await passOf(other), await passOf(bob.devices[0]!)];
  const [one, two, three] = [made(1_500), made(500), made(100)];
  await begin(pass, one, { at });
  await begin(others, two, { at });
  await begin(pass, one, { at });
  expect(await codeOf(begin(pass, three, { at }))).toBe(ErrorCode.QUOTA_EXCEEDED);
  expect(await codeOf(begin(others, three, { at }))).toBe(ErrorCode.QUOTA_EXCEEDED);
  await begin(bobs, made(2_000), { at });
  await drop(others, two.blob);
  await begin(pass, three, { at });
  // At once they are counted one after the other.
  const many = await Promise.all(Array.from({ length: 10 }, () => codeOf(begin(pass, made(150), { at }))));
  expect(many.filter((code) => code === 0)).toHaveLength(2);
});

test("too many begins of one device are refused for a while, and no other device's", async () => {
  const [pass, bobs] = [await passOf(alice.devices[0]!), await passOf(bob.devices[0]!)];
  const codes = await Promise.all(Array.from({ length: limits.blobBeginsPerMinutePerDevice + 10 }, () => codeOf(begin(pass, made(100)))));
  expect(new Set(codes)).toEqual(new Set([0, ErrorCode.RATE_LIMITED]));
  expect(await codeOf(begin(bobs, made(100)))).toBe(0);
});

test("[S6] a dropped upload is gone with its bytes; one that a message names is not dropped", async () => {
  const pass = await passOf(alice.devices[0]!);
  const [begun, named] = [made(PIECE + 5), made(1_000)];
  await begin(pass, begun);
  await patch(pass, begun.blob, 0, begun.bytes.subarray(0, PIECE));
  await drop(pass, begun.blob);
  await drop(pass, begun.blob);
  expect([await rowsOf(begun.blob), await store.uploaded(toHex(begun.blob) as never)]).toEqual([[], 0]);
  expect(await patch(pass, begun.blob, PIECE, begun.bytes.subarray(PIECE))).toBe(ErrorCode.NOT_FOUND);
  await upload(pass, named);
  await say(named);
  await drop(pass, named.blob);
  expect(named.bytes.equals((await fetched(pass, named.blob)) as Buffer)).toBe(true);
});

test("[S6] what is dropped while a piece of it comes leaves nothing", async () => {
  const pass = await passOf(alice.devices[0]!);
  for (const length of [PIECE + 5, 3 * 1_048_576]) {
    const it = made(length);
    await begin(pass, it);
    const first = it.bytes.subarray(0, PIECE);
    const half = Math.floor(first.length / 2);
    const slow = slowPatch(pass, it.blob, 0, first);
    slow.request.write(first.subarray(0, half));
    await expect.poll(() => partsOf(it.blob).length).toBe(1);
    // A drop that removed the row, and stood before the bytes.
    await installation.database.query.deleteFrom("blob").where("blob", "=", it.blob).execute();
    slow.request.end(first.subarray(half));
    expect(await slow.answered).toMatchObject({ statusCode: 404 });
    expect([await isThere(it.blob), partsOf(it.blob)]).toEqual([false, []]);
  }
});

test("two PATCHes at once leave one piece, and the blob whole", async () => {
  const pass = await passOf(alice.devices[0]!);
  for (let turn = 0; turn < 5; turn++) {
    const it = made(PIECE + 10);
    await begin(pass, it);
    const first = it.bytes.subarray(0, PIECE);
    const codes = await Promise.all([patch(pass, it.blob, 0, first), patch(pass, it.blob, 0, first), patch(pass, it.blob, 0, first)]);
    expect(codes).toContain(0);
    expect(codes.every((code) => code === 0 || code === ErrorCode.WRONG_PIECE)).toBe(true);
    const last = it.bytes.subarray(PIECE);
    await Promise.all([patch(pass, it.blob, PIECE, last), patch(pass, it.blob, PIECE, last)]);
    await say(it);
    expect(it.bytes.equals((await fetched(pass, it.blob)) as Buffer)).toBe(true);
  }
});

test("a body that is cut short, too long or slow leaves nothing, and keeps nobody waiting", async () => {
  const [pass, bobs] = [await passOf(alice.devices[0]!), await passOf(bob.devices[0]!)];
  const it = made(PIECE + 10);
  await begin(pass, it);
  const first = it.bytes.subarray(0, PIECE);
  const cut = slowPatch(pass, it.blob, 0, first);
  cut.request.write(first.subarray(0, 3 * 1_048_576));
  await expect.poll(() => partsOf(it.blob).length).toBe(1);
  cut.request.destroy();
  await cut.answered;
  await expect.poll(() => partsOf(it.blob)).toEqual([]);
  expect(await begin(pass, it)).toMatchObject({ uploaded: 0n });

  const slow = Array.from({ length: limits.blobTransfersPerAccount - 1 }, () => slowPatch(pass, it.blob, 0, first));
  for (const { request } of slow) request.write(first.subarray(0, 100));
  const quick = made(1_000);
  await upload(bobs, quick);
  expect(await patch(pass, it.blob, 0, first)).toBe(0);
  for (const { request } of slow) request.destroy();
  await Promise.all(slow.map(({ answered }) => answered));
  await expect.poll(() => partsOf(it.blob).filter((name) => name.endsWith(".new"))).toEqual([]);
  expect(await patch(pass, it.blob, PIECE, it.bytes.subarray(PIECE))).toBe(0);
  await say(it);
  expect(it.bytes.equals((await fetched(pass, it.blob)) as Buffer)).toBe(true);
});

test(
  "one account holds so many pieces and answers of the gateway at once, and keeps nobody else waiting",
  { timeout: 60_000 },
  async () => {
    const [pass, bobs] = [await passOf(alice.devices[0]!), await passOf(bob.devices[0]!)];
    const it = made(2 * PIECE);
    await upload(pass, it);
    await say(it);
    const unfinished = made(PIECE + 10);
    await begin(pass, unfinished);
    const first = unfinished.bytes.subarray(0, PIECE);
    // Pieces that never end lie on the disk beside what is counted; answers that nobody reads lie in memory.
    const pieces = Array.from({ length: limits.blobTransfersPerAccount / 2 }, () => slowPatch(pass, unfinished.blob, 0, first));
    for (const { request } of pieces) request.write(first.subarray(0, 100));
    await expect.poll(() => partsOf(unfinished.blob).length).toBe(pieces.length);
    const answers = await Promise.all(Array.from({ length: limits.blobTransfersPerAccount / 2 }, () => unread(pass, it.blob)));
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(answers.map(() => 200));
    expect(await codeOfGet(pass, it.blob)).toBe(ErrorCode.RATE_LIMITED);
    expect(await patch(pass, unfinished.blob, 0, first)).toBe(ErrorCode.RATE_LIMITED);
    // Another device of the account is no way around it.
    expect(await codeOfGet(await passOf(await addDevice(gateway, alice)), it.blob)).toBe(ErrorCode.RATE_LIMITED);
    expect(it.bytes.equals((await fetched(bobs, it.blob)) as Buffer)).toBe(true);
    const quick = made(1_000);
    await upload(bobs, quick);
    for (const { request } of pieces) request.destroy();
    for (const answer of answers) answer.destroy();
    await expect.poll(() => codeOfGet(pass, it.blob)).toBe(0);
    expect(await patch(pass, unfinished.blob, 0, first)).toBe(0);
  },
);

const codeOfGet = async (pass: Uint8Array, blob: Uint8Array): Promise<number> => errorOf(await get(pass, blob));

/** An answer whose content nobody reads. */
async function unread(pass: Uint8Array, blob: Uint8Array): Promise<IncomingMessage> {
  const request = httpRequest(`${gateway}/v1/blobs/${toHex(blob)}`, { headers: { authorization: bearer(pass) }, agent: false });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request.once("response", resolve).once("error", reject).end();
  return promise;
}

test("[S6] a bucket that gives more or less than it was asked for says nothing in the gateway's name", async () => {
  const pass = await passOf(alice.devices[0]!);
  const it = made(1_000);
  await upload(pass, it);
  await say(it);
  const forged = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\nowned";
  for (const given of [Buffer.concat([it.bytes, Buffer.from(forged)]), it.bytes.subarray(0, 300)]) {
    await using bucket = createServer((_request, response) => void response.writeHead(206, { "content-length": given.length }).end(given));
    await new Promise<void>((resolve) => bucket.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(bucket.address() as AddressInfo).port}`;
    const credentials = { accessKeyId: "key", secretAccessKey: "secret", sessionToken: undefined };
    const blobs = await openBlobStore({ kind: "bucket", bucket: "files", prefix: "", endpoint, region: "us-east-1", credentials });
    await using behind = await installation.addGateway({ blobs });
    const ask = (path: string, more: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n\r\n`;
    const both = ask(`/v1/blobs/${toHex(it.blob)}`, `authorization: ${bearer(pass)}`) + ask("/healthz", "connection: close");
    const said = (await rawAnswer(behind.port, both)).toString("latin1");
    const bodyAt = said.indexOf("\r\n\r\n") + 4;
    const declared = Number(/^content-length: (\d+)/m.exec(said)![1]);
    const next = said.slice(bodyAt + declared);
    // It is told that something is wrong, and the next question has its own answer; or the answer is cut, and there is no next.
    const isCut = said.startsWith("HTTP/1.1 200") && declared === 1_000 && next === "" && !said.slice(bodyAt).includes("HTTP/1.1");
    const isTold = !said.startsWith("HTTP/1.1 200") && /^HTTP\/1\.1 200 OK[^]*ok\n$/.test(next);
    expect([isCut || isTold, said.includes("owned")]).toEqual([true, false]);
  }
});

/** All that comes over a connection of its own until the other side ends it. */
async function rawAnswer(port: number, request: string): Promise<Buffer> {
  const socket = connect(port, "127.0.0.1");
  socket.write(request);
  const chunks: Buffer[] = [];
  const patience = setTimeout(() => socket.destroy(new Error("The connection stays open")), 3_000);
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (error) {
    // A connection that is reset is at its end, too.
    if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
  } finally {
    clearTimeout(patience);
  }
  return Buffer.concat(chunks);
}

/** What lies in the folder of an upload. */
function partsOf(blob: Uint8Array): string[] {
  const place = join(folder(), toHex(blob).slice(0, 2), `${toHex(blob)}.part`);
  return existsSync(place) ? readdirSync(place) : [];
}

test("a gateway that ended between a blob's last piece and the note of it: who asks again makes it readable", async () => {
  const pass = await passOf(alice.devices[0]!);
  for (const length of [1_000, PIECE + 1_000]) {
    const it = made(length);
    await begin(pass, it);
    for (let offset = 0; offset < length; offset += PIECE) {
      const piece = it.bytes.subarray(offset, offset + PIECE);
      const sha256 = createHash("sha256").update(piece).digest();
      const isLast = offset + piece.length === length;
      await store.append(toHex(it.blob) as never, { offset, length: piece.length, sha256, isLast }, piecesOf(piece));
    }
    expect(await begin(pass, it)).toMatchObject({ uploaded: BigInt(length) });
    await say(it);
    expect(it.bytes.equals((await fetched(pass, it.blob)) as Buffer)).toBe(true);
  }
});

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

// Clean-up

const cleanUpWith = (retentionMs = 0, blobs = store) =>
  new BlobCleanUp({
    database: installation.database,
    blobs,
    files: { largest: limits.fileBytes, quota: 0, retentionMs },
    log: silentLog,
    everyMs: limits.blobSweepMs,
  });

/** As if that had been so long ago. */
async function age(blob: Uint8Array, milliseconds: number): Promise<void> {
  await installation.database.pool.query("UPDATE blob SET begun = begun - $2::bigint, look_at = look_at - $2::bigint WHERE blob = $1", [
    blob,
    milliseconds,
  ]);
}

const isThere = async (blob: Uint8Array): Promise<boolean> => (await store.uploaded(toHex(blob) as never)) > 0;

test("[S4] clean-up: with a message that is erased go its blob and the bytes; what others name, and uploads under way, stay", async () => {
  const temporary = new TestGroup(alice, bob);
  await temporary.create(socket, { retentionSeconds: 1 });
  const pass = await passOf(alice.devices[0]!);
  const [erased, named, under] = [made(1_000), made(1_000), made(PIECE + 1_000)];
  const conversation = temporary.id;
  await begin(pass, erased, { conversation });
  await patch(pass, erased.blob, 0, erased.bytes);
  const message = await temporary.message("soon gone", alice, { id: erased.id });
  await socket.ask(temporary.send(message), "sent");
  await upload(pass, named);
  await say(named);
  await begin(pass, under, { conversation });
  await patch(pass, under.blob, 0, under.bytes.subarray(0, PIECE));
  const cleanUp = cleanUpWith();
  expect(await cleanUp.sweep()).toMatchObject({ blobs: 0, bytes: 0 });
  await expect
    .poll(async () => {
      await installation.database.query.updateTable("conversation").set({ erase_at: 0 }).where("erase_at", "is not", null).execute();
      return eraseDue(installation.database, conversation, Date.now());
    })
    .toEqual({ kind: "erased", messages: 1 });
  expect(await fetched(pass, erased.blob)).toBe(ErrorCode.NOT_FOUND);
  expect(await cleanUp.preview()).toMatchObject({ blobs: 1, bytes: 1_000 });
  expect(await cleanUp.sweep()).toMatchObject({ blobs: 1, bytes: 1_000 });
  expect(await cleanUp.preview()).toMatchObject({ blobs: 0, bytes: 0 });
  expect([await rowsOf(erased.blob), await isThere(erased.blob)]).toEqual([[], false]);
  expect(named.bytes.equals((await fetched(pass, named.blob)) as Buffer)).toBe(true);
  expect(await patch(pass, under.blob, PIECE, under.bytes.subarray(PIECE))).toBe(0);
});

test("[S5] with a message that its author withdraws goes its blob: from that moment on nobody fetches it, and the clean-up removes it; no other's goes", async () => {
  const [pass, bobs] = [await passOf(alice.devices[0]!), await passOf(bob.devices[0]!)];
  await using bobsSocket = await TestSocket.welcome(gateway, bob.devices[0]!);
  const [gone, kept] = [made(1_000), made(1_000)];
  for (const each of [gone, kept]) await upload(pass, each);
  const places = [await say(gone), await say(kept)];
  const withdrawal = async (by: TestPerson, withdraws: readonly number[]) => {
    const message = await group.message("gone", by);
    message.withdraws = [...withdraws];
    return group.send(message);
  };
  await bobsSocket.ask(await withdrawal(bob, places), "sent");
  for (const each of [gone, kept]) expect(each.bytes.equals((await fetched(bobs, each.blob)) as Buffer)).toBe(true);
  await socket.ask(await withdrawal(alice, [places[0]!]), "sent");
  for (const each of [pass, bobs]) expect(await fetched(each, gone.blob)).toBe(ErrorCode.NOT_FOUND);
  expect(kept.bytes.equals((await fetched(bobs, kept.blob)) as Buffer)).toBe(true);
  const { entries } = await socket.ask(
    { case: "fetchEntries", value: { conversation: idBytes(group.id), after: 0, limit: 100 } },
    "entries",
  );
  expect(entries.map(({ body }) => body.case)).toEqual(["link", "erased", "message", "message", "message"]);
  const cleanUp = cleanUpWith();
  expect(await cleanUp.sweep()).toMatchObject({ blobs: 1, bytes: 1_000 });
  expect([await rowsOf(gone.blob), await isThere(gone.blob)]).toEqual([[], false]);
  // The same file cannot be begun for the message that is gone, to be served again.
  await upload(pass, gone);
  expect(await fetched(bobs, gone.blob)).toBe(ErrorCode.NOT_FOUND);
});

test("clean-up: an upload that was given up goes, one that was taken up again does not, nor what is named, however often it is looked at", async () => {
  const pass = await passOf(alice.devices[0]!);
  const [givenUp, takenUp, named] = [made(PIECE + 1_000), made(PIECE + 1_000), made(1_000)];
  for (const it of [givenUp, takenUp]) {
    await begin(pass, it);
    await patch(pass, it.blob, 0, it.bytes.subarray(0, PIECE));
  }
  await upload(pass, named);
  const sequence = await say(named);
  for (const { blob } of [givenUp, takenUp, named]) await age(blob, 8 * DAY_MS);
  await begin(pass, takenUp);
  const cleanUp = cleanUpWith();
  expect(await cleanUp.preview()).toMatchObject({ blobs: 1, bytes: givenUp.bytes.length });
  expect(await cleanUp.sweep()).toMatchObject({ blobs: 1, bytes: givenUp.bytes.length });
  expect(await Promise.all([givenUp, takenUp, named].map(({ blob }) => isThere(blob)))).toEqual([false, true, true]);
  for (let year = 0; year < 3; year++) {
    await age(named.blob, 365 * DAY_MS);
    expect(await cleanUp.sweep()).toMatchObject({ blobs: 0, bytes: 0 });
    await lookAtBlobsOf(installation.database.query, group.id, [sequence]);
    expect(await cleanUp.sweep()).toMatchObject({ blobs: 0, bytes: 0 });
  }
  expect(named.bytes.equals((await fetched(pass, named.blob)) as Buffer)).toBe(true);
});

test("clean-up: what is older than this installation keeps files goes, although messages name it, and the count is told before", async () => {
  const pass = await passOf(alice.devices[0]!);
  const [old, young] = [made(1_000), made(1_000)];
  for (const it of [old, young]) {
    await upload(pass, it);
    await say(it);
  }
  await age(old.blob, 31 * DAY_MS);
  const cleanUp = cleanUpWith(30 * DAY_MS);
  expect(await cleanUp.preview()).toMatchObject({ blobs: 1, bytes: 1_000 });
  expect([await isThere(old.blob), (await rowsOf(old.blob)).length]).toEqual([true, 1]);
  expect(await cleanUp.sweep()).toMatchObject({ blobs: 1, bytes: 1_000 });
  expect(await fetched(pass, old.blob)).toBe(ErrorCode.NOT_FOUND);
  expect(await isThere(old.blob)).toBe(false);
  expect(young.bytes.equals((await fetched(pass, young.blob)) as Buffer)).toBe(true);
});

test("clean-up: an upload that is taken up again is no older than that", async () => {
  const pass = await passOf(alice.devices[0]!);
  const it = made(PIECE + 1_000);
  await begin(pass, it);
  await patch(pass, it.blob, 0, it.bytes.subarray(0, PIECE));
  await age(it.blob, 31 * DAY_MS);
  await begin(pass, it);
  expect(await cleanUpWith(30 * DAY_MS).sweep()).toMatchObject({ blobs: 0 });
  expect(await patch(pass, it.blob, PIECE, it.bytes.subarray(PIECE))).toBe(0);
});

test("clean-up: what is begun anew while it goes is there afterwards", async () => {
  const pass = await passOf(alice.devices[0]!);
  const both = [made(PIECE + 1_000), made(PIECE + 1_000)];
  for (const it of both) {
    await begin(pass, it);
    await patch(pass, it.blob, 0, it.bytes.subarray(0, PIECE));
    await age(it.blob, 8 * DAY_MS);
  }
  // Both are forgotten, and the bytes of one are gone.
  let kept: Made | undefined;
  class Slow extends FolderBlobStore {
    override async remove(id: BlobId): Promise<void> {
      await super.remove(id);
      kept = both.find(({ blob }) => toHex(blob) !== id)!;
      expect(await begin(pass, kept)).toMatchObject({ uploaded: BigInt(PIECE) });
    }
  }
  expect(await cleanUpWith(0, new Slow(folder())).sweep()).toMatchObject({ blobs: 1 });
  expect(await patch(pass, kept!.blob, PIECE, kept!.bytes.subarray(PIECE))).toBe(0);
});

test("clean-up: who begins an upload that is just being forgotten begins it anew", async () => {
  const pass = await passOf(alice.devices[0]!);
  const it = made(1_000);
  await begin(pass, it);
  const forgetting = await installation.database.query.startTransaction().execute();
  await forgetting.deleteFrom("blob").where("blob", "=", it.blob).execute();
  const begun = begin(pass, it);
  const waiting = sql`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await expect.poll(async () => (await waiting.execute(installation.database.query)).rows.length).toBeGreaterThan(0);
  await forgetting.commit().execute();
  expect(await begun).toMatchObject({ uploaded: 0n });
  expect(await rowsOf(it.blob)).toHaveLength(1);
});

test("clean-up: bytes that no row knows go when they are old, and no others", async () => {
  const pass = await passOf(alice.devices[0]!);
  const [known, oldOrphan, newOrphan] = [made(1_000), made(1_000), made(1_000)];
  await upload(pass, known);
  await say(known);
  for (const { blob, bytes } of [oldOrphan, newOrphan]) {
    const sha256 = createHash("sha256").update(bytes).digest();
    await store.append(toHex(blob) as never, { offset: 0, length: 1_000, sha256, isLast: true }, piecesOf(bytes));
  }
  for (const { blob } of [known, oldOrphan]) {
    const id = toHex(blob);
    utimesSync(join(folder(), id.slice(0, 2), id), 1, 1);
  }
  expect(await cleanUpWith().sweep()).toMatchObject({ blobs: 1, bytes: 1_000 });
  expect(await Promise.all([known, oldOrphan, newOrphan].map(({ blob }) => isThere(blob)))).toEqual([true, false, true]);
});

test("clean-up: hundreds at once, by two gateways", async () => {
  const rows = Array.from({ length: 600 }, () => ({
    blob: randomBytes(32),
    conversation: idBytes(group.id),
    account: idBytes(alice.account),
    device: idBytes(alice.devices[0]!.device),
    client_message_id: randomBytes(16),
    size: 10,
    begun: 0,
    look_at: 0,
  }));
  // What other tests left without a row.
  await cleanUpWith().sweep();
  await installation.database.query.insertInto("blob").values(rows).execute();
  const swept = await Promise.all([cleanUpWith().sweep(), cleanUpWith().sweep()]);
  expect(swept.reduce((sum, { blobs }) => sum + blobs, 0)).toBe(600);
  expect(await rowsOf(rows[0]!.blob)).toEqual([]);
});
