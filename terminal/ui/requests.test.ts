import { expect, test } from "vitest";
import { openChat } from "./state.ts";
import {
  Alice,
  bob,
  dave,
  enter,
  group,
  key,
  message,
  morning,
  rowWith,
  screenOf,
  shows,
  someone,
  talk,
  wide,
  withBob,
} from "./test-state.ts";

const stranger = talk(someone("mallory", 66), { request: true, unread: 1, head: 1 });

test("strangers who wrote leave one quiet line in the list, and nothing else", () => {
  const alice = new Alice(wide).knows(withBob).opens(withBob, []);
  alice.does({ kind: "event", event: { kind: "requests", count: 10_000 }, now: morning });
  expect(shows(alice, "Requests (10,000)")).toBe(true);
  alice.hears(message(stranger, 1, "buy this"));
  const loads = alice.asked("load-conversation");
  expect(loads.map(({ id, news }) => [id, news?.text])).toEqual([[stranger.id, "buy this"]]);
  alice.does({ kind: "conversation", conversation: stranger, news: message(stranger, 1, "buy this") });
  expect([alice.state.news, shows(alice, "buy this"), shows(alice, "mallory")]).toEqual([undefined, false, false]);
  // Of somebody known that is news, although nothing was known of the chat a moment ago.
  const known = talk(dave, { unread: 1, head: 1 });
  alice.does({ kind: "conversation", conversation: known, news: message(known, 1, "it is me") });
  expect(shows(alice, "dave: it is me")).toBe(true);
  alice.does({ kind: "event", event: { kind: "requests", count: 0 }, now: morning });
  expect(shows(alice, "Requests")).toBe(false);
});

test("Alt+1 stays the first chat however many strangers wait, and the line above it is reached going up", () => {
  const alice = new Alice(wide).knows(withBob);
  alice.does({ kind: "event", event: { kind: "requests", count: 2 }, now: morning }).presses(key("up"), enter);
  expect(alice.state.overlay).toEqual({ kind: "requests", index: 0 });
  expect(alice.asked("load-requests").length).toBe(1);
  alice.presses(key("escape"), key("1", { alt: true }));
  expect(alice.state.open).toBe(withBob.id);
});

test("requests are read, accepted, declined and blocked one by one, or declined all", () => {
  const alice = new Alice(wide).knows(withBob).presses("/requests", enter);
  const invited = group("Pyramid", [bob], { request: true, number: 77, group: { addedBy: "trudy" } });
  const conversations = [{ ...stranger, last: message(stranger, 1, "hello dear") }, invited];
  alice.does({ kind: "requests", requests: { count: 9_982, conversations } });
  expect([
    shows(alice, "mallory  hello dear"),
    shows(alice, "# Pyramid  trudy added you"),
    shows(alice, "and 9,980 more, not read yet"),
  ]).toEqual([true, true, true]);
  alice.presses("a");
  expect(alice.asked("accept-request")).toEqual([{ kind: "accept-request", id: stranger.id }]);
  alice.presses("b");
  expect(alice.asked("set-blocked")).toEqual([{ kind: "set-blocked", name: "mallory", blocked: true }]);
  expect(alice.asked("decline-request")).toEqual([{ kind: "decline-request", id: stranger.id }]);
  alice.presses(key("down"), "d");
  expect(alice.asked("decline-request")).toEqual([{ kind: "decline-request", id: invited.id }]);
  alice.presses("b");
  expect(alice.asked("set-blocked")).toEqual([{ kind: "set-blocked", name: "trudy", blocked: true }]);
  expect(alice.asked("decline-request")).toEqual([{ kind: "decline-request", id: invited.id }]);
  alice.presses("D");
  expect(shows(alice, "Put away all 9,982 requests?")).toBe(true);
  alice.presses("y");
  expect(alice.asked("decline-request")).toEqual([{ kind: "decline-request", id: undefined }]);
});

test("an open request says what it is, tells the stranger nothing, and takes no answer before it is accepted", () => {
  const alice = new Alice(wide).knows(withBob).does({ kind: "requests", requests: { count: 1, conversations: [stranger] } });
  alice.opens(stranger, [message(stranger, 1, "hello dear")]);
  const bar = screenOf(alice)
    .map((row) => row.slice(31).trim())
    .join(" ");
  expect(bar).toContain("mallory is a stranger to you: /accept to answer, /decline, or /block. They are not told that you read this.");
  expect(rowWith(alice, "›")).toContain("/accept to answer");
  alice.presses("who are you?", enter);
  expect([alice.asked("mark-read"), alice.asked("typing"), alice.asked("send")]).toEqual([[], [], []]);
  expect([openChat(alice.state)!.editor.text, shows(alice, "/accept first")]).toEqual(["who are you?", true]);
  alice.presses(key("u", { ctrl: true }), "/accept", enter);
  expect(alice.asked("accept-request")).toEqual([{ kind: "accept-request", id: stranger.id }]);
  alice.does({ kind: "conversation", conversation: { ...stranger, request: false } });
  expect([alice.state.open, alice.state.requests.count, shows(alice, "is a stranger")]).toEqual([stranger.id, 0, false]);
  expect(alice.asked("mark-read").map(({ sequence }) => sequence)).toEqual([1]);
});

test("a request that is declined or blocked is left and gone", () => {
  for (const line of ["/decline", "/block"]) {
    const alice = new Alice().knows(withBob).does({ kind: "requests", requests: { count: 1, conversations: [stranger] } });
    alice.opens(stranger, [message(stranger, 1, "hello dear")]).presses(line, enter);
    expect(alice.asked("decline-request")).toEqual([{ kind: "decline-request", id: stranger.id }]);
    expect(alice.asked("set-blocked").length).toBe(line === "/block" ? 1 : 0);
    alice.does({ kind: "declined", id: stranger.id });
    expect([alice.state.open, alice.state.requests.count]).toEqual([undefined, 0]);
  }
  const elsewhere = new Alice().knows(withBob).opens(withBob, []).presses("/decline", enter);
  expect([elsewhere.asked("decline-request"), shows(elsewhere, "This is no request")]).toEqual([[], true]);
});

test("ten thousand requests of strangers leave one counter, and the keys are heard meanwhile", () => {
  const alice = new Alice(wide).knows(withBob).opens(withBob, []);
  const start = performance.now();
  for (let count = 1; count <= 10_000; count++) {
    alice.does({ kind: "event", event: { kind: "requests", count }, now: morning });
    if (count % 1_000 === 0) alice.presses("x");
  }
  expect(performance.now() - start).toBeLessThan(2_000);
  expect([shows(alice, "Requests (10,000)"), openChat(alice.state)!.editor.text, alice.asked("load-requests")]).toEqual([
    true,
    "x".repeat(10),
    [],
  ]);
});
