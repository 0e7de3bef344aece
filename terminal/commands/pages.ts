import type { ChatItem, Client, ConversationSummary } from "@fastchat/client";
import { exitCodes, Failure } from "../failure.ts";

const PAGE = 200;
/** Of few messages there may be many notices behind, which are not asked for one by one. */
const SMALLEST_PAGE = 20;

/** Older items are not here, and the server cannot be asked for them, or does not give them. */
export const notFetched = (): Failure =>
  new Failure(
    exitCodes.noServices,
    "not-fetched",
    "Sorry, no services available: older messages are missing here. Do it again when there is a connection.",
  );

/**
 * The items behind a sequence number, page by page, oldest first, up to what is newest when the end is reached.
 *
 * @param onMissing the oldest of them cannot be had: what it throws ends this, else it goes on with the oldest that is here
 */
export async function* itemsAfter(
  client: Client,
  id: ConversationSummary["id"],
  after: number,
  onMissing: () => void,
): AsyncGenerator<readonly ChatItem[]> {
  let cursor = after;
  for (;;) {
    const head = (await client.conversation(id))?.head ?? 0;
    if (cursor >= head) return;
    const before = Math.min(head, cursor + PAGE) + 1;
    const oldest = await fetchedDownTo(client, id, cursor + 1);
    if (oldest > cursor + 1) {
      onMissing();
      cursor = oldest - 1;
      continue;
    }
    const { items } = await client.items(id, { before, limit: PAGE * 2 });
    const page = items.filter(({ sequence }) => sequence !== undefined && sequence > cursor && sequence < before);
    cursor = before - 1;
    if (page.length > 0) yield page;
  }
}

/** From which sequence number on everything is here, once what can be had down to this one was fetched. */
async function fetchedDownTo(client: Client, id: ConversationSummary["id"], sequence: number): Promise<number> {
  for (let before = Infinity; ;) {
    const oldest = (await client.conversation(id))?.oldest ?? 0;
    if (oldest <= sequence || oldest >= before) return oldest;
    before = oldest;
    await client.items(id, { before, limit: PAGE });
  }
}

/**
 * The newest messages, with the notices between and behind them, oldest first; those that wait to be sent last.
 *
 * @param onMissing not all of them can be had
 */
export async function newestItems(
  client: Client,
  id: ConversationSummary["id"],
  count: number,
  onMissing: () => void,
): Promise<readonly ChatItem[]> {
  const found: ChatItem[] = [];
  let before: number | undefined;
  const limit = Math.min(PAGE, Math.max(SMALLEST_PAGE, count));
  for (let messages = 0; messages < count;) {
    const { items, more } = await client.items(id, { ...(before !== undefined && { before }), limit });
    messages += items.filter(({ kind }) => kind === "message").length;
    found.unshift(...items);
    before = items.find(({ sequence }) => sequence !== undefined)?.sequence;
    if (more && before === undefined) onMissing();
    if (!more || before === undefined) break;
  }
  const oldest = found.filter(({ kind }) => kind === "message").at(-count);
  return oldest === undefined ? found : found.slice(found.indexOf(oldest));
}

/** The sequence number before the first item of this time or later: walks back from the newest, a page at a time. */
export async function sequenceBefore(client: Client, id: ConversationSummary["id"], time: number): Promise<number> {
  let before: number | undefined;
  for (;;) {
    const { items, more } = await client.items(id, { ...(before !== undefined && { before }), limit: PAGE });
    const numbered = items.filter(({ sequence }) => sequence !== undefined);
    const older = numbered.findLast((item) => item.time < time);
    if (older !== undefined) return older.sequence!;
    before = numbered[0]?.sequence;
    if (!more || before === undefined) return 0;
  }
}
