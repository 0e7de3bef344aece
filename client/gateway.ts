import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type DeviceId, ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { ErrorSchema } from "@fastchat/protocol/wire/error";
import { toBase64, toBase64Url } from "./base64.ts";
import { FileDamaged } from "./files/sealing.ts";
import { believableWait } from "./server-words.ts";
import {
  AddDeviceSchema,
  BeginBlobSchema,
  BlobBegunSchema,
  BlobDroppedSchema,
  type BlobPass,
  BlobPassRequestSchema,
  BlobPassSchema,
  ChallengeRequestSchema,
  ChallengeSchema,
  DeviceAddedSchema,
  DropBlobSchema,
  type GatewayInfo,
  GatewayInfoSchema,
  OtherDevicesRequestSchema,
  OtherDevicesSchema,
  PasswordFinishedSchema,
  PasswordFinishSchema,
  PasswordStartedSchema,
  PasswordStartSchema,
  RecoveryFinishSchema,
  RecoveryStartedSchema,
  RecoveryStartSchema,
  SignInFinishedSchema,
  SignInFinishSchema,
  SignInStartedSchema,
  SignInStartSchema,
  SignUpFinishedSchema,
  SignUpFinishSchema,
  SignUpStartedSchema,
  SignUpStartSchema,
  type Ticket,
  TicketRequestSchema,
  TicketSchema,
} from "@fastchat/protocol/wire/gateway";
import { AccountPutBackSchema, PutBackAccountSchema } from "@fastchat/protocol/wire/frames";
import { signBlobPassRequest, signTicketRequest } from "@fastchat/protocol/seal";

const MEDIA_TYPE = "application/x-protobuf";
/** Most answers are shorter. */
const FIRST_BYTES = 16_384;

/** The gateway cannot be reached, or what answers is not FastChat. */
export class GatewayUnreachable extends Error {
  constructor(gateway: string, cause: unknown) {
    super(`No FastChat gateway answers at ${gateway}: check the address, or start one with "npm start".`, { cause });
    this.name = "GatewayUnreachable";
  }
}

/** A part of a blob on its way to the server. */
export interface Piece {
  readonly bytes: Blob;
  readonly sha256: Uint8Array;
}

/** HTTP with the gateway (gateway.proto). Every call throws FastChatError, or GatewayUnreachable when there is no answer. */
export class Gateway {
  readonly url: string;

  constructor(url: string) {
    this.url = url.replace(/\/+$/, "");
  }

  /** Also tells whether it is FastChat at all that answers there. */
  async info(signal?: AbortSignal): Promise<GatewayInfo> {
    const response = await this.#fetch("/v1/info", { method: "GET" }, signal);
    if (!response.ok) throw await this.#errorOf(response);
    const info = await this.#parse(GatewayInfoSchema, response);
    if (info.product !== "fastchat") throw new GatewayUnreachable(this.url, new Error("another product"));
    if (!info.versions.some((version) => limits.protocolVersions.includes(version as never))) {
      throw new FastChatError(ErrorCode.VERSION_TOO_OLD);
    }
    return info;
  }

  startSignUp = this.#call("/v1/sign-up/start", SignUpStartSchema, SignUpStartedSchema);
  finishSignUp = this.#call("/v1/sign-up/finish", SignUpFinishSchema, SignUpFinishedSchema);
  startSignIn = this.#call("/v1/sign-in/start", SignInStartSchema, SignInStartedSchema);
  finishSignIn = this.#call("/v1/sign-in/finish", SignInFinishSchema, SignInFinishedSchema);
  startRecovery = this.#call("/v1/recovery/start", RecoveryStartSchema, RecoveryStartedSchema);
  finishRecovery = this.#call("/v1/recovery/finish", RecoveryFinishSchema, SignInFinishedSchema);
  startPassword = this.#call("/v1/password/start", PasswordStartSchema, PasswordStartedSchema);
  finishPassword = this.#call("/v1/password/finish", PasswordFinishSchema, PasswordFinishedSchema);
  addDevice = this.#call("/v1/devices", AddDeviceSchema, DeviceAddedSchema);
  otherDevices = this.#call("/v1/devices/others", OtherDevicesRequestSchema, OtherDevicesSchema);
  putBackAccount = this.#call("/v1/accounts/put-back", PutBackAccountSchema, AccountPutBackSchema);
  beginBlob = this.#call("/v1/blobs/begin", BeginBlobSchema, BlobBegunSchema);
  dropBlob = this.#call("/v1/blobs/drop", DropBlobSchema, BlobDroppedSchema);
  #blobPass = this.#call("/v1/blobs/pass", BlobPassRequestSchema, BlobPassSchema);
  #challenge = this.#call("/v1/challenge", ChallengeRequestSchema, ChallengeSchema);
  #ticket = this.#call("/v1/ticket", TicketRequestSchema, TicketSchema);

  /** A one-time right to open a socket. @param avoid names of servers that just failed */
  async ticket(device: DeviceId, signingSeed: Uint8Array, avoid: readonly string[], signal?: AbortSignal): Promise<Ticket> {
    const { challenge } = await this.#challenge({ device: idBytes(device) }, signal);
    const signature = await signTicketRequest(signingSeed, device, challenge);
    return this.#ticket({ device: idBytes(device), challenge, signature, avoid: [...avoid] }, signal);
  }

  /** The right to store and fetch what this device may, for some minutes. */
  async blobPass(device: DeviceId, signingSeed: Uint8Array, signal?: AbortSignal): Promise<BlobPass> {
    const { challenge } = await this.#challenge({ device: idBytes(device) }, signal);
    const signature = await signBlobPassRequest(signingSeed, device, challenge);
    return this.#blobPass({ device: idBytes(device), challenge, signature }, signal);
  }

  /** One piece of an upload. @param blob hexadecimal @returns how much of the blob is stored then */
  async putPiece(
    { pass, blob, offset, piece }: { readonly pass: Uint8Array; readonly blob: string; readonly offset: number; readonly piece: Piece },
    signal?: AbortSignal,
  ): Promise<number> {
    const headers = {
      authorization: bearer(pass),
      "content-type": "application/offset+octet-stream",
      "content-digest": `sha-256=:${toBase64(piece.sha256)}:`,
      "upload-offset": String(offset),
    };
    const response = await this.#fetch(`/v1/blobs/${blob}`, { method: "PATCH", body: piece.bytes, headers }, signal, limits.blobPieceMs);
    if (!response.ok) throw await this.#errorOf(response);
    return offset + piece.bytes.size;
  }

  /**
   * The bytes of a blob from one place on, as they come; ends early where the connection does. Throws FileDamaged, too: the server has one of another size.
   *
   * @param blob hexadecimal
   * @param size of the whole blob, bytes
   */
  async *blobFrom(
    { pass, blob, offset, size }: { readonly pass: Uint8Array; readonly blob: string; readonly offset: number; readonly size: number },
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const stalled = new AbortController();
    const either = signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]);
    let timer = setTimeout(() => stalled.abort(), limits.requestMs);
    try {
      const headers = { authorization: bearer(pass), range: `bytes=${offset}-` };
      const response = await this.#fetch(`/v1/blobs/${blob}`, { method: "GET", headers }, either, limits.wholeBlobMs);
      if (response.status === 416) throw new FileDamaged();
      if (!response.ok) throw await this.#errorOf(response);
      if (response.status !== 206 || response.body === null) throw new GatewayUnreachable(this.url, new Error("no part of a blob"));
      const range = response.headers.get("content-range");
      if (range !== null && range !== `bytes ${offset}-${size - 1}/${size}`) throw new FileDamaged();
      const reader = response.body.getReader();
      try {
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          // A reader that takes its time is no connection that stalls.
          clearTimeout(timer);
          yield part.value;
          timer = setTimeout(() => stalled.abort(), limits.requestMs);
        }
      } finally {
        await reader.cancel().catch(() => undefined);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof FastChatError || error instanceof FileDamaged ? error : new GatewayUnreachable(this.url, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #call<Request extends DescMessage, Answer extends DescMessage>(path: string, request: Request, answer: Answer) {
    return async (body: MessageInitShape<Request>, signal?: AbortSignal): Promise<MessageShape<Answer>> => {
      const bytes = toBinary(request, create(request, body)) as Uint8Array<ArrayBuffer>;
      const response = await this.#fetch(path, { method: "POST", body: bytes, headers: { "content-type": MEDIA_TYPE } }, signal);
      if (!response.ok) throw await this.#errorOf(response);
      return this.#parse(answer, response);
    };
  }

  async #fetch(path: string, options: RequestInit, signal?: AbortSignal, withinMs: number = limits.requestMs): Promise<Response> {
    const timeout = AbortSignal.timeout(withinMs);
    try {
      const merged = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      return await fetch(this.url + path, { ...options, signal: merged, redirect: "error", credentials: "omit" });
    } catch (error) {
      signal?.throwIfAborted();
      throw new GatewayUnreachable(this.url, error);
    }
  }

  /** A page with an error is a proxy's, or another program's that has the port by now: it says nothing about what was asked. */
  async #errorOf(response: Response): Promise<FastChatError | GatewayUnreachable> {
    const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type !== MEDIA_TYPE) {
      await response.body?.cancel().catch(() => undefined);
      return new GatewayUnreachable(this.url, new Error(`answered with status ${response.status}, which is not FastChat's`));
    }
    const { code, detail, retryAfterMs } = await this.#parse(ErrorSchema, response);
    return new FastChatError(code, { detail, ...(retryAfterMs > 0 && { retryAfterMs: believableWait(retryAfterMs) }) });
  }

  async #parse<Schema extends DescMessage>(schema: Schema, response: Response): Promise<MessageShape<Schema>> {
    try {
      return fromBinary(schema, await bodyOf(response));
    } catch (error) {
      throw new GatewayUnreachable(this.url, error);
    }
  }
}

const bearer = (pass: Uint8Array): string => `Bearer ${toBase64Url(pass)}`;

/** Whoever answers cannot fill our memory. */
async function bodyOf(response: Response): Promise<Uint8Array> {
  let bytes = new Uint8Array(FIRST_BYTES);
  let length = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    const end = length + part.value.length;
    if (end > limits.gatewayAnswerBytes) {
      await reader?.cancel();
      throw new RangeError(`an answer of more than ${limits.gatewayAnswerBytes} bytes`);
    }
    if (end > bytes.length) {
      const longer = new Uint8Array(Math.max(end, 2 * bytes.length));
      longer.set(bytes.subarray(0, length));
      bytes = longer;
    }
    bytes.set(part.value, length);
    length = end;
  }
  return bytes.subarray(0, length);
}
