import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Pattern } from "./encodings.ts";

export interface Hit {
  readonly canary: string;
  readonly encoding: string;
  /** Where: a path, "memory of 4711 (chat-1)", "frame to server". */
  readonly place: string;
  readonly offset: number;
}

const BLOCK = 2;
const CHUNK_BYTES = 8 * 1_048_576;

/**
 * Searches for many patterns at once (Wu and Manber 1994): looks at every (shortest pattern − 1)th pair of bytes and jumps on where no
 * pattern has that pair, so that a gigabyte with sixty patterns takes a second.
 */
export class Searcher {
  readonly #patterns: readonly Pattern[];
  readonly #window: number;
  readonly #shift = new Uint16Array(65_536);
  readonly #endingIn = new Map<number, Pattern[]>();
  readonly longest: number;

  /** @throws RangeError when there is no pattern, or one has fewer than four bytes. */
  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
    this.#window = Math.min(...patterns.map(({ bytes }) => bytes.length));
    this.longest = Math.max(...patterns.map(({ bytes }) => bytes.length));
    if (!(this.#window >= 4 && Number.isFinite(this.#window))) throw new RangeError("patterns of four bytes or more are needed");
    this.#shift.fill(this.#window - BLOCK + 1);
    for (const pattern of this.#patterns) {
      for (let index = 0; index + BLOCK <= this.#window; index++) {
        const block = pattern.bytes.readUInt16LE(index);
        this.#shift[block] = Math.min(this.#shift[block]!, this.#window - BLOCK - index);
      }
      const last = pattern.bytes.readUInt16LE(this.#window - BLOCK);
      const others = this.#endingIn.get(last);
      if (others === undefined) this.#endingIn.set(last, [pattern]);
      else others.push(pattern);
    }
  }

  inBytes(bytes: Uint8Array, place: string, base = 0): Hit[] {
    const hits: Hit[] = [];
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const shift = this.#shift;
    let end = this.#window;
    while (end <= buffer.length) {
      const block = buffer[end - 2]! | (buffer[end - 1]! << 8);
      const step = shift[block]!;
      if (step > 0) {
        end += step;
        continue;
      }
      const start = end - this.#window;
      for (const { canary, encoding, bytes: wanted } of this.#endingIn.get(block) ?? []) {
        if (start + wanted.length <= buffer.length && buffer.compare(wanted, 0, wanted.length, start, start + wanted.length) === 0) {
          hits.push({ canary, encoding, place, offset: base + start });
        }
      }
      end += 1;
    }
    return hits;
  }

  /** Reads in pieces that overlap by the longest pattern, so that none is missed at a border. */
  async inFile(path: string, place = path): Promise<Hit[]> {
    const hits: Hit[] = [];
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const piece = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(size, 4_096)));
    for (let offset = 0, kept = 0; ;) {
      const { bytesRead } = await file.read(piece, kept, piece.length - kept, offset + kept);
      if (bytesRead === 0) return hits;
      const filled = kept + bytesRead;
      hits.push(...this.inBytes(piece.subarray(0, filled), place, offset).filter((hit) => !hits.some((known) => same(known, hit))));
      kept = Math.min(this.longest - 1, filled);
      piece.copy(piece, 0, filled - kept, filled);
      offset += filled - kept;
    }
  }

  /** Every file under the folder; files that vanish while it searches are passed over. */
  async inFolder(folder: string): Promise<{ readonly hits: Hit[]; readonly files: number; readonly bytes: number }> {
    const hits: Hit[] = [];
    let files = 0;
    let bytes = 0;
    for (const item of await readdir(folder, { withFileTypes: true, recursive: true })) {
      if (!item.isFile()) continue;
      const path = join(item.parentPath, item.name);
      try {
        hits.push(...(await this.inFile(path)));
        await using file = await open(path, "r");
        bytes += (await file.stat()).size;
        files += 1;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    return { hits, files, bytes };
  }
}

function same(one: Hit, other: Hit): boolean {
  return one.offset === other.offset && one.canary === other.canary && one.encoding === other.encoding;
}
