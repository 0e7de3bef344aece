import { create } from "@bufbuild/protobuf";
import { type ClientMessageId, type ConversationId, ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { type File, FileSchema } from "@fastchat/protocol/wire/conversation";
import type { FilePlace, Files, FileToSend, SendFilesOptions } from "../api-files.ts";
import { checkText, type StagedFile } from "../outbox.ts";
import type { Blobs } from "./blobs.ts";
import { fetchFile, type FileSink } from "./fetching.ts";
import { byHundredths, type FileSource, isSealedAs, type Progress, sealFile } from "./sealing.ts";
import type { Staging } from "./staging.ts";

export interface ClientFilesParts {
  readonly staging: Staging;
  /** Of all files of one message together; undefined: the staging has room for any. */
  readonly mostBytes: number | undefined;
  readonly blobs: Blobs;
  /** Before anything is sealed. Throws FastChatError where nothing can be written, or not this. */
  readonly check: (conversation: ConversationId, options: SendFilesOptions) => Promise<void>;
  readonly leave: (conversation: ConversationId, files: readonly StagedFile[], options: SendFilesOptions) => Promise<ClientMessageId>;
  readonly cancel: (message: ClientMessageId) => Promise<boolean>;
  readonly fileAt: (place: FilePlace) => Promise<File | undefined>;
}

/** The same for the holder of a profile and for who is beside it: sealing and fetching need nothing of the holder, which uploads. */
export class ClientFiles implements Files {
  readonly #parts: ClientFilesParts;

  constructor(parts: ClientFilesParts) {
    this.#parts = parts;
  }

  async send(conversation: ConversationId, files: readonly FileToSend[], options: SendFilesOptions = {}): Promise<ClientMessageId> {
    const { check, leave, mostBytes = Infinity, staging } = this.#parts;
    if (files.length === 0 || files.length > limits.filesPerMessage)
      throw new FastChatError(ErrorCode.TOO_LARGE, {
        sentence: `One message has up to ${limits.filesPerMessage} files: send the others with another one.`,
      });
    const tooLarge = files.find(({ source }) => source.size > limits.fileBytes);
    if (tooLarge !== undefined) throw new FastChatError(ErrorCode.FILE_TOO_LARGE);
    const total = files.reduce((sum, { source }) => sum + source.size, 0);
    if (total > mostBytes)
      throw new FastChatError(ErrorCode.FILE_TOO_LARGE, {
        sentence: `QuickChat holds what it sends in memory, up to ${mostBytes / 2 ** 20} MiB of files at once: send less, or from a device of yours.`,
      });
    checkText((options.text ?? "").toWellFormed());
    await check(conversation, options);
    const staged: StagedFile[] = [];
    try {
      const tell = byHundredths(options.onProgress);
      let before = 0;
      for (const file of files) {
        const sealed = await sealFile(staging, file.source, {
          ...(options.signal !== undefined && { signal: options.signal }),
          onProgress: (done) => tell(before + done, total),
        });
        before += sealed.size;
        staged.push({ staged: sealed.staged, file: described(file, sealed) });
      }
      return await leave(conversation, staged, options);
    } catch (error) {
      for (const each of staged) await staging.remove(each.staged);
      throw error;
    }
  }

  cancel(message: ClientMessageId): Promise<boolean> {
    return this.#parts.cancel(message);
  }

  async fetch(place: FilePlace, sink: FileSink, progress?: Progress): Promise<void> {
    const file = await this.#found(place).catch(async (error: unknown) => {
      await sink.close(true);
      throw error;
    });
    await fetchFile(this.#parts.blobs, { blob: file.blob, key: file.key, size: Number(file.size) }, sink, progress);
  }

  async isThere(place: FilePlace, source: FileSource, progress?: Progress): Promise<boolean> {
    const file = await this.#found(place);
    return isSealedAs({ blob: file.blob, key: file.key, size: Number(file.size) }, source, progress);
  }

  async #found(place: FilePlace): Promise<File> {
    const file = await this.#parts.fileAt(place);
    if (file === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
    return file;
  }
}

function described(
  { source, ...file }: FileToSend,
  { blob, key, size }: { readonly blob: Uint8Array; readonly key: Uint8Array; readonly size: number },
): File {
  return create(FileSchema, {
    blob,
    key,
    size: BigInt(size),
    name: source.name,
    mediaType: file.mediaType ?? "application/octet-stream",
    width: file.width ?? 0,
    height: file.height ?? 0,
    durationMs: Math.round(file.durationMs ?? 0),
    thumbnail: file.thumbnail ?? new Uint8Array(0),
    thumbhash: file.thumbhash ?? new Uint8Array(0),
  });
}
