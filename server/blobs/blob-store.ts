import type { Readable } from "node:stream";
import type { BlobId } from "@fastchat/protocol";

/** Where the blobs of an installation lie, as `BLOB_URL` says. */
export type BlobPlace =
  | { readonly kind: "folder"; readonly path: string }
  | {
      readonly kind: "bucket";
      readonly bucket: string;
      /** In front of every key: empty, or it ends in "/". */
      readonly prefix: string;
      /** Without bucket, which becomes the first part of the path. */
      readonly endpoint: string;
      readonly region: string;
      readonly credentials: BucketCredentials;
    };

export interface BucketCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken: string | undefined;
}

export interface Piece {
  /** Bytes before it; what `uploaded` says. */
  readonly offset: number;
  /** Bytes: `limits.blobPieceBytes`, or in the last piece fewer, at least 1. */
  readonly length: number;
  /** 32 bytes, of the piece. */
  readonly sha256: Uint8Array;
  readonly isLast: boolean;
}

export type Appended =
  | { readonly kind: "appended"; readonly uploaded: number }
  /** The upload is elsewhere: go on from `uploaded`. When that is the whole size, an answer was lost: complete it. */
  | { readonly kind: "wrong-offset"; readonly uploaded: number }
  /** Other bytes than promised, or more. */
  | { readonly kind: "wrong-digest" }
  /** The bytes ended or failed before `length` of them were there. */
  | { readonly kind: "cut-short" }
  /** The disk, its quota or the bucket is full. */
  | { readonly kind: "full" };

export interface StoredBlob {
  readonly id: BlobId;
  readonly bytes: number;
  readonly whole: boolean;
  /** Milliseconds since 1970 of the last change. */
  readonly modified: number;
}

/**
 * Keeps encrypted files. An upload is a row of pieces, all of `limits.blobPieceBytes` but the last, at most `limits.blobPieces`; several gateways may
 * use one place at the same time.
 *
 * An implementation
 * - MUST have a piece on disk before `append` resolves with `appended`, and MUST NOT leave anything that counts of one it refuses
 * - MUST leave a piece there whole or not at all when `append` rejects or the process is killed: `uploaded` tells
 * - MUST know an upload from what is stored alone: any gateway can go on after any other
 * - MUST NOT mix the pieces of two appends at one offset; who is later gets `wrong-offset`, or the same piece is stored again
 * - MUST stream: it holds about 1 MiB of a piece at most, and bounds every wait for somebody else's server
 * - MUST reject with an error for everything that is not among the results: no right to write, no network
 */
export interface BlobStore {
  /** Bytes of an upload that are durable, or of a whole blob; 0 when nothing is there. */
  uploaded(id: BlobId): Promise<number>;
  /** `bytes` is read once, to its end only where the piece is taken. Throws RangeError for a piece that can be none. */
  append(id: BlobId, piece: Piece, bytes: AsyncIterable<Uint8Array>): Promise<Appended>;
  /**
   * Makes an upload of exactly `size` bytes readable, in one step. Idempotent. `incomplete`: other bytes are there, or none. An upload whose first piece is the
   * last is whole by that, and may be read before.
   */
  complete(id: BlobId, size: number): Promise<"complete" | "incomplete">;
  /**
   * What a whole blob has of the range in bytes, `end` exclusive: it may be shorter or empty. Undefined: it is not there, or not whole. The stream fails when the blob is
   * removed meanwhile or cannot be read on, and never ends early. Who does not read it to its end destroys it.
   */
  read(id: BlobId, range: { readonly start: number; readonly end: number }): Promise<Readable | undefined>;
  /** Of a partial or whole blob, and of what a killed process left of it; nothing there is no error. */
  remove(id: BlobId): Promise<void>;
  /** All of them, for clean-up, in no order. What is removed or made meanwhile may come or not; an id can come twice, and never as partial when it is whole. */
  list(): AsyncIterable<StoredBlob>;
  /** At the start: whether all of this can be done. Throws ConfigError with a sentence that says what to do. A full disk passes: what is there can be read. */
  check(): Promise<void>;
}
