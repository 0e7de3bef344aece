import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  clientMessageId,
  type ClientMessageId,
  type ConversationId,
  ErrorCode,
  errorRow,
  FastChatError,
  idBytes,
  limits,
} from "@fastchat/protocol";
import type { ConversationState } from "@fastchat/protocol/chain";
import { random, sealedFileSize, sealMessage, utf8 } from "@fastchat/protocol/seal";
import { type File, FileSchema, MessageContentSchema } from "@fastchat/protocol/wire/conversation";
import { backoff } from "./backoff.ts";
import { type Connection, ConnectionLost } from "./connection.ts";
import { type ConversationLinks, type LinkAuthor, SendingBlocked } from "./conversation-links.ts";
import type { Conversation } from "./conversation.ts";
import { mentionedIn } from "./mentions.ts";
import { stillStanding } from "./deletion.ts";
import type { OutboxItem, OutgoingDeletion } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { Lane } from "./lane.ts";
import { pause } from "./pause.ts";
import { keys, outboxKeyParts, prefixes, put, remove, schemas } from "./records.ts";
import { comeDown, done, emptyWindow, enqueue, land, putBack, type Queued, type SendWindow, takeOff } from "./send-window.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";

/** An acknowledged message whose entry does not come back within this time is looked for. */
const ENTRY_OVERDUE_MS = 2_000;

/** A message on its way, as it lies in the outbox. */
export interface Outgoing {
  readonly conversation: ConversationId;
  readonly id: ClientMessageId;
  readonly order: number;
  readonly key: string;
  item: OutboxItem;
  /** Sequence number that the server acknowledged. */
  sent: number | undefined;
}

export interface OutboxParts {
  readonly storage: Storage;
  readonly author: LinkAuthor;
  readonly links: ConversationLinks;
  readonly connection: Pick<Connection, "request" | "sessionNumber">;
  readonly isOnline: () => boolean;
  readonly conversationOf: (id: ConversationId) => Promise<Conversation>;
  readonly manifestReference: () => Uint8Array;
  /** Status or presence of these messages changed. */
  readonly onChanged: (conversation: ConversationId, outgoing: readonly Outgoing[]) => void;
  readonly onBlocked: (conversation: ConversationId) => void;
  /** It has files that are not on the server yet: it waits for `uploaded`. */
  readonly onFiles: (outgoing: Outgoing) => void;
  readonly onTakenBack: (conversation: ConversationId, ids: readonly ClientMessageId[]) => void;
  /** Their files are needed no more. */
  readonly onGone: (outgoing: readonly Outgoing[]) => void;
  readonly onUnexpected: (error: unknown) => void;
}

/** Texts for one conversation, in order. */
export interface Writing {
  readonly conversation: ConversationId;
  readonly texts: readonly string[];
  /** Seconds; 0: without an end. */
  readonly expiresAfter: number;
  /** With the first text. */
  readonly files?: readonly StagedFile[];
  /** What goes with the first text, which is empty. */
  readonly deletes?: readonly OutgoingDeletion[];
}

/** A file that lies sealed in the staging. */
export interface StagedFile {
  readonly file: File;
  readonly staged: string;
}

/** Throws FastChatError TOO_LARGE. */
export function checkText(text: string): void {
  if (utf8(text).length > limits.messageTextBytes) throw new FastChatError(ErrorCode.TOO_LARGE);
}

/**
 * Puts messages into a profile's outbox: durable when it resolves, all in one commit, in order. Any process of the profile may do so; the
 * holder of the lock notices and sends.
 */
export async function leaveInOutbox(storage: Storage, writings: readonly Writing[]): Promise<Outgoing[]> {
  const time = BigInt(Date.now());
  const left = writings.map(async ({ conversation, texts, expiresAfter, files = [], deletes = [] }) => {
    const [last] = await storage.range({ ...prefixRange(prefixes.outboxOf(conversation)), reverse: true, limit: 1 });
    const first = last === undefined ? 1 : outboxKeyParts(last.key).order + 1;
    return texts.map((given, place): Outgoing => {
      const text = given.toWellFormed();
      checkText(text);
      const id = clientMessageId(random(16));
      const item = create(schemas.outbox, {
        clientMessageId: idBytes(id),
        text,
        time,
        expiresAfter,
        files: place > 0 ? [] : files.map(({ file, staged }) => ({ file: toBinary(FileSchema, file), staged })),
        deletes: place > 0 ? [] : [...deletes],
      });
      const order = first + place;
      return { conversation, id, order, key: keys.outbox(conversation, order, id), item, sent: undefined };
    });
  });
  const outgoing = (await Promise.all(left)).flat();
  await storage.commit(outgoing.map(({ key, item }) => put(key, schemas.outbox, item)));
  return outgoing;
}

export async function readOutbox(storage: Storage, conversation?: ConversationId): Promise<Outgoing[]> {
  const prefix = conversation === undefined ? prefixes.outbox : prefixes.outboxOf(conversation);
  return (await storage.range(prefixRange(prefix))).map(({ key, value }) => outgoingOf(key, value));
}

/** One that lies in the outbox under this key. */
export function outgoingOf(key: string, value: Uint8Array): Outgoing {
  const { conversation, order, id } = outboxKeyParts(key);
  return { conversation, id, order, key, item: fromBinary(schemas.outbox, value), sent: undefined };
}

/** It lacks nothing to be sent. */
const isReady = ({ failed, files }: OutboxItem): boolean => failed === 0 && files.every(({ uploaded }) => uploaded);

/** It says something, and is shown while it waits. */
export const saysSomething = ({ item }: Outgoing): boolean => item.deletes.length === 0;

/** Its files are on their way. */
export const isUploading = ({ failed, files }: OutboxItem): boolean => failed === 0 && files.some(({ uploaded }) => !uploaded);

const notUploaded = (file: OutboxItem["files"][number]): typeof file => ({ ...file, uploaded: false });

/** What its files take on the server, bytes. */
export const sealedBytesOf = (item: OutboxItem): number => filesOf(item).reduce((sum, { size }) => sum + sealedFileSize(Number(size)), 0);

export const filesOf = ({ files }: OutboxItem): File[] => files.map(({ file }) => fromBinary(FileSchema, file));

/** The queue of one conversation. */
interface Queue {
  readonly conversation: ConversationId;
  readonly outgoing: Map<ClientMessageId, Outgoing>;
  window: SendWindow<ClientMessageId>;
  /** Why the first of those that were refused was refused. */
  refusal: FastChatError | undefined;
  refusals: number;
  driving: boolean;
  again: boolean;
  overdue: ReturnType<typeof setTimeout> | undefined;
  /** Acknowledged since the listener was told last. */
  acknowledged: Outgoing[];
}

/**
 * Sends what lies in the outbox; only the holder of the profile's lock has one.
 *
 * A message is durable before it is sent, keeps its id, counter and time through every attempt, and leaves the outbox in
 * the very commit that stores its entry from the log: killed anywhere between, it is sent again under the same id, which
 * the server knows. The acknowledgement itself only changes what is shown.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  readonly #queues = new Map<ConversationId, Queue>();
  readonly #enqueueing = new Lane();
  readonly #closing = new AbortController();
  readonly #driving = new Set<Promise<void>>();
  /** Who waits for a deletion. */
  readonly #deleting = new Map<ClientMessageId, PromiseWithResolvers<void>>();

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** Takes over what is stored and not known yet: at the start, and what processes beside left. */
  async load(): Promise<void> {
    await this.#enqueueing.run(async () => {
      const known = new Set(this.#queues.values().flatMap(({ outgoing }) => outgoing.keys()));
      const left = (await readOutbox(this.#parts.storage)).filter(({ id }) => !known.has(id));
      // What the server had once it may have given up by now, while nothing named it: it is asked again.
      for (const each of left) each.item = create(schemas.outbox, { ...each.item, files: each.item.files.map(notUploaded) });
      this.#take(left);
    });
  }

  async add(writings: readonly Writing[]): Promise<readonly ClientMessageId[]> {
    const outgoing = await this.#enqueueing.run(async () => {
      const left = await leaveInOutbox(this.#parts.storage, writings);
      this.#take(left);
      return left;
    });
    return outgoing.map(({ id }) => id);
  }

  /** Deletes own messages; resolves when that stands in the log. Throws FastChatError where the server refuses it for good: then it is not tried again. */
  async delete(conversation: ConversationId, deletes: readonly OutgoingDeletion[], expiresAfter: number): Promise<void> {
    const [id] = await this.add([{ conversation, texts: [""], expiresAfter, deletes }]);
    const deleting = Promise.withResolvers<void>();
    this.#deleting.set(id!, deleting);
    await deleting.promise;
  }

  /** Whether something of this conversation (undefined: of any) is neither on the server nor refused for good. */
  isWaiting(conversation?: ConversationId): boolean {
    const queues = conversation === undefined ? this.#queues.values() : [this.#queues.get(conversation)];
    for (const queue of queues) {
      if (queue === undefined) continue;
      if (queue.window.queue.length > 0 || queue.window.flying.length > 0) return true;
      if (queue.outgoing.values().some(({ item }) => isUploading(item))) return true;
    }
    return false;
  }

  /** What it holds of the staging. */
  staged(): string[] {
    return this.#queues
      .values()
      .flatMap(({ outgoing }) => outgoing.values().flatMap(({ item }) => item.files.map(({ staged }) => staged)))
      .toArray();
  }

  find(id: ClientMessageId): Outgoing | undefined {
    for (const { outgoing } of this.#queues.values()) {
      const found = outgoing.get(id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What deletes these messages, whose entries are about to be stored. */
  arrived(conversation: ConversationId, ids: readonly ClientMessageId[]): Change[] {
    const queue = this.#queues.get(conversation);
    return ids.flatMap((id) => {
      const outgoing = queue?.outgoing.get(id);
      return outgoing === undefined ? [] : [remove(outgoing.key)];
    });
  }

  /** They are stored. An entry may come before its acknowledgement; then it takes its place. */
  settled(conversation: ConversationId, ids: readonly ClientMessageId[]): void {
    const queue = this.#queues.get(conversation);
    if (queue === undefined) return;
    const gone = ids.flatMap((id) => queue.outgoing.get(id) ?? []);
    for (const id of ids) {
      queue.outgoing.delete(id);
      this.#deleting.get(id)?.resolve();
      this.#deleting.delete(id);
    }
    this.#parts.onGone(gone);
    queue.window = done(queue.window, ids);
    this.drive(conversation);
  }

  async retry(id: ClientMessageId): Promise<void> {
    const outgoing = this.find(id);
    if (outgoing === undefined || outgoing.item.failed === 0) return;
    outgoing.item = create(schemas.outbox, { ...outgoing.item, failed: 0 });
    await this.#parts.storage.commit([put(outgoing.key, schemas.outbox, outgoing.item)]);
    this.#ready([outgoing]);
    this.#parts.onChanged(outgoing.conversation, [outgoing]);
  }

  /** One of its files is on the server; with the last one it is sent. */
  async uploaded(id: ClientMessageId, place: number): Promise<void> {
    const outgoing = this.find(id);
    if (outgoing === undefined) return;
    const files = outgoing.item.files.map((file, index) => (index === place ? { ...file, uploaded: true } : file));
    await this.#change(outgoing, { files });
    // It may have been taken back meanwhile.
    if (this.find(id) !== outgoing) return;
    this.#parts.onChanged(outgoing.conversation, [outgoing]);
    if (isReady(outgoing.item)) this.#ready([outgoing]);
  }

  /** Progress of its files. */
  changed(id: ClientMessageId): void {
    const outgoing = this.find(id);
    if (outgoing !== undefined) this.#parts.onChanged(outgoing.conversation, [outgoing]);
  }

  /** Takes it back, unless it may be on the server already. False: it may be. */
  async cancel(id: ClientMessageId): Promise<boolean> {
    const outgoing = this.find(id);
    if (outgoing === undefined || (outgoing.item.failed === 0 && !isUploading(outgoing.item))) return false;
    // Nobody finds it from here on: what is stored of it last is that it is gone.
    const { outgoing: all } = this.#queueOf(outgoing.conversation);
    all.delete(id);
    try {
      await this.#parts.storage.commit([remove(outgoing.key)]);
    } catch (error) {
      all.set(id, outgoing);
      this.#ready([outgoing]);
      throw error;
    }
    this.#parts.onGone([outgoing]);
    this.#parts.onTakenBack(outgoing.conversation, [id]);
    return true;
  }

  /** Refused for good, before it was sent. */
  async fail(id: ClientMessageId, error: FastChatError): Promise<void> {
    const outgoing = this.find(id);
    if (outgoing !== undefined) await this.#fail(this.#queueOf(outgoing.conversation), [id], error);
  }

  /** In memory once it is stored: what could not be stored is done again. */
  async #change(outgoing: Outgoing, change: Pick<OutboxItem, "files">): Promise<void> {
    const item = create(schemas.outbox, { ...outgoing.item, ...change });
    await this.#parts.storage.commit([put(outgoing.key, schemas.outbox, item)]);
    outgoing.item = item;
  }

  /** What lacks its files is given to who brings them, the rest sent. */
  #ready(outgoing: readonly Outgoing[]): void {
    const byConversation = Map.groupBy(outgoing, ({ conversation }) => conversation);
    for (const [conversation, some] of byConversation) {
      const queue = this.#queueOf(conversation);
      queue.window = enqueue(
        queue.window,
        some.filter(({ item }) => isReady(item)).map(({ id, order }): Queued<ClientMessageId> => ({ id, order })),
      );
      for (const each of some) if (isUploading(each.item)) this.#parts.onFiles(each);
      this.drive(conversation);
    }
  }

  /** The socket is gone: what was in flight has an unknown outcome and is sent again under the same id. */
  connectionLost(): void {
    for (const queue of this.#queues.values()) queue.window = comeDown(queue.window);
  }

  driveAll(): void {
    for (const conversation of this.#queues.keys()) this.drive(conversation);
  }

  /** Sends what may be sent now; one at a time for each conversation. */
  drive(conversation: ConversationId): void {
    const queue = this.#queues.get(conversation);
    if (queue === undefined || this.#closing.signal.aborted) return;
    queue.again = true;
    if (queue.driving) return;
    queue.driving = true;
    const driving = this.#drive(queue)
      .catch(this.#parts.onUnexpected)
      .finally(() => this.#driving.delete(driving));
    this.#driving.add(driving);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const { overdue } of this.#queues.values()) clearTimeout(overdue);
    // What is left is sent when the profile is opened next.
    for (const { reject } of this.#deleting.values())
      reject(new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The client was closed." }));
    await Promise.all(this.#driving);
  }

  #queueOf(conversation: ConversationId): Queue {
    let queue = this.#queues.get(conversation);
    if (queue === undefined) {
      const window = emptyWindow<ClientMessageId>(limits.sendsInFlight);
      queue = {
        conversation,
        outgoing: new Map(),
        window,
        refusal: undefined,
        refusals: 0,
        driving: false,
        again: false,
        overdue: undefined,
        acknowledged: [],
      };
      this.#queues.set(conversation, queue);
    }
    return queue;
  }

  #take(outgoing: readonly Outgoing[]): void {
    const byConversation = Map.groupBy(outgoing, ({ conversation }) => conversation);
    for (const [conversation, some] of byConversation) {
      const queue = this.#queueOf(conversation);
      for (const each of some) queue.outgoing.set(each.id, each);
      this.#parts.onChanged(conversation, some);
    }
    this.#ready(outgoing);
  }

  async #drive(queue: Queue): Promise<void> {
    const { signal } = this.#closing;
    let failures = 0;
    for (;;) {
      if (!queue.again || signal.aborted) {
        // In the turn that saw that nobody asked: who asks a moment later finds the drive ended, and begins another.
        queue.driving = false;
        return;
      }
      queue.again = false;
      if (!this.#parts.isOnline() || queue.window.queue.length === 0) continue;
      // Refused: let all that flies come down first; each landing drives again.
      if (queue.window.held && queue.window.flying.length > 0) continue;
      try {
        if (queue.refusal !== undefined) await this.#mend(queue);
        await this.#send(queue);
        failures = 0;
      } catch (error) {
        if (error instanceof ConnectionLost) continue;
        if (error instanceof SendingBlocked) {
          this.#parts.onBlocked(queue.conversation);
          continue;
        }
        if (!(error instanceof FastChatError)) {
          queue.driving = false;
          throw error;
        }
        const { advice } = errorRow(error.code);
        if (advice === "stop" || advice === "sign-in" || advice === "reconnect") continue;
        if (advice === "tell") {
          await this.#fail(
            queue,
            queue.window.queue.map(({ id }) => id),
            error,
          );
          continue;
        }
        failures++;
        queue.again = true;
        await pause(backoff(failures, Math.random(), error.retryAfterMs), signal);
      }
    }
  }

  /** What was refused is refused no more, as far as this device can help it. */
  async #mend(queue: Queue): Promise<void> {
    const refusal = queue.refusal!;
    const { advice } = errorRow(refusal.code);
    if (advice === "refresh") {
      const conversation = await this.#parts.conversationOf(queue.conversation);
      await conversation.lookAgain();
    }
    queue.refusals++;
    // The first time a stale epoch is an everyday race; again and again it is not.
    if (advice !== "refresh" || queue.refusals > 2) {
      await pause(backoff(queue.refusals, Math.random(), refusal.retryAfterMs), this.#closing.signal);
    }
    queue.refusal = undefined;
  }

  async #send(queue: Queue): Promise<void> {
    const { author, links, connection } = this.#parts;
    const conversation = await this.#parts.conversationOf(queue.conversation);
    const { state, epoch, key } = await links.prepare(conversation);
    const session = connection.sessionNumber;
    const flight = takeOff(queue.window);
    if (flight.items.length === 0) return;
    queue.window = flight.window;
    queue.again = true;
    const outgoing = flight.items.flatMap(({ id }) => queue.outgoing.get(id) ?? []);
    let sealed;
    try {
      await this.#assignCounters(conversation, outgoing);
      const context = {
        conversation: conversation.id,
        account: author.account,
        device: author.device,
        epoch,
        openingLink: state.epochs[epoch - 1]!.openingLink,
      };
      const { witness } = conversation;
      const manifest = this.#parts.manifestReference();
      const said = await Promise.all(outgoing.map(({ item }) => this.#saidBy(conversation.id, item, state)));
      sealed = await Promise.all(
        outgoing.map(({ id, item }, place) => {
          const { time, counter, expiresAfter } = item;
          const { kind, ...named } = said[place]!;
          const content = create(MessageContentSchema, { time, counter, manifest, kind, expiresAfter });
          if (witness !== undefined) content.witness = witness;
          return sealMessage(key, context, { clientMessageId: id, ...named }, content, author.signingSeed);
        }),
      );
    } catch (error) {
      this.#bringBack(queue, flight);
      throw error;
    }
    // What was refused on the socket that they took off for may stand in the queue before them by now.
    if (connection.sessionNumber !== session) return this.#bringBack(queue, flight);
    for (const [place, each] of outgoing.entries()) {
      const send = { conversation: idBytes(conversation.id), message: sealed[place]!, resume: flight.resume && place === 0 };
      void connection.request({ case: "send", value: send }, "sent").then(
        ({ sequence }) => this.#acknowledged(queue, conversation, each, sequence),
        (error: unknown) => this.#refused(queue, each, error),
      );
    }
  }

  /** None of them left: they stand in the queue as before. */
  #bringBack(queue: Queue, { items, resume }: ReturnType<typeof takeOff<ClientMessageId>>): void {
    queue.window = putBack(queue.window, items, resume);
    const settled = items.map(({ id }) => id).filter((id) => !queue.outgoing.has(id));
    queue.window = done(queue.window, settled);
  }

  /** What a message says, and what of that its envelope names in the clear. */
  async #saidBy(id: ConversationId, item: OutboxItem, state: ConversationState) {
    if (item.deletes.length > 0) {
      const deleted = await stillStanding(this.#parts.storage, id, item.deletes);
      const messages = deleted.map(({ message }) => message);
      return { kind: { case: "deletion", value: { messages } }, withdraws: deleted.map(({ sequence }) => sequence) } as const;
    }
    const { text } = item;
    const files = filesOf(item);
    const kind = { case: "text", value: { text, mentions: mentionedIn(text, state), files } } as const;
    return { kind, blobs: files.map(({ blob }) => blob) };
  }

  /** [S2] A counter is given once, before the message is sealed for the first time, and kept. */
  async #assignCounters(conversation: Conversation, outgoing: readonly Outgoing[]): Promise<void> {
    const without = outgoing.filter(({ item }) => item.counter === 0);
    if (without.length === 0) return;
    let counter = conversation.record.counter;
    const counted = without.map(({ item }) => create(schemas.outbox, { ...item, counter: ++counter }));
    await conversation.update(
      (record) => {
        record.counter = Math.max(record.counter, counter);
      },
      counted.map((item, place) => put(without[place]!.key, schemas.outbox, item)),
    );
    for (const [place, each] of without.entries()) each.item = counted[place]!;
  }

  #acknowledged(queue: Queue, conversation: Conversation, outgoing: Outgoing, sequence: number): void {
    queue.window = land(queue.window, outgoing.id, "sent");
    queue.refusals = 0;
    if (queue.outgoing.has(outgoing.id)) {
      outgoing.sent = sequence;
      conversation.noteHead(sequence);
      this.#tellAcknowledged(queue, outgoing);
      this.#expectEntry(queue, conversation);
    }
    this.drive(queue.conversation);
  }

  /** The acknowledgements of one packet are told together. */
  #tellAcknowledged(queue: Queue, outgoing: Outgoing): void {
    queue.acknowledged.push(outgoing);
    if (queue.acknowledged.length > 1) return;
    setTimeout(() => {
      const told = queue.acknowledged.splice(0).filter(({ id }) => queue.outgoing.has(id));
      if (told.length > 0 && !this.#closing.signal.aborted) this.#parts.onChanged(queue.conversation, told);
    });
  }

  #refused(queue: Queue, outgoing: Outgoing, error: unknown): void {
    if (error instanceof FastChatError && queue.window.flying.some(({ id }) => id === outgoing.id)) {
      const { advice } = errorRow(error.code);
      if (error.code === ErrorCode.BLOB_MISSING) {
        this.#uploadAgain(queue, outgoing).catch(this.#parts.onUnexpected);
        return;
      }
      if (advice === "tell") {
        this.#fail(queue, [outgoing.id], error).catch(this.#parts.onUnexpected);
        return;
      }
      if (error.code !== ErrorCode.HELD) queue.refusal ??= error;
      queue.window = land(queue.window, outgoing.id, "refused");
    } else if (error instanceof ConnectionLost) {
      // It took off after `connectionLost` had been told, while it was sealed, and never left: the next socket sends it in its place.
      queue.window = comeDown(queue.window);
    }
    this.drive(queue.conversation);
  }

  /** The server gave up what no message named for a while, or lost it in a restore; what is staged is here still. */
  async #uploadAgain(queue: Queue, outgoing: Outgoing): Promise<void> {
    await this.#change(outgoing, { files: outgoing.item.files.map(notUploaded) });
    // It comes back to its place when they are there.
    queue.window = land(queue.window, outgoing.id, "refused-for-good");
    this.#ready([outgoing]);
  }

  async #fail(queue: Queue, ids: readonly ClientMessageId[], error: FastChatError): Promise<void> {
    const some = ids.flatMap((id) => queue.outgoing.get(id) ?? []);
    const failed = some.filter(saysSomething);
    // Of a deletion nobody sees that it failed but who waits for it.
    const dropped = some.filter((outgoing) => !saysSomething(outgoing));
    for (const outgoing of failed) outgoing.item = create(schemas.outbox, { ...outgoing.item, failed: error.code });
    await this.#parts.storage.commit([
      ...failed.map(({ key, item }) => put(key, schemas.outbox, item)),
      ...dropped.map(({ key }) => remove(key)),
    ]);
    for (const { id } of dropped) {
      queue.outgoing.delete(id);
      this.#deleting.get(id)?.reject(error);
      this.#deleting.delete(id);
    }
    const gone = new Set(ids);
    for (const id of ids) queue.window = land(queue.window, id, "refused-for-good");
    queue.window = { ...queue.window, queue: queue.window.queue.filter(({ id }) => !gone.has(id)) };
    this.#parts.onChanged(queue.conversation, failed);
    this.drive(queue.conversation);
  }

  /** The own entry comes back through the log; should it not, the gap is fetched. */
  #expectEntry(queue: Queue, conversation: Conversation): void {
    clearTimeout(queue.overdue);
    queue.overdue = setTimeout(() => {
      if (this.#closing.signal.aborted || !conversation.isBehind) return;
      conversation.catchUp().catch((error: unknown) => {
        if (!(error instanceof ConnectionLost || error instanceof FastChatError)) this.#parts.onUnexpected(error);
      });
    }, ENTRY_OVERDUE_MS);
  }
}
