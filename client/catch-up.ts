import { create } from "@bufbuild/protobuf";
import { accountId, conversationId, type ConversationId, idBytes, isHash, limits } from "@fastchat/protocol";
import { type Cursor, CursorSchema, type Head } from "@fastchat/protocol/wire/frames";
import type { ClientEvent } from "./api.ts";
import { breathe } from "./breathe.ts";
import type { Connection } from "./connection.ts";
import type { Conversation } from "./conversation.ts";
import type { Conversations } from "./conversations.ts";
import { pause } from "./pause.ts";
import type { Heard, Requests } from "./requests.ts";
import { believableTime } from "./server-words.ts";

/** Conversations that catch up at the same time. */
const AT_ONCE = 30;
/** How often a quiet connection is asked whether anything was missed. */
const LOOK_MS = 60_000;
/** Conversations between two pauses. */
const HEADS_AT_ONCE = 500;

export interface CatchUpParts {
  readonly conversations: Conversations;
  readonly requests: Requests;
  /** Who is a contact is known, as far as this connection can tell. */
  readonly contactsKnown: () => Promise<void>;
  readonly connection: Pick<Connection, "request">;
  readonly emit: (event: ClientEvent) => void;
  /** It is known which conversations are behind: sending in the others need not wait. */
  readonly onHeads: () => void;
  /** Somebody asks to be let into a group of which this account is an admin. */
  readonly onJoinRequests: (conversation: Conversation) => void;
  /** What there is when the first session begins is left where it is [H5]. */
  readonly leavesPast: boolean;
  readonly quietly: (work: Promise<unknown>) => void;
}

/** [D8] Fetches what the server had to say while this device was away; a session that is over fetches no more. */
export class CatchUp {
  readonly #parts: CatchUpParts;
  readonly #running = new Map<Conversation, Promise<void>>();
  #leavesPast: boolean;

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
    this.#leavesPast = parts.leavesPast;
  }

  async all(session: AbortSignal): Promise<void> {
    await this.#all(session);
    if (!session.aborted) this.#parts.emit({ kind: "caught-up" });
  }

  /** Should the last thing that the server had to say by itself be lost, nothing after it would show the gap. */
  async nowAndThen(session: AbortSignal): Promise<void> {
    for (;;) {
      await pause(LOOK_MS, session);
      if (session.aborted) return;
      await this.#all(session);
    }
  }

  /** One at a time for each conversation; whoever comes meanwhile waits for the same. */
  one(conversation: Conversation): Promise<void> {
    const running = this.#running.get(conversation);
    if (running !== undefined) return running;
    const catchingUp = conversation.catchUp().finally(() => this.#running.delete(conversation));
    this.#running.set(conversation, catchingUp);
    return catchingUp;
  }

  /** Fetches what is missing of several, a few at a time. */
  async several(behind: readonly Conversation[], session?: AbortSignal, onDone: () => void = () => undefined): Promise<void> {
    const next = behind[Symbol.iterator]();
    const work = async () => {
      for (const conversation of next) {
        if (session?.aborted === true) return;
        await this.one(conversation);
        onDone();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async #all(session: AbortSignal): Promise<void> {
    const { conversations, requests, connection, contactsKnown, onHeads, onJoinRequests } = this.#parts;
    // What arrives while the answer is under way makes no difference to what the server should have had.
    const had = new Map(conversations.all.map(({ id, record }) => [id, record.high]));
    const cursors: Cursor[] = [];
    for (const [id, sequence] of [...had, ...requests.heads].slice(0, limits.cursorsPerCatchUp)) {
      cursors.push(create(CursorSchema, { conversation: idBytes(id), sequence }));
      if (cursors.length % HEADS_AT_ONCE === 0) await breathe();
    }
    const { heads } = await connection.request({ case: "catchUp", value: { cursors } }, "heads");
    if (heads.some(({ conversation }) => conversations.get(conversationId(conversation)) === undefined)) await contactsKnown();
    const behind: Conversation[] = [];
    for (const [place, head] of heads.entries()) {
      if (place % HEADS_AT_ONCE === HEADS_AT_ONCE - 1) await breathe();
      const id = conversationId(head.conversation);
      if (conversations.get(id) === undefined && requests.defers(heard(id, head))) continue;
      const conversation = conversations.known(id);
      if (this.#leavesPast) conversation.leavePast();
      if (head.sequence < (had.get(conversation.id) ?? 0) && !(await conversation.beginAgain(head.sequence))) {
        this.#warnShorter(conversation);
        this.#parts.quietly(conversation.compareWithServer(head.sequence));
      }
      conversation.noteHead(head.sequence);
      if (conversation.isBehind) behind.push(conversation);
      if (head.joinRequests > 0) onJoinRequests(conversation);
    }
    this.#leavesPast = false;
    onHeads();
    await requests.save();
    await this.#counted(behind, session);
  }

  async #counted(behind: readonly Conversation[], session: AbortSignal): Promise<void> {
    const total = behind.length;
    let done = 0;
    const tell = () => this.#parts.emit({ kind: "catching-up", done, total });
    if (total > 0) tell();
    await this.several(behind, session, () => {
      done++;
      tell();
    });
  }

  /** [G5] The server has less than this device: held back, or restored from a backup. */
  #warnShorter({ id }: Conversation): void {
    this.#parts.emit({
      kind: "warning",
      warning: "incarnation",
      text: "The server has fewer messages than this device: it was restored from a backup, or it holds some back. What is here was kept.",
    });
    this.#parts.emit({ kind: "conversations", conversations: [id] });
  }
}

function heard(id: ConversationId, { by, sequence, time }: Head): Heard {
  return { id, by: isHash(by) ? [accountId(by)] : [], head: sequence, time: Number(believableTime(time)) };
}
