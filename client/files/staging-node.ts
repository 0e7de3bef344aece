import { openAsBlob } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { runningSha256 } from "@fastchat/protocol/seal";
import { needingRoom, writeAll } from "./disk-node.ts";
import type { Staging, StagingWriter } from "./staging.ts";

/** Of one that is being written. */
const UNFINISHED = ".part";

/** In the folder of a profile, which is its user's alone (0700). */
export function nodeStaging(profileFolder: string): Staging {
  const folder = join(profileFolder, "outgoing");
  const pathOf = (name: string) => join(folder, name);
  return {
    async write(name): Promise<StagingWriter> {
      const unfinished = pathOf(name + UNFINISHED);
      const file = await needingRoom(async () => {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        return open(unfinished, "wx", 0o600);
      });
      const abort = async () => {
        await file.close().catch(() => undefined);
        await rm(unfinished, { force: true });
      };
      return {
        write: (bytes) => writeAll(file, bytes),
        close: () =>
          needingRoom(async () => {
            await file.sync();
            await file.close();
            await rename(unfinished, pathOf(name));
          }),
        abort,
      };
    },
    async part(name, start, end) {
      const file = await openAsBlob(pathOf(name));
      if (end > file.size) throw new RangeError("a staged file is shorter than it was");
      const hash = runningSha256();
      for await (const some of bytesOf(pathOf(name), start, end)) hash.update(some);
      return { bytes: file.slice(start, end), sha256: hash.digest() };
    },
    remove: (name) => rm(pathOf(name), { force: true }),
    async list() {
      const names = await readdir(folder).catch(() => []);
      const all = names.map(async (name) => {
        const stats = await stat(pathOf(name)).catch(() => undefined);
        return stats === undefined ? [] : [{ name, modified: stats.mtimeMs }];
      });
      return (await Promise.all(all)).flat();
    },
  };
}

const READ_BYTES = 1_048_576;

/** All in one buffer, which is filled again and again. */
export async function* bytesOf(path: string, start = 0, end = Infinity): AsyncGenerator<Uint8Array> {
  await using file = await open(path, "r");
  const buffer = new Uint8Array(READ_BYTES);
  for (let at = start; at < end;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(READ_BYTES, end - at), at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
