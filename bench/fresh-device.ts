import type { Client, ConversationSummary } from "@fastchat/client";

// What a device of somebody sees, put into words that two devices can be compared by. Runs in Node and in a browser's page.

type ConversationId = ConversationSummary["id"];

/** A row of the list. */
export interface Listed {
  readonly id: ConversationId;
  readonly title: string;
  readonly kind: ConversationSummary["kind"];
  readonly unread: number;
  readonly mentions: number;
  readonly readUpTo: number;
  readonly last: string;
  readonly draft: string;
  readonly mute: ConversationSummary["mute"];
  readonly pinnedAt: number | undefined;
  readonly verification: string;
  readonly note: string;
}

const PAGE = 200;
const OPENED_WITH = 60;
const LOOK_MS = 50;

/** In the order of the list. */
export async function listOf(client: Client): Promise<Listed[]> {
  const all = await client.conversations();
  return all.map(({ id, title, kind, unread, mentions, readUpTo, last, draft, mute, pinnedAt, peer }) => ({
    id,
    title,
    kind,
    unread,
    mentions,
    readUpTo,
    last: last === undefined ? "" : `${last.sequence} ${last.from.name} ${last.text}`,
    draft,
    mute,
    pinnedAt,
    verification: peer?.verification ?? "",
    note: peer?.note ?? "",
  }));
}

const withoutCounts = (list: readonly Listed[]): string => JSON.stringify(list.map((each) => ({ ...each, unread: 0, mentions: 0 })));

export interface ListedTimes {
  /** All rows are right but for counts that are still being made exact: milliseconds from the call. */
  readonly usableMs: number;
  readonly exactMs: number;
}

/** Looks at the list until it is as it should be; `onUsable` is called, and waited for, in between. */
export async function untilListed(client: Client, expected: readonly Listed[], onUsable: () => Promise<void>): Promise<ListedTimes> {
  const since = performance.now();
  const [usable, exact] = [withoutCounts(expected), JSON.stringify(expected)];
  let usableMs: number | undefined;
  for (;;) {
    const list = await listOf(client);
    const now = performance.now() - since;
    if (usableMs === undefined && withoutCounts(list) === usable) {
      usableMs = now;
      await onUsable();
    }
    if (JSON.stringify(list) === exact) return { usableMs: usableMs!, exactMs: now };
    if (now > 120_000) throw new Error(`the list is not as it should be: ${difference(list, expected)}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function difference(list: readonly Listed[], expected: readonly Listed[]): string {
  const known = new Map(list.map((each) => [each.id, JSON.stringify(each)]));
  const wrong = expected.find((each) => known.get(each.id) !== JSON.stringify(each));
  if (wrong === undefined) return `${list.length} rows in another order, or more than ${expected.length}`;
  return `${known.get(wrong.id)} instead of ${JSON.stringify(wrong)}`;
}

/** Each conversation's newest page, one after the other as somebody opens them: milliseconds each. */
export async function lastPages(client: Client, list: readonly Listed[]): Promise<number[]> {
  const times: number[] = [];
  for (const { id } of list) {
    const since = performance.now();
    const { items } = await client.items(id, { limit: OPENED_WITH });
    times.push(performance.now() - since);
    if (items.length === 0) throw new Error("a conversation without messages");
  }
  return times;
}

export interface Read {
  readonly messages: number;
  /** Over sequence number, sender and text of all its messages, by conversation. */
  readonly hashes: readonly (readonly [ConversationId, string])[];
  readonly ms: number;
  /** Until each further tenth of all messages was there. */
  readonly tenths: readonly number[];
}

/** Scrolls back to the beginning of each, a page after the other. @param total of messages, for the progress */
export async function readAll(client: Client, ids: readonly ConversationId[], total: number): Promise<Read> {
  const since = performance.now();
  const hashes: (readonly [ConversationId, string])[] = [];
  const tenths: number[] = [];
  let messages = 0;
  for (const id of ids) {
    const lines: string[] = [];
    for (let before: number | undefined; ;) {
      const { items, more } = await client.items(id, { limit: PAGE, ...(before !== undefined && { before }) });
      for (const item of items.toReversed()) {
        if (item.kind !== "message") continue;
        lines.push(`${item.sequence} ${item.from.account} ${item.text}`);
        if (++messages >= ((tenths.length + 1) * total) / 10) tenths.push(performance.now() - since);
      }
      before = items[0]?.sequence;
      if (!more || before === undefined) break;
    }
    hashes.push([id, await hashOf(lines)]);
  }
  return { messages, hashes, ms: performance.now() - since, tenths };
}

async function hashOf(lines: readonly string[]): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(lines)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
