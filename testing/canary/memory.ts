import { constants } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import type { Hit, Searcher } from "./search.ts";

const PIECE_BYTES = 16 * 1_048_576;
/** Of x86-64, and of arm64 as Node is built for it. */
const PAGE_BYTES = 4_096;

export interface MemorySearch {
  readonly hits: readonly Hit[];
  readonly bytes: number;
}

/**
 * Searches the readable memory of a process through /proc (Linux; needs the right to trace it: own children, or root).
 * Memory that several processes share is read once for the whole `seen`, which the caller keeps over a run; so are mapped files.
 */
export async function searchMemory(pid: number, name: string, searcher: Searcher, seen: Set<string>): Promise<MemorySearch> {
  const hits: Hit[] = [];
  let bytes = 0;
  const place = `memory of ${pid} (${name})`;
  const maps = await readFile(`/proc/${pid}/maps`, "utf8");
  await using memory = await open(`/proc/${pid}/mem`, constants.O_RDONLY);
  await using pagemap = await open(`/proc/${pid}/pagemap`, constants.O_RDONLY);
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES + searcher.longest);
  for (const line of maps.split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) (\S+) (\S+) (\d+) *(.*)$/.exec(line);
    if (match === null) continue;
    const [, from = "", to = "", rights = "", offset = "", device = "", inode = "", path = ""] = match;
    if (!rights.startsWith("r") || path === "[vvar]" || path === "[vvar_vclock]" || path === "[vsyscall]") continue;
    // Program text and other file pages nobody can write hold nothing of ours; they are large.
    if (inode !== "0" && !rights.includes("w") && path.startsWith("/") && !path.startsWith("/dev/")) continue;
    if (rights.endsWith("s")) {
      const shared = `${device}:${inode}:${offset}`;
      if (seen.has(shared)) continue;
      seen.add(shared);
    }
    const overlap = searcher.longest - 1;
    for (const run of await residentRuns(pagemap, Number.parseInt(from, 16), Number.parseInt(to, 16))) {
      for (let at = run.from; at < run.to; at += PIECE_BYTES) {
        const length = Math.min(PIECE_BYTES + overlap, run.to - at);
        let filled = 0;
        try {
          while (filled < length) {
            const { bytesRead } = await memory.read(piece, filled, length - filled, at + filled);
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
        } catch (error) {
          // Mappings that went away meanwhile.
          if (!["EIO", "EFAULT", "ENOMEM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
        }
        hits.push(...searcher.inBytes(piece.subarray(0, filled), place, at));
        bytes += filled;
      }
    }
  }
  return { hits, bytes };
}

/**
 * The parts of a mapping that hold something, in memory or swapped out: bits 63 and 62 of an entry of 8 bytes for each page (Linux,
 * Documentation/admin-guide/mm/pagemap.rst). All others would read as zeros, and are most of what a JavaScript engine maps.
 */
async function residentRuns(pagemap: FileHandle, from: number, to: number): Promise<{ from: number; to: number }[]> {
  const pages = (to - from) / PAGE_BYTES;
  const entries = Buffer.alloc(pages * 8);
  const { bytesRead } = await pagemap.read(entries, 0, entries.length, (from / PAGE_BYTES) * 8);
  const runs: { from: number; to: number }[] = [];
  for (let page = 0; page < bytesRead / 8; page++) {
    if ((entries[page * 8 + 7]! & 0xc0) === 0) continue;
    const start = from + page * PAGE_BYTES;
    const last = runs.at(-1);
    if (last?.to === start) last.to += PAGE_BYTES;
    else runs.push({ from: start, to: start + PAGE_BYTES });
  }
  return runs;
}

/** The process and all its descendants, from /proc. */
export async function processTree(pid: number): Promise<number[]> {
  const found = [pid];
  for (let index = 0; index < found.length; index++) {
    const parent = found[index]!;
    const children = await readFile(`/proc/${parent}/task/${parent}/children`, "utf8").catch(() => "");
    found.push(...children.split(" ").filter(Boolean).map(Number));
  }
  return found;
}

/** What a process is called in /proc, for reports: "node", "postgres: walwriter". */
export async function processName(pid: number): Promise<string> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.split("\0")[0]?.trim().split("/").at(-1) ?? "";
}
