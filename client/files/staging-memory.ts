import { pieceOf, type Staging } from "./staging.ts";

/** What a QuickChat session keeps of files [H5]: nothing outside this process, and what is sealed once. */
export function memoryStaging(): Staging {
  const files = new Map<string, { bytes: Blob; modified: number }>();
  return {
    async write(name) {
      const pieces: Blob[] = [];
      return {
        write: async (bytes) => void pieces.push(new Blob([new Uint8Array(bytes)])),
        // A blob of blobs copies nothing.
        close: async () => void files.set(name, { bytes: new Blob(pieces), modified: Date.now() }),
        abort: async () => void pieces.splice(0),
      };
    },
    async part(name, start, end) {
      const file = files.get(name);
      if (file === undefined || end > file.bytes.size) throw new RangeError("no such staged file");
      return pieceOf(file.bytes.slice(start, end));
    },
    remove: async (name) => void files.delete(name),
    list: async () => [...files].map(([name, { modified }]) => ({ name, modified })),
  };
}
