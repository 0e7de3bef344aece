import { createHash } from "node:crypto";
import { limits } from "@fastchat/protocol";
import type { Piece } from "./blob-store.ts";

/** Who sent a piece did not send what was promised. */
export class PieceRefused extends Error {
  override readonly name = "PieceRefused";
  readonly kind: "wrong-digest" | "cut-short";

  constructor(kind: PieceRefused["kind"], options?: ErrorOptions) {
    super(`The piece is refused: ${kind}.`, options);
    this.kind = kind;
  }
}

/** Throws RangeError for a piece that no upload can have. */
export function checkForm({ offset, length, sha256, isLast }: Piece): void {
  const { blobPieceBytes, blobPieces } = limits;
  if (sha256.length !== 32) throw new RangeError("The digest of a piece has 32 bytes.");
  if (!Number.isSafeInteger(length) || length < 1 || length > blobPieceBytes)
    throw new RangeError("The length of a piece is out of range.");
  if (length !== blobPieceBytes && !isLast) throw new RangeError("Only the last piece may be shorter than the others.");
  if (!Number.isSafeInteger(offset) || offset < 0 || offset >= blobPieceBytes * blobPieces)
    throw new RangeError("The offset is out of range.");
}

/**
 * Passes a piece on as it comes. Its last bytes follow only when all of it is known to be right: a receiver that waits for `length` of them never has a wrong
 * piece whole. Throws PieceRefused.
 */
export async function* checkedPiece({ length, sha256 }: Piece, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const hash = createHash("sha256");
  let count = 0;
  let held: Uint8Array | undefined;
  try {
    for await (const chunk of bytes) {
      if (chunk.length === 0) continue;
      count += chunk.length;
      if (count > length) throw new PieceRefused("wrong-digest");
      hash.update(chunk);
      if (held !== undefined) yield held;
      held = chunk;
    }
  } catch (error) {
    throw error instanceof PieceRefused ? error : new PieceRefused("cut-short", { cause: error });
  }
  if (count < length) throw new PieceRefused("cut-short");
  if (!hash.digest().equals(sha256)) throw new PieceRefused("wrong-digest");
  if (held !== undefined) yield held;
}
