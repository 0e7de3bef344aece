import { ErrorCode, FastChatError } from "@fastchat/protocol";
import type { FileMissing } from "./api-export.ts";
import type { ChatFile, FilePlace } from "./api-files.ts";
import type { ChatItem } from "./api.ts";
import type { Whereabouts } from "./export-shapes.ts";
import type { ExportSource } from "./export-source.ts";
import type { ArchiveWriter } from "./export-zip.ts";
import { isPassing } from "./files/fetching.ts";
import { FileDamaged } from "./files/sealing.ts";
import { GatewayUnreachable } from "./gateway.ts";

/** A file that belongs into an archive. */
export interface WantedFile extends Pick<ChatFile, "name" | "bytes" | "mediaType"> {
  readonly at: FilePlace;
}

/** Those of messages that are on the server; what waits to be sent has none there. */
export const wantedFiles = (items: readonly ChatItem[]): WantedFile[] =>
  items.flatMap((item) => {
    const { conversation, sequence } = item;
    if (item.kind !== "message" || sequence === undefined) return [];
    return item.files.map(({ name, bytes, mediaType }, place) => ({ name, bytes, mediaType, at: { conversation, sequence, place } }));
  });

/** Where a file lies in an archive. Its name is one part of a path (`safeFileName`); the numbers keep those of one name apart. */
export const pathInArchive = ({ conversation, sequence, place }: FilePlace, name: string): string =>
  `files/${conversation}/${sequence}-${place}-${name}`;

/** Writes files into an archive, and knows which came to be there. */
export class ExportedFiles {
  readonly #source: ExportSource;
  readonly #areWanted: boolean;
  readonly #onBytes: (bytes: number) => void;
  /** By path; undefined: it is there. */
  readonly #known = new Map<string, FileMissing | undefined>();
  /** Of those that are there. */
  readonly #unnamed = new Set<string>();
  #isServerThere = true;

  /** @param onBytes told of bytes that are done, whether they were had or not */
  constructor(source: ExportSource, areWanted: boolean, onBytes: (bytes: number) => void) {
    this.#source = source;
    this.#areWanted = areWanted;
    this.#onBytes = onBytes;
  }

  /** For the message that names it. @param at undefined: it waits to be sent */
  whereabouts(at: FilePlace | undefined, name: string): Whereabouts {
    if (!this.#areWanted) return { file: null, missing: "left-out" };
    if (at === undefined) return { file: null, missing: "not-sent" };
    const path = pathInArchive(at, name);
    const missing = this.#known.has(path) ? this.#known.get(path) : "not-given";
    if (missing !== undefined) return { file: null, missing };
    this.#unnamed.delete(path);
    return { file: path, missing: null };
  }

  /** One that cannot be had is left out. Throws what becomes of the archive, or of this device's storage. */
  async write(archive: ArchiveWriter, { at, name, bytes, mediaType }: WantedFile): Promise<void> {
    let told = 0;
    const tell = (done: number): void => {
      this.#onBytes(done - told);
      told = done;
    };
    const path = pathInArchive(at, name);
    try {
      // Each file takes its own attempts: with a server that is away, all of them would take hours.
      if (this.#isServerThere) {
        const inArchive = { name: path, bytes, compress: mediaType.startsWith("text/") };
        await archive.file(inArchive, (sink, signal) => this.#source.fetchFile(at, sink, { signal, onProgress: tell }));
        this.#known.set(path, undefined);
        this.#unnamed.add(path);
      }
    } catch (error) {
      const isOfFile = error instanceof FileDamaged || error instanceof FastChatError || error instanceof GatewayUnreachable;
      if (!isOfFile) throw error;
      this.#known.set(path, whyMissing(error));
      this.#isServerThere = !isPassing(error);
    }
    tell(bytes);
  }

  /** [H4] Those that no message names: theirs disappeared while they came. */
  forgetUnnamed(archive: ArchiveWriter): void {
    for (const path of this.#unnamed) {
      archive.forget(path);
      this.#known.delete(path);
    }
    this.#unnamed.clear();
  }
}

function whyMissing(error: FileDamaged | FastChatError | GatewayUnreachable): FileMissing {
  if (error instanceof FileDamaged) return "damaged";
  return error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND ? "gone" : "not-given";
}
