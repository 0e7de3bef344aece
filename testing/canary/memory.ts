import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import type { Hit, Searcher } from "./search.ts";

const PIECE_BYTES = 16 * 1_048_576;

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
    const start = Number.parseInt(from, 16);
    const end = Number.parseInt(to, 16);
    const overlap = searcher.longest - 1;
    for (let at = start; at < end; at += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES + overlap, end - at);
      const piece = Buffer.alloc(length);
      let filled = 0;
      try {
        while (filled < length) {
          const { bytesRead } = await memory.read(piece, filled, length - filled, at + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
      } catch (error) {
        // Pages that are reserved but not there, and mappings that went away meanwhile.
        if (!["EIO", "EFAULT", "ENOMEM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
      }
      hits.push(...searcher.inBytes(piece.subarray(0, filled), place, at));
      bytes += filled;
    }
  }
  return { hits, bytes };
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
