import type { ConversationId } from "@fastchat/protocol";
import type { WeakPassword } from "./api.ts";

// What programs see of an export: everything of the account in one archive, a ZIP file, as `export-account.ts` says.

/** How the archive is locked. */
export type ExportLock =
  /** age with a passphrase (age-encryption.org/v1, scrypt), which is judged as passwords are. */
  | { readonly kind: "passphrase"; readonly passphrase: string }
  /** age for whoever has the key to it: `age1…`. */
  | { readonly kind: "recipient"; readonly recipient: string }
  /** Not at all: whoever gets hold of the archive can read it. */
  | { readonly kind: "plain" };

export interface ExportOptions {
  readonly lock: ExportLock;
  /** Default: all. Contacts, devices and lists belong to each export. */
  readonly conversations?: readonly ConversationId[];
  /** False: messages without the files that they came with. */
  readonly files?: boolean;
  readonly onProgress?: (progress: ExportProgress) => void;
}

/** Steps of the work: what is fetched, written, and written once more for the viewer. */
export interface ExportProgress {
  readonly done: number;
  readonly total: number;
  /** Of the files: bytes that were fetched, or that cannot be. None in all until it is known which files there are. */
  readonly fileBytes: { readonly done: number; readonly total: number };
}

/**
 * Why a file is not in an archive: the server does not have it any more, what the server has is not what was sent, the server did not give it (it does not answer, or
 * refuses), it waits to be sent, or no files were wanted.
 */
export type FileMissing = "gone" | "damaged" | "not-given" | "not-sent" | "left-out";

/** A file that could not be had, and the message that it is of. */
export interface MissingFile {
  readonly conversation: ConversationId;
  readonly title: string;
  /** Null while the message waits to be sent. */
  readonly sequence: number | null;
  readonly from: string;
  readonly name: string;
  readonly bytes: number;
  readonly missing: Exclude<FileMissing, "left-out">;
}

/** What came into the archive, and what did not. */
export interface ExportSummary {
  readonly conversations: number;
  readonly messages: number;
  /** Messages that are there and could not be opened. */
  readonly unreadable: number;
  /** Messages that were left out: who wrote them set that they disappear [H4]. */
  readonly disappearing: number;
  /** In the archive. */
  readonly files: number;
  readonly fileBytes: number;
  /** Files that could not be had, and the first thousand of them; all are named, with the reason, in the messages that they are of. */
  readonly filesNotFetched: number;
  readonly missingFiles: readonly MissingFile[];
  /** Files that were not wanted. */
  readonly filesLeftOut: number;
  /** Entries of logs that this device does not have and the server did not give. */
  readonly notFetched: number;
  /** Conversations of strangers that were never read. */
  readonly requestsNotRead: number;
  /** The devices could not be asked for. */
  readonly withoutDevices: boolean;
}

export type ExportResult =
  | {
      readonly kind: "archive";
      /** To be read to its end, or cancelled; it is made as fast as it is read. */
      readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
      /** Settles when the stream has ended, or failed. */
      readonly summary: Promise<ExportSummary>;
    }
  /** `recipient` is none. */
  | { readonly kind: "no-recipient" }
  | WeakPassword;
