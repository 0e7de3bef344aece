import type { ChatItem } from "./api.ts";
import type { ExportOptions, ExportSummary } from "./api-export.ts";
import { breathe } from "./breathe.ts";
import { viewerPage } from "./export-page.ts";
import {
  type ExportedAccount,
  type ExportedConversation,
  exportedDevice,
  exportedGroup,
  type ExportedItem,
  exportedItem,
  exportedList,
  exportedPerson,
  type ExportOverview,
  isoTime,
} from "./export-shapes.ts";
import type { ExportSource } from "./export-source.ts";
import type { StandingConversation } from "./standing.ts";

/** One file of an archive, as its text comes. */
export interface ArchiveFile {
  readonly name: string;
  readonly text: AsyncIterable<string> | Iterable<string>;
}

/** Places of a log that are read, and fetched, at once: all that is in memory of it. */
const READ_AT_ONCE = 250;
const FETCHED_AT_ONCE = 2_000;

/** A log as far as it is here. */
interface Log {
  readonly id: StandingConversation["conversation"]["id"];
  readonly from: number;
  readonly to: number;
}

/**
 * The files of an archive, one after the other: each is read to its end before the next is asked for. Every log is read from its oldest
 * place on, twice: once for its own file, and once more, from this device's storage, for the viewer, which has to hold everything itself
 * because a page from the disk can open no other file. What is written while that goes on is in neither.
 *
 * @param tell called with what came into the archive, before the last file is read
 */
export async function* exportFiles(
  source: ExportSource,
  { conversations: wanted, onProgress }: Pick<ExportOptions, "conversations" | "onProgress">,
  tell: (summary: ExportSummary) => void,
): AsyncGenerator<ArchiveFile> {
  const all = (await source.conversations()).filter(({ conversation: { id } }) => wanted?.includes(id) !== false);
  const progress = new Progress(
    all.reduce((sum, { conversation: { head } }) => sum + head, 0),
    onProgress,
  );
  const written: ExportedConversation[] = [];
  const logs: Log[] = [];
  for (const each of all) {
    const log = await fetchLog(source, each, progress);
    const counted = { messages: 0, unreadable: 0, disappearing: 0 };
    const file = `conversations/${log.id}.jsonl`;
    const disappears = () => counted.disappearing++;
    yield { name: file, text: linesOf(counting(itemsOf(source, log, progress, disappears), counted)) };
    logs.push(log);
    written.push(await conversationObject(source, each, { ...counted, notFetched: log.from - 1, file }));
  }
  const devices = await source.devices();
  const sum = (of: "messages" | "unreadable" | "disappearing" | "notFetched") => written.reduce((total, each) => total + each[of], 0);
  const summary: ExportSummary = {
    conversations: written.length,
    messages: sum("messages"),
    unreadable: sum("unreadable"),
    disappearing: sum("disappearing"),
    notFetched: sum("notFetched"),
    requestsNotRead: wanted === undefined ? await source.requestsNotRead() : 0,
    withoutDevices: devices === undefined,
  };
  const overview: ExportOverview = {
    account: accountObject(source, summary),
    contacts: (await source.contacts()).map(exportedPerson),
    devices: (devices ?? []).map(exportedDevice),
    lists: (await source.broadcastLists()).map(exportedList),
    conversations: written,
  };
  yield { name: "account.json", text: [`${JSON.stringify(overview.account, undefined, 2)}\n`] };
  yield { name: "contacts.jsonl", text: overview.contacts.map(lineOf) };
  yield { name: "devices.jsonl", text: overview.devices.map(lineOf) };
  yield { name: "broadcast-lists.jsonl", text: overview.lists.map(lineOf) };
  yield { name: "conversations.jsonl", text: written.map(lineOf) };
  yield { name: "README.txt", text: [README] };
  tell(summary);
  const again = logs.map((log) => itemsOf(source, log, progress));
  yield { name: "index.html", text: viewerPage(overview, again) };
}

const README = `Messages of FastChat, exported by their owner.

index.html            opens in any browser, without a network, and shows everything
account.json          whose they are, when they were exported, and what is missing
conversations.jsonl   one conversation a line, with its members and where its messages are
conversations/        one file for each conversation, one message or notice a line, oldest first
contacts.jsonl, devices.jsonl, broadcast-lists.jsonl

All files are UTF-8; .jsonl files are JSON Lines (jsonlines.org). Times are ISO 8601 in UTC.
`;

/** A log is fetched, written, and written for the viewer. */
class Progress {
  readonly #total: number;
  readonly #onProgress: ExportOptions["onProgress"];
  #done = 0;

  constructor(places: number, onProgress: ExportOptions["onProgress"]) {
    this.#total = 3 * places;
    this.#onProgress = onProgress;
    this.step(0);
  }

  step(places: number): void {
    this.#done = Math.min(this.#total, this.#done + places);
    this.#onProgress?.({ done: this.#done, total: this.#total });
  }
}

/** As much of a log as can be had. */
async function fetchLog(source: ExportSource, { conversation: { id, head } }: StandingConversation, progress: Progress): Promise<Log> {
  let { low: from } = await source.placesHere(id);
  progress.step(head + 1 - from);
  while (from > 1) {
    const isFetched = await source.fetchDownTo(id, Math.max(1, from - FETCHED_AT_ONCE));
    const { low } = await source.placesHere(id);
    progress.step(from - low);
    const isStuck = !isFetched || low === from;
    from = low;
    if (isStuck) break;
  }
  return { id, from, to: (await source.placesHere(id)).high };
}

/** @param disappears called for each message with a lifetime, which is not in it [H4] */
async function* itemsOf(
  source: ExportSource,
  { id, from, to }: Log,
  progress: Progress,
  disappears: () => void = () => undefined,
): AsyncGenerator<readonly ExportedItem[]> {
  const kept = (items: readonly ChatItem[]): ExportedItem[] =>
    items.flatMap((item) => {
      if (item.kind !== "message" || item.expiresAfter === 0) return [exportedItem(item)];
      disappears();
      return [];
    });
  for (let first = from; first <= to; first += READ_AT_ONCE) {
    const places = Array.from({ length: Math.min(READ_AT_ONCE, to + 1 - first) }, (_, index) => first + index);
    const items = kept(await source.itemsAt(id, places));
    progress.step(places.length);
    if (items.length > 0) yield items;
    await breathe();
  }
  const waiting = kept(await source.outgoing(id));
  if (waiting.length > 0) yield waiting;
}

async function* counting(
  pages: AsyncIterable<readonly ExportedItem[]>,
  counted: { messages: number; unreadable: number },
): AsyncGenerator<readonly ExportedItem[]> {
  for await (const page of pages) {
    for (const item of page) {
      if (item.type === "message") counted.messages++;
      else if (item.notice === "unreadable") counted.unreadable++;
    }
    yield page;
  }
}

async function* linesOf(pages: AsyncIterable<readonly ExportedItem[]>): AsyncGenerator<string> {
  for await (const page of pages) yield page.map(lineOf).join("");
}

const lineOf = (value: object): string => `${JSON.stringify(value)}\n`;

function accountObject({ me }: ExportSource, summary: ExportSummary): ExportedAccount {
  return {
    type: "account",
    format: 1,
    name: me.name,
    account: me.account,
    device: me.device,
    gateway: me.gateway,
    exported: isoTime(Date.now()),
    conversations: summary.conversations,
    messages: summary.messages,
    missing: missingIn(summary),
  };
}

async function conversationObject(
  source: ExportSource,
  { standing, conversation }: StandingConversation,
  counted: Pick<ExportedConversation, "messages" | "unreadable" | "disappearing" | "notFetched" | "file">,
): Promise<ExportedConversation> {
  const { id, kind, title, time, readUpTo, mute, draft, peer } = conversation;
  const group = kind === "group" ? await source.group(id) : undefined;
  return {
    type: "conversation",
    conversation: id,
    kind,
    title,
    standing,
    with: peer === undefined ? null : { name: peer.name, account: peer.account, verification: peer.verification },
    ...(group !== undefined && { group: exportedGroup(group) }),
    time: isoTime(time),
    readUpTo,
    mute,
    draft,
    ...counted,
  };
}

function missingIn({ unreadable, disappearing, notFetched, requestsNotRead, withoutDevices }: ExportSummary): string[] {
  const counted = (count: number, one: string, many: string) => (count === 0 ? [] : [count === 1 ? one : `${count} ${many}`]);
  return [
    ...counted(
      notFetched,
      "One entry of a log could not be fetched from the server.",
      "entries of logs could not be fetched from the server.",
    ),
    ...counted(unreadable, "One message could not be opened.", "messages could not be opened."),
    ...counted(disappearing, "One message that disappears was left out.", "messages that disappear were left out."),
    ...counted(
      requestsNotRead,
      "One conversation that a stranger began was never read, and is not in it.",
      "conversations that strangers began were never read, and are not in it.",
    ),
    ...(withoutDevices ? ["The list of devices could not be asked for."] : []),
  ];
}
