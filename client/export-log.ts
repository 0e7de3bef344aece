import type { ChatItem } from "./api.ts";
import { breathe } from "./breathe.ts";
import { type ExportedFiles, type WantedFile, wantedFiles } from "./export-files.ts";
import type { ExportSteps } from "./export-progress.ts";
import { type ExportedItem, exportedItem } from "./export-shapes.ts";
import type { ExportSource } from "./export-source.ts";
import type { StandingConversation } from "./standing.ts";

/** Places of a log that are read, and fetched, at once: all that is in memory of it. */
const READ_AT_ONCE = 250;
const FETCHED_AT_ONCE = 2_000;

/** A log as far as it is here. */
export interface Log {
  readonly id: StandingConversation["conversation"]["id"];
  readonly from: number;
  readonly to: number;
  /** What waited to be sent before `to` was known: what is sent meanwhile is in one of the two, or in both. */
  readonly waiting: readonly ChatItem[];
}

/** As much of a log as can be had. */
export async function fetchLog(
  source: ExportSource,
  { conversation: { id, head } }: StandingConversation,
  progress: ExportSteps,
): Promise<Log> {
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
  const waiting = await source.outgoing(id);
  return { id, from, to: (await source.placesHere(id)).high, waiting };
}

/** Reads logs from this device's storage, oldest place first. */
export class LogReader {
  readonly #source: ExportSource;
  readonly #files: ExportedFiles;
  readonly #progress: ExportSteps;

  constructor(source: ExportSource, files: ExportedFiles, progress: ExportSteps) {
    this.#source = source;
    this.#files = files;
    this.#progress = progress;
  }

  /** @param disappears called for each message with a lifetime, which is not in it [H4] */
  async *items(log: Log, disappears?: () => void): AsyncGenerator<readonly ExportedItem[]> {
    const waiting = new Map(log.waiting.flatMap((item) => (item.kind === "message" ? [[item.id, item] as const] : [])));
    for await (const page of this.#kept(log, disappears)) {
      for (const item of page) if (item.kind === "message") waiting.delete(item.id);
      yield page.map((item) => this.#exported(item));
    }
    const left = keptOf([...waiting.values()], disappears);
    if (left.length > 0) yield left.map((item) => this.#exported(item));
  }

  /** Files of all its messages but those that disappear. */
  async filesOf(log: Log): Promise<readonly WantedFile[]> {
    const found: WantedFile[] = [];
    for await (const page of this.#kept(log)) found.push(...wantedFiles(page));
    return found;
  }

  async *#kept({ id, from, to }: Log, disappears?: () => void): AsyncGenerator<readonly ChatItem[]> {
    for (let first = from; first <= to; first += READ_AT_ONCE) {
      const places = Array.from({ length: Math.min(READ_AT_ONCE, to + 1 - first) }, (_, index) => first + index);
      const items = keptOf(await this.#source.itemsAt(id, places), disappears);
      this.#progress.step(places.length);
      if (items.length > 0) yield items;
      await breathe();
    }
  }

  #exported(item: ChatItem): ExportedItem {
    const { conversation, sequence } = item;
    return exportedItem(item, ({ name }, place) =>
      this.#files.whereabouts(sequence === undefined ? undefined : { conversation, sequence, place }, name),
    );
  }
}

const keptOf = (items: readonly ChatItem[], disappears: () => void = () => undefined): ChatItem[] =>
  items.filter((item) => {
    const isKept = item.kind !== "message" || item.expiresAfter === 0;
    if (!isKept) disappears();
    return isKept;
  });
