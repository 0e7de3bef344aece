import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { accountId, clientMessageId, conversationId, deviceId } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { filesInArchive } from "../testing/index.ts";
import type { ChatMessage, DirectSummary, Me } from "./api.ts";
import { exportArchive } from "./export-archive.ts";
import type { ExportSource } from "./export-source.ts";

const id = new Uint8Array(32).fill(1);
const [account, device, conversation] = [accountId(id), deviceId(id), conversationId(id)];
const me: Me = { name: "alice", account, device, gateway: "http://127.0.0.1:8080" };
const MEGABYTE = 1_000_000;

/** An account with one long conversation, made up while it is read. `read`: places that were asked for; `failsAt`: one that cannot be read. */
function longLog(places: number, failsAt = Infinity): ExportSource & { read: number } {
  const none = () => Promise.resolve([]);
  const peer = { name: "alice", account, online: false, lastSeen: undefined, note: "", contact: false, blocked: false } as const;
  const summary: DirectSummary = {
    id: conversation,
    kind: "note-to-self",
    title: "Note to self",
    peer: { ...peer, verification: "verified" },
    unread: 0,
    mentions: 0,
    head: places,
    readUpTo: 0,
    last: undefined,
    draft: "",
    typing: [],
    time: 0,
    blocked: "none",
    mute: "none",
    retentionSeconds: 0,
    timerSeconds: 0,
    pinnedAt: undefined,
    oldest: 1,
    request: false,
  };
  const messageAt = (sequence: number): ChatMessage => ({
    kind: "message",
    conversation,
    id: clientMessageId(new Uint8Array(16)),
    sequence,
    from: { account, device, name: "alice" },
    mine: true,
    text: `${sequence} ${randomBytes(60).toString("base64")}`,
    deleted: false,
    mentions: [],
    mentionsMe: false,
    files: [],
    upload: undefined,
    time: sequence * 1_000,
    status: "sent",
    refusal: undefined,
    expiresAfter: 0,
    expires: undefined,
    doubt: "none",
  });
  return {
    read: 0,
    me,
    conversations: () => Promise.resolve([{ standing: "ordinary", conversation: summary }]),
    requestsNotRead: () => Promise.resolve(0),
    group: () => Promise.resolve(undefined),
    contacts: none,
    devices: none,
    broadcastLists: none,
    placesHere: () => Promise.resolve({ low: 1, high: places }),
    fetchDownTo: () => Promise.resolve(true),
    itemsAt(_, sequences) {
      if (sequences.includes(failsAt)) return Promise.reject(new Error("the disk cannot be read"));
      this.read += sequences.length;
      return Promise.resolve(sequences.map(messageAt));
    },
    fetchFile: () => Promise.reject(new Error("no message has a file")),
    outgoing: none,
  };
}

test("an archive of 100,000 messages is made as it is read: little of it is ever in memory", async () => {
  const source = longLog(100_000);
  const result = await exportArchive(source, { lock: { kind: "plain" } });
  if (result.kind !== "archive") throw new Error(result.kind);
  const reader = result.stream.getReader();
  await reader.read();
  // Whoever reads takes a break: so does the work.
  let before = -1;
  while (before !== source.read) {
    before = source.read;
    await wait(100);
  }
  // Which files there are is known from the first reading, of which nothing is kept.
  expect(source.read).toBeLessThan(100_000 + 20_000);
  const chunks: Uint8Array[] = [];
  let most = 0;
  for (let part = await reader.read(); part.done !== true; part = await reader.read()) {
    if (chunks.length % 50 === 0) most = Math.max(most, process.memoryUsage().heapUsed);
    chunks.push(part.value);
  }
  expect(source.read).toBe(300_000);
  expect((await result.summary).messages).toBe(100_000);
  expect(most).toBeLessThan(400 * MEGABYTE);
});

test("a log that cannot be read fails the archive, and is not taken for its end", async () => {
  const result = await exportArchive(longLog(1_000, 900), { lock: { kind: "plain" } });
  if (result.kind !== "archive") throw new Error(result.kind);
  await expect(new Response(result.stream).arrayBuffer()).rejects.toThrow("the disk cannot be read");
  await expect(result.summary).rejects.toThrow("the disk cannot be read");
});

test("an account in which nothing was written has an archive, too", async () => {
  const result = await exportArchive(longLog(0), { lock: { kind: "plain" } });
  if (result.kind !== "archive") throw new Error(result.kind);
  const files = await filesInArchive(new Uint8Array(await new Response(result.stream).arrayBuffer()));
  expect(files.get(`conversations/${conversation}.jsonl`)).toBe("");
});
