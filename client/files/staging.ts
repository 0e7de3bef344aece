import { runningSha256 } from "@fastchat/protocol/seal";
import type { Piece } from "../gateway.ts";

/**
 * Where a profile keeps sealed files on their way to the server. Names are our own.
 *
 * An implementation MUST: keep a file that was closed through a crash; keep nothing of one that was not; let other processes of the profile
 * read what was closed; reject with StorageFullError where there is no room.
 */
export interface Staging {
  /** A new file. */
  write(name: string): Promise<StagingWriter>;
  /** From `start` up to `end`, which are inside it; its bytes are read once more as they are sent. Rejects where it is gone or shorter. */
  part(name: string, start: number, end: number): Promise<Piece>;
  /** One that is not there is removed already. */
  remove(name: string): Promise<void>;
  /** All that were closed, with when, milliseconds since 1970; it may name what a killed process had not closed. */
  list(): Promise<readonly { readonly name: string; readonly modified: number }[]>;
}

export interface StagingWriter {
  write(bytes: Uint8Array): Promise<void>;
  /** Durable when it resolves. */
  close(): Promise<void>;
  /** Leaves nothing. */
  abort(): Promise<void>;
}

export async function pieceOf(bytes: Blob): Promise<Piece> {
  const hash = runningSha256();
  for await (const some of bytes.stream()) hash.update(some);
  return { bytes, sha256: hash.digest() };
}
