import { type AccountId, FastChatError } from "@fastchat/protocol";
import { AccountForked } from "./accounts.ts";
import type { ClientEvent } from "./api.ts";
import { ConnectionLost } from "./connection.ts";
import { SendingBlocked } from "./conversation-links.ts";
import { pause } from "./pause.ts";
import { StorageFullError } from "./storage.ts";

const STORAGE_RETRY_MS = 5_000;

export interface TroubleParts {
  readonly emit: (event: ClientEvent) => void;
  readonly closing: AbortSignal;
  /** False: there is no session. */
  readonly endSession: (error: unknown) => boolean;
  /** A full disk may have room again. */
  readonly onRetry: () => void;
  readonly onUnexpected: (error: unknown) => void;
}

/** What becomes of errors that nobody waits for. */
export class Trouble {
  readonly #parts: TroubleParts;
  readonly #forked = new Set<AccountId>();
  #full = false;

  constructor(parts: TroubleParts) {
    this.#parts = parts;
  }

  /**
   * Work that follows from what the server said. What no rule foresees there ends the session, not the program: it may be the
   * server's doing, and another one, or the same one later, may do better.
   */
  readonly quietly = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => {
      if (isForeseen(error) || !this.#parts.endSession(error)) this.tell(error);
    });
  };

  /** Of work that nobody waits for: what the connection spoils is done again with the next one. */
  readonly tell = (error: unknown): void => {
    if (error instanceof AccountForked) this.tellFork(error);
    else if (error instanceof StorageFullError) this.#tellFull(error);
    else if (!isForeseen(error) && !this.#parts.closing.aborted) this.#parts.onUnexpected(error);
  };

  /** Told once for each account: it shows with every answer of the server. */
  readonly tellFork = (error: AccountForked): void => {
    if (this.#forked.has(error.account)) return;
    this.#forked.add(error.account);
    this.#parts.emit({ kind: "warning", warning: "account-fork", text: error.message });
  };

  /** What could not be stored is still on the server or in memory: it is tried again until there is room. */
  #tellFull(error: StorageFullError): void {
    const { emit, closing, onRetry } = this.#parts;
    if (this.#full || closing.aborted) return;
    this.#full = true;
    emit({ kind: "warning", warning: "storage", text: error.message });
    void pause(STORAGE_RETRY_MS, closing).then(() => {
      this.#full = false;
      onRetry();
    });
  }
}

const isForeseen = (error: unknown): boolean =>
  [AccountForked, ConnectionLost, FastChatError, SendingBlocked, StorageFullError].some((kind) => error instanceof kind);
