import { type ClientMessageId, type ConversationId, type DeviceId, ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { toHex } from "@fastchat/protocol/seal";
import { leavable } from "../pause.ts";
import type { Gateway, Piece } from "../gateway.ts";

/** A pass is renewed while it is good for so long, milliseconds. */
const RENEWED_BEFORE_MS = 30_000;

export interface BlobPlace {
  readonly conversation: ConversationId;
  readonly clientMessageId: ClientMessageId;
  readonly blob: Uint8Array;
  /** Of the blob, bytes. */
  readonly size: number;
}

/** What a device does with the blobs of its conversations. Every call throws FastChatError, or GatewayUnreachable. */
export class Blobs {
  readonly #gateway: Gateway;
  readonly #device: DeviceId;
  readonly #signingSeed: Uint8Array;
  #pass: Promise<{ readonly pass: Uint8Array; readonly until: number }> | undefined;

  constructor(gateway: Gateway, { device, signingSeed }: { readonly device: DeviceId; readonly signingSeed: Uint8Array }) {
    this.#gateway = gateway;
    this.#device = device;
    this.#signingSeed = signingSeed;
  }

  /** Announces an upload, or finds how far it came, and how much is to be sent at once. */
  async begin(
    { conversation, clientMessageId, blob, size }: BlobPlace,
    signal: AbortSignal,
  ): Promise<{ uploaded: number; pieceBytes: number }> {
    const body = { conversation: idBytes(conversation), clientMessageId: idBytes(clientMessageId), blob, size: BigInt(size) };
    const { uploaded, pieceBytes } = await this.#with(signal, (pass) => this.#gateway.beginBlob({ pass, ...body }, signal));
    const isUsual = Number(uploaded) <= size && pieceBytes > 0 && pieceBytes <= limits.largestBlobPieceBytes;
    if (!isUsual) throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The server's word on an upload cannot be." });
    return { uploaded: Number(uploaded), pieceBytes };
  }

  put(blob: Uint8Array, offset: number, piece: Piece, signal: AbortSignal): Promise<number> {
    return this.#with(signal, (pass) => this.#gateway.putPiece({ pass, blob: toHex(blob), offset, piece }, signal));
  }

  async drop(blob: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#with(signal, (pass) => this.#gateway.dropBlob({ pass, blob }, signal));
  }

  /** Bytes of a blob of so many from one place on, as far as the connection lasts. Throws FileDamaged where it has another size. */
  async *from(
    blob: Uint8Array,
    { offset, size }: { readonly offset: number; readonly size: number },
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for (let isSecond = false; ; isSecond = true) {
      try {
        yield* this.#gateway.blobFrom({ pass: await this.#renewed(signal), blob: toHex(blob), offset, size }, signal);
        return;
      } catch (error) {
        if (isSecond || !isOutdated(error)) throw error;
        this.#pass = undefined;
      }
    }
  }

  async #with<Result>(signal: AbortSignal, act: (pass: Uint8Array) => Promise<Result>): Promise<Result> {
    try {
      return await act(await this.#renewed(signal));
    } catch (error) {
      if (!isOutdated(error)) throw error;
      this.#pass = undefined;
      return act(await this.#renewed(signal));
    }
  }

  /** One pass for all that is under way, which who gives up does not wait for. */
  async #renewed(signal: AbortSignal): Promise<Uint8Array> {
    const given = await leavable(Promise.resolve(this.#pass?.catch(() => undefined)), signal);
    if (given !== undefined && Date.now() < given.until) return given.pass;
    const asked = Date.now();
    this.#pass = this.#gateway
      .blobPass(this.#device, this.#signingSeed)
      .then(({ pass, lifetimeMs }) => ({ pass, until: asked + lifetimeMs - RENEWED_BEFORE_MS }));
    return (await leavable(this.#pass, signal)).pass;
  }
}

/** The pass, or the challenge that it was to be given for. */
const outdated: ReadonlySet<ErrorCode> = new Set([ErrorCode.PASS_INVALID, ErrorCode.SIGN_IN_EXPIRED]);

const isOutdated = (error: unknown): boolean => error instanceof FastChatError && outdated.has(error.code);
