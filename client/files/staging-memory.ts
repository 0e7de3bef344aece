import { concat } from "@fastchat/protocol/seal";
import { pieceOf, type Staging } from "./staging.ts";

/** What a QuickChat session keeps of files [H5]: nothing outside this process. */
export function memoryStaging(): Staging {
  const files = new Map<string, { bytes: Uint8Array<ArrayBuffer>; modified: number }>();
  return {
    async write(name) {
      const pieces: Uint8Array[] = [];
      return {
        write: async (bytes) => void pieces.push(bytes.slice()),
        close: async () => void files.set(name, { bytes: new Uint8Array(concat(...pieces)), modified: Date.now() }),
        abort: async () => void pieces.splice(0),
      };
    },
    async part(name, start, end) {
      const file = files.get(name);
      if (file === undefined || end > file.bytes.length) throw new RangeError("no such staged file");
      return pieceOf(new Blob([file.bytes.subarray(start, end)]));
    },
    remove: async (name) => void files.delete(name),
    list: async () => [...files].map(([name, { modified }]) => ({ name, modified })),
  };
}
