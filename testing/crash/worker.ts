/**
 * Several people in one process who talk with their peers until told to stop, and write down what happens to them, so that a killed
 * process can be started again and go on. Started with the path of a WorkerTask; speaks by IPC.
 */
import type { ChatMessage, Client } from "@fastchat/client";
import { openClient } from "@fastchat/client/node";
import type { ConversationId } from "@fastchat/protocol";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { SideLog } from "./checker.ts";
import { installKillPoint } from "./kill-points.ts";
import { randomFrom } from "./random.ts";
import { type FromWorker, reportFile, type ToWorker, type WorkerTask } from "./task.ts";

/** What a life of this process wrote down, a line each. */
type JournalLine =
  | { readonly kind: "accepted"; readonly id: string; readonly text: string }
  | { readonly kind: "acknowledged"; readonly id: string; readonly sequence: number }
  | { readonly kind: "arrived"; readonly id: string; readonly sequence: number };

const complaintsAre = new Set([
  "unreadable",
  "invalid-link",
  "contradiction",
  "fork",
  "incomplete",
  "device-runs-twice",
  "identity-changed",
]);
const PAGE = 500;

const task = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as WorkerTask;
if (task.killPoint !== undefined) installKillPoint(task.killPoint, (key) => key.startsWith("entry/"));
process.once("disconnect", () => process.exit());
const finish = new Promise<void>((resolve) => process.on("message", ({ kind }: ToWorker) => kind === "finish" && resolve()));
let finishing = false;
void finish.then(() => (finishing = true));
const tell = (message: FromWorker): Promise<void> =>
  new Promise((resolve) => {
    if (process.send?.(message, undefined, undefined, () => resolve()) === undefined) resolve();
  });

const journalFile = (name: string): string => join(task.folder, `${name}.journal`);

function readJournal(name: string): JournalLine[] {
  let text = "";
  try {
    text = readFileSync(journalFile(name), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JournalLine);
}

async function everything(client: Client, conversation: ConversationId): Promise<{ messages: ChatMessage[]; complaints: string[] }> {
  const messages: ChatMessage[] = [];
  const complaints: string[] = [];
  for (let before: number | undefined; ;) {
    const page = await client.items(conversation, { limit: PAGE, ...(before !== undefined && { before }) });
    const here = page.items.filter((item) => item.kind === "message");
    messages.unshift(...here);
    complaints.unshift(
      ...page.items
        .filter((item) => item.kind === "notice")
        .filter(({ notice }) => complaintsAre.has(notice))
        .map(({ notice, text }) => `${notice}: ${text}`),
    );
    const first = page.items.find((item) => item.sequence !== undefined)?.sequence;
    if (!page.more || first === undefined) return { messages, complaints };
    before = first;
  }
}

async function talk(name: string, peer: string, random: () => number): Promise<void> {
  const journal = readJournal(name);
  const knownAccepted = new Set(journal.filter(({ kind }) => kind === "accepted").map(({ id }) => id));
  const knownAcknowledged = new Set(journal.filter(({ kind }) => kind === "acknowledged").map(({ id }) => id));
  /** Accepted in this life, or still queued from an earlier one, and not acknowledged. */
  const waiting = new Set<string>();
  let stage = "talking";
  const enter = (next: string): void => {
    stage = next;
    void tell({ kind: "progress", name, accepted: knownAccepted.size, acknowledged: knownAcknowledged.size, stage });
  };
  const write = (lines: readonly JournalLine[]): void => {
    if (lines.length === 0) return;
    appendFileSync(journalFile(name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    for (const line of lines) {
      if (line.kind === "acknowledged") {
        knownAcknowledged.add(line.id);
        waiting.delete(line.id);
      } else if (line.kind === "accepted") {
        knownAccepted.add(line.id);
        if (!knownAcknowledged.has(line.id)) waiting.add(line.id);
      }
    }
    void tell({ kind: "progress", name, accepted: knownAccepted.size, acknowledged: knownAcknowledged.size, stage });
  };

  const client = await openClient({ home: task.home, profile: name }, { gateway: task.gateway, agent: "fastchat-crash-test" });
  if (client === undefined) throw new Error(`nobody is signed in as ${name}`);
  client.subscribe((event) => {
    if (event.kind !== "items") return;
    const lines: JournalLine[] = [];
    for (const item of event.items) {
      if (item.kind !== "message" || item.sequence === undefined) continue;
      if (!item.mine) lines.push({ kind: "arrived", id: item.id, sequence: item.sequence });
      else if (!knownAcknowledged.has(item.id)) lines.push({ kind: "acknowledged", id: item.id, sequence: item.sequence });
    }
    write(lines);
  });

  const conversation = await opened(client, peer);
  // A life that was killed may have written messages into the outbox that it could not note down any more: they count.
  const own = (await everything(client, conversation)).messages.filter(({ mine }) => mine);
  write(own.filter(({ id }) => !knownAccepted.has(id)).map(({ id, text }) => ({ kind: "accepted", id, text })));
  for (const { id, sequence } of own) {
    if (sequence === undefined) waiting.add(id);
    else waiting.delete(id);
  }
  let count = own.length;
  while (!finishing || count < task.messages) {
    const texts = Array.from(
      { length: 1 + Math.floor(random() * 5) },
      () => `${name} to ${peer} ${++count} ${"x".repeat(Math.floor(random() * 200))}`,
    );
    const ids = texts.length === 1 ? [await client.send(conversation, texts[0]!)] : await client.sendAll(conversation, texts);
    write(ids.map((id, index) => ({ kind: "accepted", id, text: texts[index]! })));
    // Who runs ahead of the acknowledgements waits: an outbox of thousands would only test the outbox.
    do await wait(random() * 2 * task.pauseMs * texts.length);
    while (waiting.size > 200);
  }
  enter("sending the rest");
  await client.sent(undefined);
  enter("catching up");
  await client.caughtUp();
  enter("closing");
  await client.close();
  enter("closed");
}

/** The first time it needs a server, which may be down just then. */
async function opened(client: Client, peer: string): Promise<ConversationId> {
  for (;;) {
    try {
      return await client.openDirect(peer);
    } catch (error) {
      if ((error as { code?: unknown }).code === undefined) throw error;
      await wait(200);
    }
  }
}

async function report(name: string, peer: string): Promise<void> {
  await using client = await openClient({ home: task.home, profile: name }, { gateway: task.gateway });
  if (client === undefined) throw new Error(`nobody is signed in as ${name}`);
  await client.caughtUp();
  await client.sent(undefined);
  const conversation = await client.openDirect(peer);
  const { messages, complaints } = await everything(client, conversation);
  const journal = readJournal(name);
  const placed = messages.filter((message) => message.sequence !== undefined && message.status !== "failed");
  const log: SideLog = {
    name,
    accepted: journal.filter((line) => line.kind === "accepted"),
    acknowledged: journal.filter((line) => line.kind === "acknowledged"),
    arrived: journal.filter((line) => line.kind === "arrived"),
    shown: placed.map(({ sequence, id, from, text }) => ({ sequence: sequence!, id, from: from.name, text })),
    unsent: messages.filter((message) => !placed.includes(message)).map(({ id, status }) => ({ id, status })),
    complaints,
  };
  writeFileSync(reportFile(task.folder, name), JSON.stringify(log));
}

try {
  await Promise.all(
    task.people.map(({ name, peer }, index) =>
      task.mode === "talk" ? talk(name, peer, randomFrom(task.seed + index)) : report(name, peer),
    ),
  );
  await tell({ kind: "done" });
} catch (error) {
  await tell({ kind: "failed", error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exitCode = 1;
}
process.exit();
