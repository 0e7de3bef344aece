import { pipeline, type Readable, Transform } from "node:stream";
import { create } from "@bufbuild/protobuf";
import {
  type AccountId,
  blobId,
  clientMessageId,
  conversationId,
  type DeviceId,
  ErrorCode,
  FastChatError,
  isClientMessageId,
  isHash,
  limits,
} from "@fastchat/protocol";
import { sealedFileSize, verifyBlobPassRequest } from "@fastchat/protocol/seal";
import {
  type BeginBlob,
  type BlobBegun,
  BlobBegunSchema,
  type BlobDropped,
  BlobDroppedSchema,
  type BlobPass,
  type BlobPassRequest,
  BlobPassSchema,
  type DropBlob,
} from "@fastchat/protocol/wire/gateway";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { beginBlob, dropBlob, findBlob, findUpload, noteWhole } from "../store/blobs.ts";
import { findConversationOf, findLogOf } from "../store/conversations.ts";
import { mustBeLetIn, provenDevice } from "./challenge.ts";
import type { GatewayContext } from "./context.ts";

// [S6] Encrypted files: their bytes go over HTTP between clients and the blob store, never through chat servers. Who brings a pass is a device; each
// request asks the database anew what that device may.

const BLOB_TYPE = "application/offset+octet-stream";

interface Holder {
  readonly device: DeviceId;
  readonly account: AccountId;
}

export async function giveBlobPass(gateway: GatewayContext, request: BlobPassRequest): Promise<BlobPass> {
  const { device } = await provenDevice(gateway, request, verifyBlobPassRequest);
  return create(BlobPassSchema, {
    pass: gateway.states.seal("blob-pass", limits.blobPassMs, { device }),
    lifetimeMs: limits.blobPassMs,
  });
}

/** The device behind a pass, if it still has its rights. */
async function holderOf(gateway: GatewayContext, pass: Uint8Array): Promise<Holder> {
  const id = gateway.states.open("blob-pass", pass)?.["device"];
  if (id === undefined) throw new FastChatError(ErrorCode.PASS_INVALID);
  gateway.rates.blobsByDevice.takeOrThrow(id);
  const device = await gateway.devices.find(Buffer.from(id, "hex"));
  if (device === undefined) throw new FastChatError(ErrorCode.DEVICE_UNKNOWN);
  await mustBeLetIn(gateway, device);
  return device;
}

export async function begin(gateway: GatewayContext, request: BeginBlob): Promise<BlobBegun> {
  const { database, files, blobs } = gateway;
  const { blob, size } = request;
  if (!isHash(blob) || !isHash(request.conversation) || !isClientMessageId(request.clientMessageId))
    throw new FastChatError(ErrorCode.MALFORMED);
  const { device, account } = await holderOf(gateway, request.pass);
  gateway.rates.blobBeginsByDevice.takeOrThrow(device);
  if (size < BigInt(sealedFileSize(0))) throw new FastChatError(ErrorCode.MALFORMED);
  if (size > BigInt(sealedFileSize(files.largest)))
    throw new FastChatError(ErrorCode.FILE_TOO_LARGE, { detail: `This server takes files of up to ${files.largest} bytes.` });
  const conversation = await findConversationOf(database, request.conversation, account, device);
  if (conversation === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  const upload = {
    blob,
    conversation: conversationId(request.conversation),
    account,
    device,
    clientMessageId: clientMessageId(request.clientMessageId),
    size: Number(size),
  };
  const result = await beginBlob(database, upload, files.quota, Date.now());
  switch (result.kind) {
    case "begun": {
      const uploaded = await blobs.uploaded(blobId(blob));
      // A gateway ended between the last piece and the note of it: nothing would be sent any more that could bring it about.
      if (!result.whole && uploaded === Number(size)) await finish(gateway, blob, uploaded);
      // A blob store that was restored from an older copy than the database: no message may name what is not there.
      if (result.whole && uploaded !== Number(size)) await noteWhole(database, blob, false);
      return create(BlobBegunSchema, { uploaded: BigInt(uploaded), pieceBytes: limits.blobPieceBytes });
    }
    case "quota":
      throw new FastChatError(ErrorCode.QUOTA_EXCEEDED);
    case "taken":
      throw new FastChatError(ErrorCode.FORBIDDEN);
    default:
      return result satisfies never;
  }
}

export async function drop(gateway: GatewayContext, { pass, blob }: DropBlob): Promise<BlobDropped> {
  if (!isHash(blob)) throw new FastChatError(ErrorCode.MALFORMED);
  const { device } = await holderOf(gateway, pass);
  if (await dropBlob(gateway.database, blob, device)) await gateway.blobs.remove(blobId(blob));
  return create(BlobDroppedSchema);
}

/** The routes whose bodies are the bytes of blobs. */
export function addBlobRoutes(app: FastifyInstance, gateway: GatewayContext): void {
  app.addContentTypeParser(BLOB_TYPE, (_request, payload, done) => done(null, payload));
  app.patch<{ Params: { blob: string } }>("/v1/blobs/:blob", async (request, reply) => {
    const uploaded = await takePiece(gateway, request, reply);
    return reply.status(204).header("upload-offset", uploaded).send();
  });
  // Without HEAD, for which the whole blob would be read and thrown away.
  const options = { exposeHeadRoute: false };
  app.get<{ Params: { blob: string } }>("/v1/blobs/:blob", options, (request, reply) => giveBlob(gateway, request, reply));
}

type BlobRequest = FastifyRequest<{ Params: { blob: string } }>;

function blobOf({ params }: BlobRequest): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(params.blob)) throw new FastChatError(ErrorCode.MALFORMED);
  return Buffer.from(params.blob, "hex");
}

function passOf({ headers }: BlobRequest): Uint8Array {
  const [, pass] = /^Bearer ([A-Za-z0-9_-]+)$/.exec(headers.authorization ?? "") ?? [];
  if (pass === undefined) throw new FastChatError(ErrorCode.PASS_INVALID);
  return Buffer.from(pass, "base64url");
}

/**
 * One piece of an upload (PATCH, as in draft-ietf-httpbis-resumable-upload): `upload-offset` says where it goes, `content-length` how much it is,
 * `content-digest` (RFC 9530, sha-256) what it must be. How much is stored then.
 */
async function takePiece(gateway: GatewayContext, request: BlobRequest, reply: FastifyReply): Promise<number> {
  const { database, blobs } = gateway;
  const blob = blobOf(request);
  const { device, account } = await holderOf(gateway, passOf(request));
  gateway.blobTransfers.beginOrThrow(account, reply.raw);
  const offset = wholeNumberOf(request.headers["upload-offset"]);
  const length = wholeNumberOf(request.headers["content-length"]);
  const sha256 = /^sha-256=:([A-Za-z0-9+/]{43}=):$/.exec(String(request.headers["content-digest"]))?.[1];
  const body = request.body as Readable | undefined;
  if (offset === undefined || length === undefined || sha256 === undefined || body === undefined)
    throw new FastChatError(ErrorCode.MALFORMED);
  if (length > limits.blobPieceBytes) throw new FastChatError(ErrorCode.TOO_LARGE);
  const upload = await findUpload(database, blob, device);
  if (upload === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  const { size, whole } = upload;
  if (whole) return size;
  const isLast = offset + length === size;
  if (offset + length > size || length === 0 || (!isLast && length !== limits.blobPieceBytes)) throw new FastChatError(ErrorCode.MALFORMED);
  const result = await blobs.append(blobId(blob), { offset, length, sha256: Buffer.from(sha256, "base64"), isLast }, body);
  // Dropped while the piece came: nothing would ever be sent behind it.
  if ((await findUpload(database, blob, device)) === undefined) {
    await blobs.remove(blobId(blob));
    throw new FastChatError(ErrorCode.NOT_FOUND);
  }
  switch (result.kind) {
    case "appended":
      if (result.uploaded === size) await finish(gateway, blob, size);
      return result.uploaded;
    case "wrong-offset":
      // The last piece was stored, and its answer lost.
      if (result.uploaded === size) await finish(gateway, blob, size);
      throw new FastChatError(ErrorCode.WRONG_PIECE, { detail: `The upload stands at ${result.uploaded}.` });
    case "wrong-digest":
    case "cut-short":
      throw new FastChatError(ErrorCode.WRONG_PIECE);
    case "full":
      gateway.log.event("warn", "file-failed", { outcome: "storage-full" });
      throw new FastChatError(ErrorCode.STORAGE_FULL);
    default:
      return result satisfies never;
  }
}

async function finish({ database, blobs }: GatewayContext, blob: Uint8Array, size: number): Promise<void> {
  if ((await blobs.complete(blobId(blob), size)) !== "complete") throw new FastChatError(ErrorCode.UNAVAILABLE);
  await noteWhole(database, blob);
}

/** A blob, or with `range: bytes=N-` or `bytes=N-M` (RFC 9110, 14.2) some of it: for whoever may read the entry that names it. */
async function giveBlob(gateway: GatewayContext, request: BlobRequest, reply: FastifyReply): Promise<FastifyReply> {
  const blob = blobOf(request);
  const { device, account } = await holderOf(gateway, passOf(request));
  gateway.blobTransfers.beginOrThrow(account, reply.raw);
  const found = await findBlob(gateway.database, blob);
  const log = found && (await findLogOf(gateway.database, found.conversation, account, device));
  if (log === undefined || found === undefined || found.sequence > log.upTo) throw new FastChatError(ErrorCode.NOT_FOUND);
  const range = rangeOf(request.headers.range, found.size);
  if (range === undefined) return reply.status(416).header("content-range", `bytes */${found.size}`).send();
  const bytes = await gateway.blobs.read(blobId(blob), range);
  if (bytes === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  const isPart = request.headers.range !== undefined;
  if (isPart) reply.status(206).header("content-range", `bytes ${range.start}-${range.end - 1}/${found.size}`);
  return reply
    .headers({ "content-type": "application/octet-stream", "content-length": range.end - range.start, "accept-ranges": "bytes" })
    .send(exactly(gateway, bytes, range.end - range.start));
}

/**
 * Fails where there are more or fewer than was said to follow. A bucket may give what it likes, and a disk may have lost something: what is too much would be taken for the
 * answer to the next request on that connection, and what is missing would be taken from it.
 */
function exactly({ log }: GatewayContext, bytes: Readable, length: number): Readable {
  let missing = length;
  const wrong = (): Error => {
    log.event("warn", "file-failed", { outcome: "wrong-length" });
    return new Error("The blob store gave more or less than it was asked for.");
  };
  const counted = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      missing -= chunk.length;
      if (missing < 0) done(wrong());
      else done(null, chunk);
    },
    flush: (done) => done(missing > 0 ? wrong() : null),
  });
  // An end on either side is the other's.
  pipeline(bytes, counted, () => undefined);
  return counted;
}

/** Undefined: it cannot be satisfied. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | undefined {
  if (header === undefined) return { start: 0, end: size };
  const [, from, to] = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(header) ?? [];
  if (from === undefined) return undefined;
  const start = Number(from);
  const end = to === undefined ? size : Math.min(size, Number(to) + 1);
  return start < end ? { start, end } : undefined;
}

function wholeNumberOf(header: string | string[] | undefined): number | undefined {
  return typeof header === "string" && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}
