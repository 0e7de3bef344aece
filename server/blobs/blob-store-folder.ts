import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, open, opendir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { type BlobId, limits } from "@fastchat/protocol";
import { ConfigError } from "../config.ts";
import type { Appended, BlobStore, Piece, StoredBlob } from "./blob-store.ts";
import { checkedPiece, checkForm, PieceRefused } from "./piece.ts";

const { blobPieceBytes } = limits;
const READ_BYTES = 262_144;
/** What is in the shards, beside whole blobs: uploads, and what is being removed. */
const entryName = /^([0-9a-f]{64})(\.part|\.gone)?$/;

/**
 * A blob is a folder of pieces, `ab/abcdef…/00000`, in shards by the first two digits of its id; while it is uploaded, `ab/abcdef….part`.
 *
 * A piece is written under a random name, synced, and only then linked to its own: whatever is killed when, a piece is there whole or not at all, and nothing
 * has to be cut off. A link never replaces anything, so of two processes that append at one offset one wins; no lock is needed between gateways. Renaming
 * the folder makes the blob whole in one step. Renaming it to `….gone` unmakes it in one step before its pieces go one by one, so that a
 * removal that is killed leaves neither a shortened blob nor pieces that a later upload would take for its own.
 */
export class FolderBlobStore implements BlobStore {
  readonly #root: string;

  constructor(path: string) {
    this.#root = path;
  }

  async uploaded(id: BlobId): Promise<number> {
    // In this order: an upload that becomes whole in between is seen.
    const part = await pieces(this.#part(id));
    return (await pieces(this.#whole(id))) ?? part ?? 0;
  }

  async append(id: BlobId, piece: Piece, bytes: AsyncIterable<Uint8Array>): Promise<Appended> {
    checkForm(piece);
    const uploaded = await this.uploaded(id);
    // After a short piece, the last, nothing follows.
    if (piece.offset !== uploaded || uploaded % blobPieceBytes !== 0 || (await exists(this.#whole(id))))
      return { kind: "wrong-offset", uploaded };
    const part = this.#part(id);
    const partial = join(part, `${randomBytes(8).toString("hex")}.new`);
    try {
      await this.#make(part);
      try {
        await write(partial, checkedPiece(piece, bytes));
        await link(partial, join(part, pieceName(piece.offset)));
      } finally {
        await rm(partial, { force: true });
      }
      await syncFolder(part);
      if (piece.isLast && piece.offset === 0) await this.complete(id, piece.length);
      return { kind: "appended", uploaded: piece.offset + piece.length };
    } catch (error) {
      if (error instanceof PieceRefused) return { kind: error.kind };
      if (isFull(error)) return { kind: "full" };
      // Another append was faster, or the upload was completed or removed meanwhile.
      if (codeOf(error) === "EEXIST" || codeOf(error) === "ENOENT") return { kind: "wrong-offset", uploaded: await this.uploaded(id) };
      throw error;
    }
  }

  async complete(id: BlobId, size: number): Promise<"complete" | "incomplete"> {
    const part = this.#part(id);
    const whole = this.#whole(id);
    if ((await pieces(whole)) === undefined && (await pieces(part)) === size && size > 0) {
      // What killed processes left.
      const unfinished = (await namesIn(part))?.filter((name) => name.endsWith(".new")) ?? [];
      await Promise.all(unfinished.map((name) => rm(join(part, name), { force: true })));
      try {
        await rename(part, whole);
      } catch (error) {
        // Somebody else completed or removed it.
        if (!["ENOENT", "ENOTEMPTY", "EEXIST"].includes(codeOf(error) ?? "")) throw error;
      }
    }
    if ((await pieces(whole)) !== size) return "incomplete";
    // Also where another made it whole: it may be killed before it comes to this.
    await syncFolder(dirname(whole));
    return "complete";
  }

  async read(id: BlobId, { start, end }: { readonly start: number; readonly end: number }): Promise<Readable | undefined> {
    const whole = this.#whole(id);
    const size = await pieces(whole);
    if (size === undefined) return undefined;
    return Readable.from(chunks(whole, start, Math.min(end, size)), { objectMode: false, highWaterMark: READ_BYTES });
  }

  async remove(id: BlobId): Promise<void> {
    const gone = join(dirname(this.#whole(id)), `${id}.gone`);
    let some = await removeFolder(gone);
    for (const folder of [this.#whole(id), this.#part(id)]) {
      try {
        await rename(folder, gone);
      } catch (error) {
        if (codeOf(error) === "ENOENT") continue;
        throw error;
      }
      some = true;
      await removeFolder(gone);
    }
    if (some) await syncFolder(dirname(gone));
  }

  async *list(): AsyncGenerator<StoredBlob, void> {
    for (const shard of (await namesIn(this.#root)) ?? []) {
      if (!/^[0-9a-f]{2}$/.test(shard)) continue;
      for await (const { name } of await opendir(join(this.#root, shard))) {
        const match = entryName.exec(name);
        if (match === null) continue;
        const id = match[1] as BlobId;
        const whole = match[2] === undefined;
        if (!whole && (await exists(this.#whole(id)))) continue;
        const path = join(this.#root, shard, name);
        const [bytes, status] = await Promise.all([pieces(path), stat(path).catch(absent)]);
        if (bytes !== undefined && status !== undefined) yield { id, bytes, whole, modified: status.mtimeMs };
      }
    }
  }

  async check(): Promise<void> {
    try {
      await mkdir(this.#root, { recursive: true, mode: 0o700 });
      const probe = join(this.#root, `check-${randomBytes(8).toString("hex")}`);
      try {
        await (await open(probe, "wx", 0o600)).close();
        await link(probe, `${probe}-link`);
      } finally {
        await Promise.all([rm(probe, { force: true }), rm(`${probe}-link`, { force: true })]);
      }
    } catch (error) {
      if (isFull(error)) return;
      throw new ConfigError(
        `Files cannot be stored in ${this.#root} (${(error as Error).message}): give the user who runs FastChat the right to write there, or name another place in BLOB_URL.`,
        { cause: error },
      );
    }
  }

  #whole(id: BlobId): string {
    return join(this.#root, id.slice(0, 2), id);
  }

  #part(id: BlobId): string {
    return `${this.#whole(id)}.part`;
  }

  /** A folder in a shard, so that it survives a power cut. */
  async #make(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
  }
}

/** Five digits, so that a listing is in order. */
const pieceName = (offset: number): string => String(Math.floor(offset / blobPieceBytes)).padStart(5, "0");

/** Bytes of the pieces in a folder that follow each other from the first; undefined where there is no folder. */
async function pieces(folder: string): Promise<number | undefined> {
  const names = await namesIn(folder);
  if (names === undefined) return undefined;
  const there = new Set(names);
  let count = 0;
  while (there.has(pieceName(count * blobPieceBytes))) count += 1;
  if (count === 0) return 0;
  const last = (count - 1) * blobPieceBytes;
  const status = await stat(join(folder, pieceName(last))).catch(absent);
  return status === undefined ? undefined : last + status.size;
}

async function* chunks(folder: string, start: number, end: number): AsyncGenerator<Uint8Array, void> {
  for (let at = start; at < end;) {
    const within = at % blobPieceBytes;
    const length = Math.min(blobPieceBytes - within, end - at);
    const piece = createReadStream(join(folder, pieceName(at)), { start: within, end: within + length - 1, highWaterMark: READ_BYTES });
    let count = 0;
    for await (const chunk of piece as AsyncIterable<Uint8Array>) {
      count += chunk.length;
      yield chunk;
    }
    if (count !== length) throw new Error("A piece of a blob is shorter than it was.");
    at += length;
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
const isFull = (error: unknown): boolean => ["ENOSPC", "EDQUOT", "EFBIG"].includes(codeOf(error) ?? "");

/** For `catch`: undefined where there is no such file. */
function absent(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}

const namesIn = (folder: string): Promise<string[] | undefined> => readdir(folder).catch(absent);
const exists = async (path: string): Promise<boolean> => (await stat(path).catch(absent)) !== undefined;

async function removeFolder(folder: string): Promise<boolean> {
  if (!(await exists(folder))) return false;
  await rm(folder, { recursive: true, force: true });
  return true;
}

async function write(path: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(bytes);
  await file.sync();
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await folder.sync();
}
