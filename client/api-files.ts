import type { ClientMessageId, ConversationId, ErrorCode } from "@fastchat/protocol";
import type { FileSink } from "./files/fetching.ts";
import type { FileSource, Progress } from "./files/sealing.ts";
import type { FileClaims, JudgedClaims } from "./media/received.ts";

/** A file, and what is told of it besides its bytes. */
export interface FileToSend extends Omit<FileClaims, "name" | "mediaType"> {
  readonly source: FileSource;
  /** As "image/jpeg"; left out: not known. */
  readonly mediaType?: string;
}

/** A file of a message. All but the number of its bytes is what its sender says; the name can be shown and written into a folder. */
export interface ChatFile extends JudgedClaims {
  readonly bytes: number;
}

/** How far the files of a message came to the server. */
export interface UploadProgress {
  /** Bytes that it has. */
  readonly sent: number;
  /** Bytes of all of them, sealed. */
  readonly size: number;
  /** Why the server takes nothing for the time being, such as STORAGE_FULL: it is tried again by itself. */
  readonly held: ErrorCode | undefined;
}

export interface SendFilesOptions extends Progress {
  /** Caption. */
  readonly text?: string;
  /** As in SendOptions. */
  readonly expiresAfter?: number;
}

/** Where a file stands: in the message at this place of the log, the how many-th, from 0. */
export interface FilePlace {
  readonly conversation: ConversationId;
  readonly sequence: number;
  readonly place: number;
}

/** [S6] Pictures and files: sealed here, stored by the server as ciphertext, fetched when they are wanted. */
export interface Files {
  /**
   * One message with these files, at most `limits.filesPerMessage`. Resolves when all are sealed and stand in the outbox: from then on the files themselves are
   * not needed, and what ends in between is taken up again. Progress is that of sealing; that of the upload stands in the message.
   *
   * @throws FastChatError TOO_LARGE, FILE_TOO_LARGE; FileChanged; StorageFullError; what reading throws
   */
  send(conversation: ConversationId, files: readonly FileToSend[], options?: SendFilesOptions): Promise<ClientMessageId>;
  /** Takes back a message whose files are not all on the server, or that was refused. False: it is sent already. */
  cancel(message: ClientMessageId): Promise<boolean>;
  /**
   * Fetches a file into a sink, which may hold the beginning from an earlier time. Throws FastChatError NOT_FOUND when it is not there any more, FileDamaged,
   * GatewayUnreachable after some attempts, StorageFullError, or the signal's reason.
   */
  fetch(file: FilePlace, sink: FileSink, progress?: Progress): Promise<void>;
  /**
   * Whether these bytes are the file, the very same ones: nothing is fetched for that. Of another size they are not read. Throws FastChatError NOT_FOUND when
   * no message there has such a file, what reading throws, or the signal's reason.
   */
  isThere(file: FilePlace, source: FileSource, progress?: Progress): Promise<boolean>;
}
