import { type ConversationId, idBytes } from "@fastchat/protocol";
import type { HintLine } from "../bus/hint-line.ts";
import type { Log } from "../events.ts";
import type { ChatMetrics } from "../metrics.ts";
import { appendBatch, type AppendItem, type AppendVerdict } from "../store/append.ts";
import { AppendQueue, type QueuedItem } from "../store/append-queue.ts";
import { appendConnections, type Database } from "../store/database.ts";
import { entryKinds, type StoredEntry } from "../store/entries.ts";
import type { Delivery } from "./delivery.ts";

export interface AppendingOptions {
  readonly database: Database;
  readonly delivery: Delivery;
  readonly hints: HintLine;
  readonly metrics: ChatMetrics;
  readonly log: Log;
}

/** The queue of messages to append. What is stored goes to the sessions here, and word of it to the other servers. */
export function openAppendQueue({ database, delivery, hints, metrics, log }: AppendingOptions): AppendQueue {
  const append = async (items: readonly AppendItem[]): Promise<readonly AppendVerdict[]> => {
    const since = performance.now();
    const verdicts = await appendBatch(database.append, items, Date.now());
    metrics.batchEntries.observe(items.length);
    metrics.batchSeconds.observe((performance.now() - since) / 1_000);
    const [first] = verdicts;
    if (first?.kind === "unknown") log.event("warn", "append-failed", { messages: items.length, outcome: "unknown" });
    else if (first?.kind === "refused" && (first.reason === "storage-full" || first.reason === "unavailable")) {
      log.event("warn", "append-failed", { messages: items.length, outcome: first.reason });
    }
    return verdicts;
  };
  const onStored = (items: readonly QueuedItem[], verdicts: readonly AppendVerdict[]): void => {
    const stored = new Map<ConversationId, StoredEntry[]>();
    const counts = new Map<string, number>();
    for (const [index, item] of items.entries()) {
      const verdict = verdicts[index];
      if (verdict === undefined) continue;
      const name = verdict.kind === "refused" ? verdict.reason : verdict.kind;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      if (verdict.kind !== "stored") continue;
      const entries = stored.get(item.conversation) ?? [];
      entries.push({
        sequence: verdict.sequence,
        time: verdict.time,
        account: idBytes(item.account),
        device: idBytes(item.device),
        kind: entryKinds.message,
        body: item.body,
      });
      stored.set(item.conversation, entries);
    }
    for (const [verdict, count] of counts) metrics.messages.inc({ verdict }, count);
    for (const [conversation, entries] of stored) {
      delivery.stored(conversation, entries);
      hints.tellStored({ conversation, entries });
    }
  };
  return new AppendQueue({ append, onStored, parallel: appendConnections });
}
