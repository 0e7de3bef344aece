import type { ChatItem, ChatMessage, Client, ConversationSummary } from "@fastchat/client";
import type { Output } from "../output.ts";
import { openSignedIn, refuseEnded } from "../place.ts";
import { watchReader } from "../watch-reader.ts";
import { isBlocked, remarkBlocked } from "./blocked.ts";
import { markRead } from "./catch-up.ts";
import { command } from "./command.ts";
import { conversationWith } from "./destination.ts";
import { endsGently } from "./interrupts.ts";
import { itemsAfter } from "./pages.ts";
import { deletedLine, deletedObject, itemLine, itemObject, safeNameOf } from "./shapes.ts";
import { watchRequests } from "./waiting-requests.ts";
import { showWarnings } from "./warnings.ts";
import { endedWords } from "./words.ts";

type Id = ConversationSummary["id"];

const AGAIN_MS = 2_000;

export const tail = command({
  name: "tail",
  description: "Show unread messages, then new ones as they come",
  args: {
    to: { type: "positional", required: false, description: "From whom only, or of which group" },
    own: { type: "boolean", description: "Also what you write yourself, here or on another device" },
    peek: { type: "boolean", description: "Do not mark them as read" },
  },
  async run({ config, output, place }, args) {
    // Until it follows, the process ends at once.
    using last = new DisposableStack();
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await using _warnings = await showWarnings(client, output);
    const conversation = args.to === undefined ? undefined : await conversationWith(client, args.to, 10_000);
    if (conversation !== undefined) remarkBlocked(output, conversation);
    const only = conversation?.id;
    const shows = (item: ChatItem): boolean => item.kind === "message" && (!item.mine || args.own === true);
    using waiting = new DisposableStack();
    if (only === undefined) waiting.use(await watchRequests(client, output));
    await follow(client, output, { only, shows, marks: args.peek !== true, ending: last.use(endsGently()).signal });
  },
});

interface Follow {
  /** Undefined: all but those of strangers. */
  readonly only: Id | undefined;
  readonly shows: (item: ChatItem) => boolean;
  readonly marks: boolean;
  /** Somebody wants it to end: what is printed is marked as read first. */
  readonly ending: AbortSignal;
}

/** What was there before what is here cannot be had now: nothing is left out, so it is waited for. */
class Missing extends Error {}

const isMissing = (): never => {
  throw new Missing();
};

/**
 * Prints what is behind each conversation's cursor, which begins at what is read, and again whenever something arrives. Events only say
 * that there is more: what is printed is what is stored, in order, each once. Ends with the reader, with the session, or when it is told to.
 */
async function follow(client: Client, output: Output, { only, shows, marks, ending }: Follow): Promise<void> {
  const cursors = new Map<Id, number>();
  const dirty = new Set<Id>();
  const listed = new Set<Id>();
  let isOut = false;
  let wake = Promise.withResolvers<void>();
  let done = false;
  const stop = (): void => {
    done = true;
    wake.resolve();
  };
  output.closed.addEventListener("abort", stop);
  ending.addEventListener("abort", stop);
  let isReaderGone = false;
  using _reader = watchReader(() => {
    isReaderGone = true;
    stop();
  });
  const waiting = new Set<Id>();
  let again: NodeJS.Timeout | undefined;
  const lookAgain = (): void => {
    again = undefined;
    for (const id of waiting) dirty.add(id);
    waiting.clear();
    wake.resolve();
  };
  /** Deleted since they were printed, and those of which that was said. */
  const deleted: ChatMessage[] = [];
  const told = new Set<ChatMessage["id"]>();
  const noteDeleted = (item: ChatItem): void => {
    if (item.kind !== "message" || !item.deleted || !shows(item) || told.has(item.id)) return;
    if (item.sequence === undefined || item.sequence > (cursors.get(item.conversation) ?? 0)) return;
    told.add(item.id);
    deleted.push(item);
  };
  const unsubscribe = client.subscribe((event) => {
    if (event.kind === "items") {
      event.items.forEach(noteDeleted);
      dirty.add(event.conversation);
    } else if (event.kind === "conversations") for (const id of event.conversations) dirty.add(id);
    else if (event.kind === "connection" && event.connection.kind === "ended") return stop();
    else return;
    wake.resolve();
  });
  try {
    if (only !== undefined) dirty.add(only);
    else for (const { id } of await client.conversations()) dirty.add(id);
    while (!done) {
      for (const id of dirty) {
        dirty.delete(id);
        if (only !== undefined && id !== only) continue;
        await printBehind(id).catch((error: unknown) => {
          if (!(error instanceof Missing)) throw error;
          waiting.add(id);
          again ??= setTimeout(lookAgain, AGAIN_MS);
        });
        if (done) break;
      }
      for (const message of deleted.splice(0)) await printDeleted(message);
      if (dirty.size === 0 && !done) await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  } finally {
    unsubscribe();
    clearTimeout(again);
  }
  refuseEnded(client);

  async function printBehind(id: Id): Promise<void> {
    const conversation = await client.conversation(id);
    if (conversation === undefined || (only === undefined && (await isQuiet(conversation)))) return;
    let cursor = cursors.get(id) ?? conversation.readUpTo;
    for await (const page of itemsAfter(client, id, cursor, isMissing)) {
      for (const item of page) {
        if (shows(item)) await output.print(itemObject(item, conversation), itemLine(item, conversation));
        if (output.closed.aborted || isReaderGone) return;
        cursor = item.sequence!;
        if (ending.aborted) break;
      }
      // Who waits to be accepted is told nothing.
      if (marks && !conversation.request) await markRead(client, id, cursor);
      cursors.set(id, cursor);
      if (ending.aborted) return;
    }
    cursors.set(id, Math.max(cursor, (await client.conversation(id))?.head ?? 0));
    if (only !== undefined) sayWhetherOut(conversation);
  }

  async function printDeleted({ conversation: id, ...message }: ChatMessage): Promise<void> {
    const conversation = await client.conversation(id);
    if (conversation !== undefined) await output.print(deletedObject(message, conversation), deletedLine(message, conversation));
  }

  /** Those of strangers, and of people who are blocked, are shown only to who asks for them. */
  async function isQuiet(conversation: ConversationSummary): Promise<boolean> {
    if (conversation.request || isBlocked(conversation)) return true;
    if (!listed.has(conversation.id)) for (const { id } of await client.conversations()) listed.add(id);
    return !listed.has(conversation.id);
  }

  /** Who follows one group would wait in vain. */
  function sayWhetherOut(conversation: ConversationSummary): void {
    const ended = conversation.kind === "group" ? conversation.group.ended : undefined;
    if (ended !== undefined && !isOut) output.remark(endedWords(ended, safeNameOf(conversation)));
    isOut = ended !== undefined;
  }
}
