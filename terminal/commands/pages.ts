import type { ChatItem, Client, ConversationSummary } from "@fastchat/client";

const PAGE = 200;

/** The items behind a sequence number, page by page, oldest first, up to what is newest when the end is reached. */
export async function* itemsAfter(client: Client, id: ConversationSummary["id"], after: number): AsyncGenerator<readonly ChatItem[]> {
  let cursor = after;
  for (;;) {
    const head = (await client.conversation(id))?.head ?? 0;
    if (cursor >= head) return;
    const before = Math.min(head, cursor + PAGE) + 1;
    const { items } = await client.items(id, { before, limit: PAGE * 2 });
    const page = items.filter(({ sequence }) => sequence !== undefined && sequence > cursor && sequence < before);
    cursor = before - 1;
    if (page.length > 0) yield page;
  }
}

/** The newest items, oldest first; those that wait to be sent last. */
export async function newestItems(client: Client, id: ConversationSummary["id"], count: number): Promise<readonly ChatItem[]> {
  const found: ChatItem[] = [];
  let before: number | undefined;
  while (found.length < count) {
    const { items, more } = await client.items(id, {
      ...(before !== undefined && { before }),
      limit: Math.min(PAGE, count - found.length),
    });
    found.unshift(...items);
    before = items.find(({ sequence }) => sequence !== undefined)?.sequence;
    if (!more || before === undefined) break;
  }
  return found.slice(-count);
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
