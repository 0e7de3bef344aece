import { type ClientMessageId, type ConversationId, ErrorCode, errorRow, FastChatError } from "@fastchat/protocol";
import { sealedFileSize } from "@fastchat/protocol/seal";
import { backoff } from "../backoff.ts";
import { ConnectionLost } from "../connection.ts";
import { type ConversationLinks, SendingBlocked } from "../conversation-links.ts";
import type { Conversation } from "../conversation.ts";
import { filesOf, type Outbox, type Outgoing, sealedBytesOf } from "../outbox.ts";
import { pause } from "../pause.ts";
import type { UploadProgress } from "../api-files.ts";
import type { BlobPlace, Blobs } from "./blobs.ts";
import { isPassing } from "./fetching.ts";
import type { Staging } from "./staging.ts";

/** How often progress is told, milliseconds. */
const TELL_EVERY_MS = 250;
/** Failures in a row of one message, after which those behind it have their turn before it is tried again. */
const FAILURES_IN_A_TURN = 3;
/** What lies in the staging without a message for so long was left by a process that was killed, milliseconds. */
const ABANDONED_MS = 86_400_000;

export interface UploadsParts {
  readonly blobs: Blobs;
  readonly staging: Staging;
  readonly outbox: Pick<Outbox, "find" | "uploaded" | "fail" | "changed">;
  readonly links: ConversationLinks;
  readonly conversationOf: (id: ConversationId) => Promise<Conversation>;
  readonly isOnline: () => boolean;
  readonly onBlocked: (conversation: ConversationId) => void;
  readonly onUnexpected: (error: unknown) => void;
}

/**
 * Brings the files of messages in the outbox to the server, message after message, piece after piece. What the server has is asked of it, so that a
 * connection that ends, and a process that is killed, are taken up where they were, and nothing is stored twice: a blob is known by its hash.
 */
export class Uploads {
  readonly #parts: UploadsParts;
  readonly #waiting = new Map<ClientMessageId, Outgoing>();
  readonly #progress = new Map<ClientMessageId, UploadProgress>();
  /** In a row, of messages that failed with what may pass. */
  readonly #failures = new Map<ClientMessageId, number>();
  readonly #closing = new AbortController();
  /** Of the message that is being uploaded. */
  #current: { readonly id: ClientMessageId; readonly ending: AbortController } | undefined;
  #driving: Promise<void> | undefined;
  /** Of the staging. */
  readonly #removing = new Set<Promise<unknown>>();
  #again = false;
  #told = 0;

  constructor(parts: UploadsParts) {
    this.#parts = parts;
  }

  progressOf(id: ClientMessageId): UploadProgress | undefined {
    return this.#progress.get(id);
  }

  among(messages: readonly ClientMessageId[]): readonly (UploadProgress & { readonly message: ClientMessageId })[] {
    return messages.flatMap((message) => {
      const progress = this.#progress.get(message);
      return progress === undefined ? [] : [{ message, ...progress }];
    });
  }

  add(outgoing: Outgoing): void {
    this.#waiting.set(outgoing.id, outgoing);
    this.#progress.set(outgoing.id, { sent: 0, size: sealedBytesOf(outgoing.item), held: undefined });
    this.drive();
  }

  /** They were sent, or taken back: what was staged goes, and with it an upload under way. */
  async gone(outgoing: readonly Outgoing[]): Promise<void> {
    const unsent = outgoing.filter(({ id, item }) => this.#waiting.delete(id) || item.failed > 0);
    for (const { id } of outgoing) {
      this.#progress.delete(id);
      this.#failures.delete(id);
      if (this.#current?.id === id) this.#current.ending.abort();
    }
    const removing = Promise.all(outgoing.flatMap(({ item }) => item.files.map(({ staged }) => this.#parts.staging.remove(staged))));
    this.#removing.add(removing);
    await removing.finally(() => this.#removing.delete(removing));
    // What the server has of them goes by itself after a while; most goes now.
    for (const { item } of unsent)
      for (const { blob } of filesOf(item)) await this.#parts.blobs.drop(blob, this.#closing.signal).catch(() => undefined);
  }

  /** Goes on, where something waits and there is a connection. */
  drive(): void {
    this.#again = true;
    if (this.#closing.signal.aborted) return;
    this.#driving ??= this.#drive()
      .catch(this.#parts.onUnexpected)
      .finally(() => {
        this.#driving = undefined;
        if (this.#again && this.#waiting.size > 0 && this.#parts.isOnline()) this.drive();
      });
  }

  /** Removes what killed processes left. @param named what the outbox holds */
  async cleanUp(named: ReadonlySet<string>): Promise<void> {
    for (const { name, modified } of await this.#parts.staging.list())
      if (!named.has(name) && modified < Date.now() - ABANDONED_MS) await this.#parts.staging.remove(name);
  }

  /** A network that is gone takes the gateway along, and says nothing: a piece under way would be waited for in vain. */
  connectionLost(): void {
    this.#failures.clear();
    this.#current?.ending.abort();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#current?.ending.abort();
    await Promise.allSettled([this.#driving, ...this.#removing]);
  }

  async #drive(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      for (const outgoing of this.#waiting.values()) {
        if (this.#closing.signal.aborted || !this.#parts.isOnline()) return;
        await this.#message(outgoing);
      }
    }
  }

  async #message(outgoing: Outgoing): Promise<void> {
    const { id, conversation } = outgoing;
    const ending = new AbortController();
    this.#current = { id, ending };
    const signal = AbortSignal.any([this.#closing.signal, ending.signal]);
    try {
      for (;;) {
        const before = this.#progress.get(id)?.sent ?? 0;
        try {
          await this.#files(id, signal);
          this.#waiting.delete(id);
          this.#failures.delete(id);
          return;
        } catch (error) {
          if (signal.aborted) return;
          if (error instanceof ConnectionLost) return;
          if (error instanceof SendingBlocked) return this.#parts.onBlocked(conversation);
          if (!isPassing(error) && !isRefreshed(error)) {
            // What is no answer of the server's, as a full disk here, leaves it waiting: it is tried again with everything else.
            if (!(error instanceof FastChatError)) throw error;
            // The session is over, or begins anew, and with it this.
            if (errorRow(error.code).advice !== "tell") return;
            this.#waiting.delete(id);
            this.#progress.delete(id);
            this.#failures.delete(id);
            await this.#parts.outbox.fail(id, error);
            return;
          }
          const failures = (this.#progress.get(id)?.sent ?? 0) > before ? 1 : (this.#failures.get(id) ?? 0) + 1;
          this.#failures.set(id, failures);
          this.#tellHeld(id, error instanceof FastChatError && !isRefreshed(error) ? error.code : undefined);
          await pause(backoff(failures, Math.random(), error instanceof FastChatError ? error.retryAfterMs : 0), signal);
          if (signal.aborted || !this.#parts.isOnline()) return;
          // The reason may be its own: it goes behind the others, and `#drive` comes to it again after them.
          if (failures >= FAILURES_IN_A_TURN && error instanceof FastChatError) {
            this.#waiting.delete(id);
            this.#waiting.set(id, outgoing);
            return;
          }
        }
      }
    } finally {
      this.#current = undefined;
    }
  }

  async #files(id: ClientMessageId, signal: AbortSignal): Promise<void> {
    const { outbox, links, conversationOf } = this.#parts;
    const outgoing = outbox.find(id);
    if (outgoing === undefined) return;
    // Who is no member, or waits for somebody's identity to be accepted, uploads nothing; a conversation that is new is made.
    await links.prepare(await conversationOf(outgoing.conversation));
    let before = 0;
    for (const [index, file] of filesOf(outgoing.item).entries()) {
      const size = sealedFileSize(Number(file.size));
      const { staged, uploaded } = outgoing.item.files[index]!;
      if (!uploaded) {
        const place = { conversation: outgoing.conversation, clientMessageId: id, blob: file.blob, size };
        await this.#file(place, staged, { before, signal });
        await outbox.uploaded(id, index);
      }
      before += size;
    }
  }

  async #file(
    place: BlobPlace,
    staged: string,
    { before, signal }: { readonly before: number; readonly signal: AbortSignal },
  ): Promise<void> {
    for (let isSecond = false; ; isSecond = true) {
      const begun = await this.#parts.blobs.begin(place, signal);
      try {
        await this.#pieces(place, staged, begun, { before, signal });
        break;
      } catch (error) {
        // It knows no such upload, as a server does that was restored meanwhile.
        if (isSecond || !(error instanceof FastChatError) || error.code !== ErrorCode.NOT_FOUND) throw error;
      }
    }
    this.#tell(place.clientMessageId, before + place.size);
  }

  async #pieces(
    place: BlobPlace,
    staged: string,
    begun: { readonly uploaded: number; readonly pieceBytes: number },
    { before, signal }: { readonly before: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { blobs, staging } = this.#parts;
    const { blob, size } = place;
    let { uploaded } = begun;
    while (uploaded < size) {
      this.#tell(place.clientMessageId, before + uploaded);
      signal.throwIfAborted();
      const piece = await staging.part(staged, uploaded, Math.min(size, uploaded + begun.pieceBytes)).catch((error: unknown) => {
        throw new FastChatError(ErrorCode.STAGED_FILE_LOST, { cause: error });
      });
      uploaded = await blobs.put(blob, uploaded, piece, signal);
    }
  }

  #tell(id: ClientMessageId, sent: number): void {
    const progress = this.#progress.get(id);
    if (progress === undefined) return;
    this.#progress.set(id, { ...progress, sent, held: undefined });
    const now = performance.now();
    if (now - this.#told < TELL_EVERY_MS) return;
    this.#told = now;
    this.#parts.outbox.changed(id);
  }

  #tellHeld(id: ClientMessageId, held: ErrorCode | undefined): void {
    const progress = this.#progress.get(id);
    if (progress === undefined || progress.held === held) return;
    this.#progress.set(id, { ...progress, held });
    this.#parts.outbox.changed(id);
  }
}

/** It is done anew on top of what is there now. */
const isRefreshed = (error: unknown): boolean => error instanceof FastChatError && errorRow(error.code).advice === "refresh";
