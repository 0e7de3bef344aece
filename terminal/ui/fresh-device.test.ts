import { expect, test } from "vitest";
import { Alice, altP, bob, carol, enter, key, message, rowWith, screenOf, shows, talk, withBob } from "./test-state.ts";

const withCarol = talk(carol);

test("pinned chats stand above the others under their own heading, and Alt+P and /pin ask for it", () => {
  const alice = new Alice().knows(
    { ...withBob, pinnedAt: 2 },
    { ...withCarol, pinnedAt: 1 },
    talk({ ...bob, name: "dave", account: carol.account }),
  );
  const names = alice.state.conversations.map(({ title }) => title);
  expect(names.slice(0, 2)).toEqual(["carol", "bob"]);
  const rows = screenOf(alice);
  const rowOf = (words: string) => rows.findIndex((row) => row.includes(words));
  expect([rowOf("PINNED") < rowOf("carol"), rowOf("bob") < rowOf("CONVERSATIONS")]).toEqual([true, true]);
  expect(rowOf("PINNED")).toBeGreaterThan(0);

  alice.opens(withBob, []).does({ kind: "conversation", conversation: withBob }).presses("/pin", enter);
  expect(alice.asked("set-pinned")).toEqual([{ kind: "set-pinned", id: withBob.id, pinned: true }]);
  alice.presses(altP);
  expect(alice.asked("set-pinned")).toEqual([{ kind: "set-pinned", id: withBob.id, pinned: true }]);
  alice.does({ kind: "conversation", conversation: { ...withBob, pinnedAt: 3 } }).presses(altP);
  alice.presses("/unpin", enter);
  expect(alice.asked("set-pinned").map(({ pinned }) => pinned)).toEqual([false, false]);
});

test("what takes long says so: conversations that come one by one, and a page of older messages", () => {
  const alice = new Alice();
  expect(shows(alice, "Looking for new messages…")).toBe(true);
  const caughtUp = (done: number) => alice.does({ kind: "event", event: { kind: "catching-up", done, total: 60 }, now: alice.state.now });
  caughtUp(12);
  expect(shows(alice, "Fetching what is new: 12 of 60 conversations…")).toBe(true);
  alice.does({ kind: "event", event: { kind: "caught-up" }, now: alice.state.now });
  expect(shows(alice, "Fetching what is new")).toBe(false);

  alice.knows(withBob).does({ kind: "opened", conversation: withBob });
  alice.does({ kind: "slow", id: withBob.id });
  expect(shows(alice, "Fetching messages…")).toBe(true);
  alice.opens(withBob, [message(withBob, 400, "newest")], true);
  expect(shows(alice, "Fetching")).toBe(false);
  expect(alice.asked("load-items").at(-1)).toMatchObject({ before: 400 });
  alice.does({ kind: "slow", id: withBob.id });
  expect(shows(alice, "Fetching older messages…")).toBe(true);
  alice.does({ kind: "items", id: withBob.id, items: [message(withBob, 1, "oldest")], more: false, newest: false });
  expect(shows(alice, "Fetching")).toBe(false);
});

test("older messages that cannot be had are asked for again with the next connection or the next key, and not in a storm", () => {
  const alice = new Alice().knows(withBob).opens(withBob, [message(withBob, 400, "newest")], true);
  const nothing = () => alice.does({ kind: "items", id: withBob.id, items: [], more: true, newest: false });
  expect(alice.asked("load-items")).not.toEqual([]);
  nothing();
  nothing();
  expect(alice.asked("load-items")).toEqual([]);
  alice.presses(key("page-up"));
  expect(alice.asked("load-items")).toHaveLength(1);
  nothing();
  alice.does({ kind: "event", event: { kind: "connection", connection: { kind: "online", server: "chat-1", since: 1 } }, now: 1 });
  expect(alice.asked("load-items")).toHaveLength(1);
});

test("what is read on another device is no news here any more", () => {
  const alice = new Alice().knows(withBob, withCarol).opens(withCarol, []);
  const news = message(withBob, 5, "are you there?");
  alice.hears(news).does({ kind: "conversation", conversation: { ...withBob, unread: 1, head: 5, last: news } });
  expect(shows(alice, "bob: are you there?")).toBe(true);
  alice.does({ kind: "conversation", conversation: { ...withBob, unread: 1, head: 5, last: news, readUpTo: 4 } });
  expect(alice.state.news).toBeDefined();
  alice.does({ kind: "conversation", conversation: { ...withBob, head: 5, last: news, readUpTo: 5 } });
  expect(alice.state.news).toBeUndefined();
  expect(rowWith(alice, "are you there?").includes("1")).toBe(false);
});

test("a draft that changes on another device changes in the field, unless something else is written there", () => {
  const begun = { ...withBob, draft: "I think" };
  const alice = new Alice().knows(begun).opens(begun, []);
  const field = () => alice.state.chats.get(withBob.id)!.editor.text;
  expect(field()).toBe("I think");
  alice.does({ kind: "conversation", conversation: { ...withBob, draft: "I think so" } });
  expect(field()).toBe("I think so");
  alice.presses("!").does({ kind: "conversation", conversation: { ...withBob, draft: "I do not" } });
  expect(field()).toBe("I think so!");
  // It was sent there.
  const sent = new Alice().knows(begun).opens(begun, []).does({ kind: "conversation", conversation: withBob });
  expect(sent.state.chats.get(withBob.id)!.editor.text).toBe("");
});
