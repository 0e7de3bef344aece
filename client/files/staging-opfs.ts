import { StorageFullError } from "../storage.ts";
import { pieceOf, type Staging, type StagingWriter } from "./staging.ts";

/** In the origin private file system (WHATWG File System), a folder for each profile; a writer's bytes are there once it is closed. */
export function opfsStaging(profile: string): Staging {
  const folder = async () => (await allProfiles()).getDirectoryHandle(encodeURIComponent(profile), { create: true });
  return {
    async write(name): Promise<StagingWriter> {
      const handle = await (await folder()).getFileHandle(name, { create: true });
      const writable = await handle.createWritable();
      return {
        write: (bytes) => writable.write(new Uint8Array(bytes)).catch(full),
        close: () => writable.close().catch(full),
        async abort() {
          await writable.abort().catch(() => undefined);
          await (await folder()).removeEntry(name).catch(() => undefined);
        },
      };
    },
    async part(name, start, end) {
      const file = await (await (await folder()).getFileHandle(name)).getFile();
      if (end > file.size) throw new RangeError("a staged file is shorter than it was");
      return pieceOf(file.slice(start, end));
    },
    remove: async (name) => (await folder()).removeEntry(name).catch(() => undefined),
    async list() {
      const found: { name: string; modified: number }[] = [];
      for await (const [name, handle] of (await folder()).entries())
        if (handle.kind === "file") found.push({ name, modified: (await (handle as FileSystemFileHandle).getFile()).lastModified });
      return found;
    },
  };
}

const allProfiles = async (): Promise<FileSystemDirectoryHandle> =>
  (await navigator.storage.getDirectory()).getDirectoryHandle("fastchat-outgoing", { create: true });

export async function eraseOpfsStaging(profile: string): Promise<void> {
  await (await allProfiles()).removeEntry(encodeURIComponent(profile), { recursive: true }).catch(() => undefined);
}

function full(error: unknown): never {
  throw error instanceof DOMException && error.name === "QuotaExceededError" ? new StorageFullError(error) : error;
}
