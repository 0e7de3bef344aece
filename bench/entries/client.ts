import { type Client, type ClientEvent, MemorySink, type Mute } from "@fastchat/client";
import { fileSource, openClient, signIn, signUp } from "@fastchat/client/node";
import type { ConversationId } from "@fastchat/protocol";
import { join } from "node:path";
import { lastPages, listOf, type Listed, readAll, untilListed } from "../fresh-device.ts";
import { Meter } from "../meter.ts";
import { countTraffic } from "../traffic.ts";

// A device in a process of its own, which measures itself; a bench tells it by messages what to do. `node client.ts HOME PROFILE GATEWAY`

countTraffic();
const [home, firstProfile, gateway] = process.argv.slice(2) as [string, string, string];
let place = { home, profile: firstProfile };
const WRITTEN_AT_ONCE = 2_000;

/** What somebody has made of a conversation. */
interface SetUp {
  /** Up to which sequence number it is read. */
  readonly read: number;
  readonly draft: string | undefined;
  readonly mute: Mute;
  readonly pinned: boolean;
}

interface Stream {
  readonly count: number;
  readonly everyMs: number;
  /** After which the first is due. */
  readonly firstMs: number;
  readonly label: string;
  /** A path. */
  readonly picture: string | undefined;
  /** By everybody, at once: its file is fetched as it comes. */
  readonly isOpened: boolean;
  /** The how many-th of all their messages have it. */
  readonly every: number;
  /** Which of how many that write in turn. */
  readonly place: number;
  readonly writers: number;
}

const TO_BE_OPENED = "picture to be opened";

/** Messages that arrived, with when, and whether all of their files was fetched. */
const heard: { readonly id: ConversationId; readonly mine: boolean; readonly text: string; readonly at: number; isFetched: boolean }[] = [];

function hear(client: Client): void {
  client.subscribe((event) => {
    if (event.kind !== "items") return;
    for (const item of event.items) {
      if (item.kind !== "message" || item.sequence === undefined || heard.some(({ text }) => text === item.text)) continue;
      const { conversation, sequence, mine, text, files } = item;
      const one = { id: conversation, mine, text, at: now(), isFetched: mine || !text.startsWith(TO_BE_OPENED) };
      heard.push(one);
      if (one.isFetched) continue;
      client.files.fetch({ conversation, sequence, place: 0 }, new MemorySink(files[0]!.bytes)).then(
        () => (one.isFetched = true),
        (error: unknown) => console.error(error),
      );
    }
  });
}

const meter = new Meter(process.env["PROFILES"]);
let opened: Client | undefined;
const expected: Promise<number>[] = [];

/** Comparable between the processes of one machine. */
const now = (): number => performance.timeOrigin + performance.now();

function client(): Client {
  if (opened === undefined) throw new Error("this client is not open");
  return opened;
}

/** Gives the number under which `came` says when an event was the first for which this holds. */
function expect(holds: (event: ClientEvent) => Promise<boolean> | boolean): number {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const stop = client().subscribe((event) => {
    void (async () => {
      if (!(await holds(event))) return;
      stop();
      resolve(now());
    })().catch(reject);
  });
  return expected.push(promise) - 1;
}

const isItem = (event: ClientEvent, id: ConversationId, kind: "message" | "notice", text: string): boolean =>
  event.kind === "items" && event.conversation === id && event.items.some((item) => item.kind === kind && item.text.includes(text));

const calls = {
  async signUp(name: string, password: string) {
    const result = await signUp(place, { gateway, name, password });
    if (result.kind !== "signed-up") throw new Error(`${name} could not sign up: ${result.kind}`);
  },
  async signIn(name: string, password: string) {
    const result = await signIn(place, { gateway, name, password });
    if (result.kind !== "signed-in") throw new Error(`${name} could not sign in: ${result.kind}`);
  },
  /** How long until the conversations are there, and until all that had arrived is stored. */
  async open() {
    const since = performance.now();
    opened = await openClient(place, { gateway, agent: "fastchat-bench" });
    hear(client());
    const { length: conversations } = await client().conversations();
    const shown = performance.now() - since;
    await client().caughtUp();
    return { shown, caughtUp: performance.now() - since, conversations };
  },
  close: () => client().close(),
  /** The same process, as somebody else who is signed up already. */
  async openAs(profile: string) {
    await opened?.close();
    place = { home, profile };
    opened = await openClient(place, { gateway, agent: "fastchat-bench" });
    await client().caughtUp();
  },

  expectTitle: (title: string) =>
    expect(async (event) => {
      if (event.kind !== "conversations") return false;
      const summaries = await Promise.all(event.conversations.map((id) => client().conversation(id)));
      return summaries.some((summary) => summary?.title === title);
    }),
  expectMessage: (id: ConversationId, text: string) => expect((event) => isItem(event, id, "message", text)),
  expectNotice: (id: ConversationId, text: string) => expect((event) => isItem(event, id, "notice", text)),
  expectMembers: (id: ConversationId, count: number) =>
    expect(async (event) => {
      if (event.kind !== "conversations" || !event.conversations.includes(id)) return false;
      const summary = await client().conversation(id);
      return summary?.kind === "group" && summary.group.memberCount === count && summary.title !== "Group";
    }),
  came: (number: number) => expected[number]!,

  list: () => listOf(client()),
  heads: (ids: readonly ConversationId[]) =>
    Promise.all(ids.map(async (id) => ({ id, head: (await client().conversation(id))?.head ?? 0 }))),
  /** On a device that was signed in just now: until its list is as it should be; in between, each conversation is opened. */
  async openFresh(expected: readonly Listed[]) {
    const since = performance.now();
    opened = await openClient(place, { gateway, agent: "fastchat-bench" });
    const open = performance.now() - since;
    let pages: number[] = [];
    const { usableMs, exactMs } = await untilListed(client(), expected, async () => {
      pages = await lastPages(client(), expected);
    });
    return { pages, usableMs: open + usableMs, exactMs: open + exactMs };
  },
  readAll: (ids: readonly ConversationId[], total: number) => readAll(client(), ids, total),
  /** Resolves when the conversation is here up to this place, and nothing waits to be sent. */
  async reaches(id: ConversationId, head: number) {
    await client().sent(id);
    while (((await client().conversation(id))?.head ?? 0) < head) await new Promise((resolve) => setTimeout(resolve, 100));
  },
  /** So many texts of different lengths. */
  async write(id: ConversationId, about: string, count: number) {
    const words = "the quick brown fox jumps over the lazy dog and says good morning to everybody in the house".split(" ");
    const texts = Array.from({ length: count }, (_, n) => `${about} ${n}: ${words.slice(0, 1 + ((n * 7) % words.length)).join(" ")}`);
    for (let from = 0; from < count; from += WRITTEN_AT_ONCE) await client().sendAll(id, texts.slice(from, from + WRITTEN_AT_ONCE));
    await client().sent(id);
  },
  async setUp(id: ConversationId, { read, draft, mute, pinned }: SetUp) {
    await client().markRead(id, read);
    if (draft !== undefined) await client().setDraft(id, draft);
    await client().setMute(id, mute);
    if (pinned) await client().setPinned(id, true);
  },
  async know(name: string, note: string, verified: boolean) {
    await client().setNote(name, note);
    if (verified) await client().setVerified(name, true);
  },
  expectSummary: (id: ConversationId, field: "draft" | "mute" | "pinnedAt" | "readUpTo" | "unread", value: unknown) =>
    expect(async (event) => {
      if (event.kind !== "conversations" || !event.conversations.includes(id)) return false;
      const summary = await client().conversation(id);
      return field === "pinnedAt" ? (summary?.pinnedAt !== undefined) === value : summary?.[field] === value;
    }),
  setDraft: (id: ConversationId, text: string) => client().setDraft(id, text),
  setMute: (id: ConversationId, mute: Mute) => client().setMute(id, mute),
  setPinned: (id: ConversationId, pinned: boolean) => client().setPinned(id, pinned),

  openDirect: (name: string) => client().openDirect(name),
  create: (name: string, members: readonly string[]) => client().groups.create({ name, members }),
  add: (id: ConversationId, name: string) => client().groups.add(id, [name]),
  remove: (id: ConversationId, name: string) => client().groups.remove(id, [name]),
  leave: (id: ConversationId) => client().groups.leave(id),
  invite: async (id: ConversationId) => (await client().groups.invite(id)).link,
  join: (link: string) => client().groups.join(link),
  async send(id: ConversationId, text: string) {
    await client().send(id, text);
    await client().sent(id);
  },
  /** Messages at their times, whatever happens to those before: some with a picture, which the others fetch. Gives how many. */
  async stream(id: ConversationId, { count, everyMs, firstMs, label, picture, every, isOpened, place, writers }: Stream) {
    const start = now() + firstMs;
    const sending: Promise<unknown>[] = [];
    for (let number = 0; number < count; number++) {
      const due = start + number * everyMs;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - now())));
      const isPicture = picture !== undefined && (number * writers + place) % every === 0;
      const text = `${isPicture ? (isOpened ? TO_BE_OPENED : "picture") : "text"} of ${label} due ${due}`;
      if (isPicture) {
        const source = await fileSource(picture);
        sending.push(client().files.send(id, [{ source, mediaType: "image/jpeg", width: 4_000, height: 3_000 }], { text }));
      } else sending.push(client().send(id, text));
    }
    await Promise.all(sending);
    await client().sent(id);
    return count;
  },
  /** Milliseconds from when each text was due to when it was here; resolves when all are, and all pictures were fetched. */
  async latencies(
    id: ConversationId,
    { label, texts, pictures }: { readonly label: string; readonly texts: number; readonly pictures: number },
  ) {
    const of = (kind: string) => heard.filter((each) => each.id === id && each.text.startsWith(`${kind} of ${label} due `));
    while (of("text").length < texts || [...of("picture"), ...of(TO_BE_OPENED)].filter(({ isFetched }) => isFetched).length < pictures)
      await new Promise((resolve) => setTimeout(resolve, 100));
    return of("text").flatMap(({ mine, text, at }) => (mine ? [] : [at - Number(text.split(" ").at(-1))]));
  },
  async members(id: ConversationId) {
    const info = await client().groups.info(id);
    return info?.members.length;
  },
  async watchMembers(id: ConversationId) {
    const info = await client().groups.info(id);
    await client().watchPresence(info!.members.map(({ person }) => person.account));
  },
  async read(id: ConversationId) {
    const summary = await client().conversation(id);
    await client().markRead(id, summary!.head);
  },
  /** Resolves when this member said to have read the newest message. */
  async isRead(id: ConversationId, name: string) {
    const { head } = (await client().conversation(id))!;
    for (const end = performance.now() + 20_000; performance.now() < end;) {
      const receipts = await client().receipts(id);
      if (receipts.some((receipt) => receipt.name === name && receipt.read >= head)) return receipts.length;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error(`${name} did not say to have read it`);
  },
  async newest(id: ConversationId) {
    const { items } = await client().items(id, { limit: 50 });
    return items.length;
  },
  requests: async () => (await client().requests()).count,

  begin: () => meter.begin(),
  end: (step: string) => meter.end(step, join(home, place.profile)),
};

export type Calls = typeof calls;
export interface Asked {
  readonly number: number;
  readonly call: keyof Calls;
  readonly values: readonly unknown[];
}
export interface Answered {
  readonly number: number;
  /** When the work began and ended: milliseconds since 1970. */
  readonly since: number;
  readonly until: number;
  readonly value?: unknown;
  readonly error?: string;
}

process.on("message", ({ number, call, values }: Asked) => {
  const since = now();
  const work = async (): Promise<unknown> => (calls[call] as (...all: readonly unknown[]) => unknown)(...values);
  work().then(
    (value) => process.send!({ number, since, until: now(), value } satisfies Answered),
    (error: Error) => process.send!({ number, since, until: now(), error: error.stack ?? String(error) } satisfies Answered),
  );
});
process.once("disconnect", () => void opened?.close().finally(() => process.exit()));
