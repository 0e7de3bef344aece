import type { ChatItem } from "@fastchat/client";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cells } from "../cells.ts";
import { completed } from "./complete.ts";
import { editorOf } from "./editor.ts";
import { frameOf } from "./frame.ts";
import { readKeymap } from "./keys.ts";
import { matchScore } from "./list.ts";
import { rowText } from "./rows.ts";
import { answered, initialSignIn, typeSignIn } from "./sign-in.ts";
import { parseSlash, unknownCommand } from "./slash.ts";
import { type Overlay, openChat } from "./state.ts";
import {
  Alice,
  bob,
  carol,
  group,
  key,
  message,
  notice,
  morning,
  noPictures,
  openGroup,
  screenOf,
  shows,
  someone,
  talk,
  text,
  withBob,
} from "./test-state.ts";
import { merge } from "./timeline.ts";
import { type Look, type Transcript, entryRows, scrolled, topAt, windowOf } from "./transcript.ts";

const large = process.env["SIZE"] === "large";

const withCarol = talk(carol, { time: morning - 1 });

const someText = fc
  .array(fc.constantFrom("word", " ", "\n", "漢字", "👨‍👩‍👧", "e\u0301", "\u001b[2J", "\u202e", "a".repeat(90), "ok"), {
    minLength: 1,
    maxLength: 12,
  })
  .map((parts) => parts.join(""));

const someMessages = fc
  .array(fc.record({ body: someText, mine: fc.boolean(), gap: fc.constantFrom(0, 0, 1, 90, 2_000) }), { maxLength: 30 })
  .map((parts) => {
    let minutes = 0;
    return parts.map(({ body, mine, gap }, index) =>
      message(withBob, index + 1, body, { mine, time: morning + (minutes += gap) * 60_000 }),
    );
  });

test("what shows at any scroll position is one piece of the whole transcript", () => {
  fc.assert(
    fc.property(
      someMessages,
      fc.integer({ min: 10, max: 60 }),
      fc.integer({ min: 1, max: 25 }),
      fc.array(fc.integer({ min: -30, max: 30 }), { maxLength: 12 }),
      fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined }),
      (messages, width, height, moves, unreadAfter) => {
        const look: Look = { width, now: morning, serverNow: morning, words: false, dense: false, me: "alice", pictures: noPictures };
        let transcript: Transcript = { entries: merge([], messages), position: { kind: "bottom" }, unreadAfter, selected: undefined };
        const whole = transcript.entries.flatMap((_, index) => entryRows(transcript, index, look)).map(rowText);
        const lowest = whole.length;
        let bottom = lowest;
        for (const move of [0, ...moves]) {
          transcript = { ...transcript, position: scrolled(transcript, move, height, look) };
          bottom = Math.min(lowest, Math.max(Math.min(height, lowest), bottom - move));
          const { rows, atTop, atBottom } = windowOf(transcript, height, look);
          expect(rows.map(rowText)).toEqual(whole.slice(Math.max(0, bottom - height), bottom));
          expect(atBottom).toBe(bottom === lowest);
          expect(atTop).toBe(bottom <= height);
        }
      },
    ),
    { numRuns: large ? 500 : 100 },
  );
});

test("[S5] what shrinks under the eye leaves one piece of the whole transcript, and shows itself", () => {
  fc.assert(
    fc.property(
      someMessages.filter(({ length }) => length > 0),
      fc.integer({ min: 1, max: 25 }),
      fc.array(fc.integer({ min: -30, max: 30 }), { maxLength: 6 }),
      fc.func(fc.boolean()),
      fc.integer({ min: 10, max: 60 }),
      (messages, height, moves, isDeleted, width) => {
        const look: Look = { width: 20, now: morning, serverNow: morning, words: false, dense: false, me: "alice", pictures: noPictures };
        let before: Transcript = {
          entries: merge([], messages),
          position: { kind: "bottom" },
          unreadAfter: undefined,
          selected: undefined,
        };
        for (const move of moves) before = { ...before, position: scrolled(before, move, height, look) };
        const left = messages.map((each) => (isDeleted(each.sequence) ? { ...each, text: "", deleted: true } : each));
        const after = { ...before, entries: merge([], left) };
        const whole = after.entries.flatMap((_, index) => entryRows(after, index, { ...look, width })).map(rowText);
        const { rows, first, last } = windowOf(after, height, { ...look, width });
        const shown = rows.map(rowText);
        expect(whole.join("\n")).toContain(shown.join("\n"));
        expect(shown.length).toBe(Math.min(height, whole.length));
        const { position } = before;
        const at = position.kind === "at" ? after.entries.findIndex(({ key }) => key === position.key) : after.entries.length - 1;
        expect([first <= at, at <= last]).toEqual([true, true]);
        scrolled(after, -1, height, { ...look, width });
      },
    ),
    { numRuns: large ? 2_000 : 200 },
  );
});

test("a chat opened at an entry shows it first", () => {
  const messages = Array.from({ length: 40 }, (_, index) => message(withBob, index + 1, `number ${index + 1}`));
  const look: Look = { width: 40, now: morning, serverNow: morning, words: false, dense: true, me: "alice", pictures: noPictures };
  const transcript: Transcript = { entries: merge([], messages), position: { kind: "bottom" }, unreadAfter: 10, selected: undefined };
  const { rows } = windowOf({ ...transcript, position: topAt(transcript, 10, 9, look) }, 9, look);
  expect(rowText(rows[0]!)).toContain("new messages");
  expect(rowText(rows[2]!)).toContain("number 11");
});

const groupOverlays = ["members", "askers", "info", "policy", "invitation", "requests", "confirm"] as const;

/** Opens a group that is called so, with something over its chat or beside it. */
function inGroup(alice: Alice, title: string, where: string): void {
  const chess = group(title, [bob, carol], { group: { description: title, joinRequests: 1 }, typing: ["bob", title] });
  const said = message(chess, 1, `@alice ${title}`, { mentions: ["alice"], mentionsMe: true });
  const invitation = { publicKey: "ab".repeat(32), uses: 5, used: 0, lastDay: "2026-11-27", state: "good" } as const;
  const known = openGroup(chess, [bob, carol], { askers: [{ person: someone("dave", 3), by: "invitation", time: morning }] });
  alice.opens(chess, [said]).does(
    { kind: "group", group: { ...known, info: { ...known.info, invitations: [invitation] } } },
    {
      kind: "requests",
      requests: {
        count: 40,
        conversations: [
          { ...withCarol, request: true },
          { ...chess, request: true },
        ],
      },
    },
    { kind: "event", event: { kind: "sealing", conversation: chess.id, done: 1, total: 3 }, now: morning },
    { kind: "said", text: title.repeat(9), tone: "error", now: morning },
  );
  const overlays: Record<string, Overlay> = {
    members: { kind: "members", index: 1 },
    askers: { kind: "askers", index: 0 },
    info: { kind: "info", top: 3 },
    policy: { kind: "policy", top: 0 },
    invitation: { kind: "invitation", invitation, link: `https://chat.example/${"x".repeat(90)}#${title}` },
    requests: { kind: "requests", index: 1 },
    confirm: { kind: "confirm", question: title, effect: { kind: "quit" } },
  };
  alice.state = { ...alice.state, membersBeside: true, overlay: overlays[where] ?? { kind: "none" } };
}

test("every screen has exactly its size, whatever is on it, and the cursor is inside", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 12, max: 140 }),
      fc.integer({ min: 3, max: 50 }),
      someMessages,
      someText,
      fc.constantFrom("home", "chat", "switcher", "help", "verify", "details", "offline", "request", ...groupOverlays, "group"),
      fc.boolean(),
      (columns, rows, messages, draft, where, colour) => {
        const alice = new Alice({ columns, rows }).knows(withBob, { ...withCarol, unread: 3, last: message(withCarol, 3, draft) });
        alice.state = { ...alice.state, colour };
        alice.does({ kind: "event", event: { kind: "caught-up" }, now: morning });
        if (where === "request") alice.opens({ ...withBob, request: true }, messages);
        else if (where !== "home") alice.opens(withBob, messages);
        alice.hears(message(withCarol, 9, draft));
        if (where === "details") alice.presses(key("up"), "i");
        alice.does({ kind: "paste", text: draft, now: morning });
        if (where === "switcher") alice.presses(key("k", { ctrl: true }), "b");
        if (where === "help") alice.presses(key("f1"));
        if (where === "verify") alice.state = { ...alice.state, overlay: { kind: "verify", name: "bob", number: undefined } };
        if (where === "offline") {
          const connection = { kind: "offline", since: morning, retryAt: morning, reason: "no-services", detail: "" } as const;
          alice.does(
            { kind: "event", event: { kind: "connection", connection }, now: morning },
            { kind: "tick", now: morning + 3_000, serverAhead: 0 },
          );
        }
        if (where === "group" || groupOverlays.some((kind) => kind === where)) inGroup(alice, draft, where);
        const frame = frameOf(alice.state);
        expect(frame.rows.length).toBe(rows);
        for (const row of frame.rows) {
          expect(cells(rowText(row))).toBe(columns);
          expect(rowText(row)).not.toMatch(/\p{Cc}/u);
        }
        const { x, y } = frame.cursor ?? { x: 0, y: 0 };
        expect([x >= 0 && x < columns, y >= 0 && y < rows]).toEqual([true, true]);
      },
    ),
    { numRuns: large ? 1_000 : 240 },
  );
});

test("receiving never disturbs what is being written", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom("a", "漢", " ", "!"), fc.constant(undefined)), { maxLength: 60 }), (mix) => {
      const alice = new Alice().knows(withBob, withCarol).opens(withBob, []);
      let written = "";
      for (const [index, piece] of mix.entries()) {
        if (piece === undefined) alice.hears(message(index % 2 === 0 ? withBob : withCarol, index + 1, "hello"));
        else {
          alice.presses(piece);
          written += piece;
        }
        const { editor } = openChat(alice.state)!;
        expect([editor.text, editor.cursor]).toEqual([written, written.length]);
      }
    }),
    { numRuns: large ? 300 : 60 },
  );
});

test("messages stand in log order, each once, whatever order they come in", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(Array.from({ length: 30 }, (_, index) => index + 1)), fc.nat({ max: 10 }), (order, again) => {
      let entries = merge([], []);
      for (const sequence of [...order, ...order.slice(0, again)]) entries = merge(entries, [message(withBob, sequence, "x")]);
      expect(entries.map(({ place }) => place)).toEqual(order.toSorted((a, b) => a - b));
    }),
  );
});

test("a queued message stays last, and takes its place when the server has it", () => {
  const queued = message(withBob, 5, "mine", { mine: true, status: "queued" });
  const { sequence: _, ...rest } = queued;
  const alice = new Alice().knows(withBob).opens(withBob, [message(withBob, 1, "one")]);
  alice.hears({ ...rest, sequence: undefined });
  alice.hears(message(withBob, 4, "four"));
  expect(openChat(alice.state)!.entries.map(({ item }) => item.text)).toEqual(["one", "four", "mine"]);
  alice.hears({ ...queued, status: "sent" }, message(withBob, 6, "six"));
  expect(openChat(alice.state)!.entries.map(({ item }) => item.text)).toEqual(["one", "four", "mine", "six"]);
});

test("with no chat open: what is unread, while away or since, or no new messages", () => {
  const quiet = new Alice().knows(withBob).does({ kind: "event", event: { kind: "caught-up" }, now: morning });
  expect(shows(quiet, "No new messages!")).toBe(true);
  const busy = new Alice().knows({ ...withBob, unread: 2 }, withCarol).does({ kind: "event", event: { kind: "caught-up" }, now: morning });
  expect(shows(busy, "New messages:")).toBe(true);
  expect(shows(busy, "bob  2 messages")).toBe(true);
  // What comes while one looks is no less new, and what was read elsewhere is not.
  expect(shows(quiet.knows({ ...withBob, unread: 1 }), "bob  1 message")).toBe(true);
  expect(shows(busy.knows({ ...withBob, unread: 0 }), "No new messages!")).toBe(true);
});

test("-- and @#@EXIT@#@ leave the chat and send nothing", () => {
  for (const leaving of ["--", "@#@EXIT@#@", " -- "]) {
    const alice = new Alice().knows(withBob).opens(withBob, []).presses(leaving, key("enter"));
    expect(alice.state.open).toBeUndefined();
    expect(alice.asked("send")).toEqual([]);
    expect(alice.asked("draft").at(-1)?.text).toBe("");
  }
});

test("Enter sends, Alt+Enter begins a line, two slashes send one", () => {
  const alice = new Alice().knows(withBob).opens(withBob, []);
  alice.presses("one", key("enter", { alt: true }), "two", key("enter"));
  alice.presses("//shrug", key("enter"), "  ", key("enter"));
  expect(alice.asked("send").map((effect) => effect.text)).toEqual(["one\ntwo", "/shrug"]);
});

test("news of other chats shows above the line, and Alt+a goes there", () => {
  const alice = new Alice().knows(withBob, withCarol).opens(withBob, []);
  alice.hears(message(withCarol, 1, "psst"));
  alice.does({ kind: "conversation", conversation: { ...withCarol, unread: 1, head: 1 } });
  expect(shows(alice, "carol: psst")).toBe(true);
  alice.presses(key("a", { alt: true }));
  expect(alice.state.open).toBe(withCarol.id);
  expect(shows(alice, "carol: psst")).toBe(false);
});

test("the unread line stays while more comes, and goes when the chat is left", () => {
  const unread = { ...withBob, unread: 2, readUpTo: 1, head: 3 };
  const alice = new Alice().knows(unread, withCarol).opens(
    unread,
    [1, 2, 3].map((sequence) => message(withBob, sequence, `number ${sequence}`)),
  );
  alice.hears(message(withBob, 4, "number 4")).presses("x");
  const screen = screenOf(alice);
  const line = screen.findIndex((row) => row.includes("new messages"));
  expect(line).toBeGreaterThan(screen.findIndex((row) => row.includes("number 1")));
  expect(line).toBeLessThan(screen.findIndex((row) => row.includes("number 2")));
  alice
    .does({ kind: "conversation", conversation: { ...withBob, readUpTo: 4, head: 4 } })
    .presses(key("u", { ctrl: true }), key("tab"), key("tab", { shift: true }));
  expect(alice.state.open).toBe(withBob.id);
  expect(shows(alice, "new messages")).toBe(false);
});

test("the line of what is new stands above what somebody else wrote", () => {
  const unread = talk(bob, { unread: 1, readUpTo: 0 });
  const opened = (items: readonly ChatItem[]): string[] => screenOf(new Alice().knows(unread).opens(unread, items));
  const mine = [notice(unread, 1, "membership", "You began this."), message(unread, 2, "my own", { mine: true })];
  expect(opened(mine).some((row) => row.includes("new messages"))).toBe(false);
  const screen = opened([...mine, message(unread, 3, "bob answers"), message(unread, 4, "and I", { mine: true })]);
  const rowOf = (words: string): number => screen.findIndex((row) => row.includes(words));
  expect([rowOf("my own") < rowOf("new messages"), rowOf("new messages") < rowOf("bob answers")]).toEqual([true, true]);
});

test("only what is seen is marked as read", () => {
  const many = Array.from({ length: 100 }, (_, index) => message(withBob, index + 1, `number ${index + 1}`));
  const alice = new Alice().knows({ ...withBob, readUpTo: 100, head: 100 }).opens({ ...withBob, readUpTo: 100, head: 100 }, many);
  alice.presses(key("page-up"));
  alice.hears(message(withBob, 101, "new one"));
  expect(alice.asked("mark-read")).toEqual([]);
  expect(shows(alice, "1 new below")).toBe(true);
  expect(shows(alice, "new one")).toBe(false);
  alice.presses(key("end", { ctrl: true }));
  expect(alice.asked("mark-read").map(({ sequence }) => sequence)).toEqual([101]);
  expect(shows(alice, "new one")).toBe(true);
});

test("older messages are fetched on the way up, once, and nothing jumps when they come", () => {
  const range = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => message(withBob, from + index, `number ${from + index}`));
  const known = { ...withBob, readUpTo: 200, head: 200 };
  const alice = new Alice().knows(known).opens(known, range(101, 200), true);
  expect(alice.asked("load-items").map(({ before }) => before)).toEqual([undefined]);
  for (let presses = 0; presses < 9; presses++) alice.presses(key("page-up"));
  expect(alice.asked("load-items").map(({ before }) => before)).toEqual([101]);
  const before = screenOf(alice);
  alice.does({ kind: "items", id: withBob.id, items: range(1, 100), more: false, newest: false });
  const numbers = (screen: string[]) => screen.flatMap((row) => /number \d+/u.exec(row)?.[0] ?? []);
  expect(numbers(screenOf(alice)).slice(-10)).toEqual(numbers(before).slice(-10));
});

test("a message can be selected, looked at and copied", () => {
  const alice = new Alice().knows(withBob).opens(withBob, [message(withBob, 1, "first"), message(withBob, 2, "second")]);
  alice.presses(key("up"), key("up"), "i");
  expect(shows(alice, "From      bob")).toBe(true);
  expect(shows(alice, "first")).toBe(true);
  alice.presses(key("escape"), "y");
  expect(alice.asked("copy").map((effect) => effect.text)).toEqual(["first"]);
});

test("a connection that is away shows after two seconds, not before", () => {
  const connection = { kind: "offline", since: morning, retryAt: morning, reason: "no-services", detail: "" } as const;
  const alice = new Alice().knows(withBob).does({ kind: "event", event: { kind: "connection", connection }, now: morning });
  expect(shows(alice, "no services available")).toBe(false);
  alice.does({ kind: "tick", now: morning + 2_000, serverAhead: 0 });
  expect(shows(alice, "Sorry, no services available")).toBe(true);
  alice.does({ kind: "event", event: { kind: "connection", connection: { kind: "online", server: "s", since: 0 } }, now: morning });
  expect(shows(alice, "Sorry")).toBe(false);
});

test("each conversation keeps what was being written", () => {
  const alice = new Alice().knows(withBob, withCarol).opens(withBob, []).presses("for bob");
  const back = key("tab", { shift: true });
  alice.presses(back, "for carol", back);
  expect(openChat(alice.state)!.editor.text).toBe("for bob");
  expect(alice.asked("draft").map(({ text: draft }) => draft)).toEqual(["for bob", "for carol"]);
  const later = new Alice().knows({ ...withBob, draft: "kept" }).opens({ ...withBob, draft: "kept" }, []);
  expect(openChat(later.state)!.editor.text).toBe("kept");
});

test("what the server refused comes back to be changed", () => {
  const alice = new Alice().knows(withBob).opens(withBob, []);
  alice.does({
    kind: "not-sent",
    id: withBob.id,
    text: "too long",
    files: [],
    sentence: "That is too large to send: make it shorter.",
    now: morning,
  });
  expect(openChat(alice.state)!.editor.text).toBe("too long");
  expect(shows(alice, "make it shorter")).toBe(true);
});

test("ticks are words without colour", () => {
  const alice = new Alice().knows(withBob).opens(withBob, [message(withBob, 1, "hello", { mine: true, status: "delivered" })]);
  expect(shows(alice, "✓✓")).toBe(true);
  alice.state = { ...alice.state, colour: false };
  expect(shows(alice, "delivered")).toBe(true);
  expect(shows(alice, "✓")).toBe(false);
});

test("slash commands complete and are told from messages", () => {
  const { state } = new Alice().knows(withBob, withCarol);
  expect(completed(state, editorOf("/o"))).toEqual(editorOf("/open "));
  expect(completed(state, editorOf("/open c"))).toEqual(editorOf("/open carol"));
  expect(completed(state, editorOf("/zzz"))).toEqual(editorOf("/zzz"));
  expect(parseSlash("hello /open")).toBeUndefined();
  expect(parseSlash("//open")).toBeUndefined();
  expect(parseSlash("/note two words")).toEqual({ kind: "command", command: "note", argument: "two words" });
  const alice = new Alice().knows(withBob).presses("/op", key("tab"), "bob", key("enter"));
  expect(alice.asked("open-direct")).toEqual([{ kind: "open-direct", name: "bob" }]);
});

test("an unknown command is said once, with the nearest ones", () => {
  const alice = new Alice().knows(withBob).opens(withBob, []).presses("/poeple");
  expect(shows(alice, "There is no /poeple: did you mean /people?")).toBe(true);
  alice.presses(key("enter"));
  expect(screenOf(alice).filter((row) => row.includes("/poeple"))).toEqual([
    expect.stringContaining("There is no /poeple: did you mean /people?"),
    expect.stringContaining("› /poeple"),
  ]);
  expect(alice.presses(key("tab")).state.open).toBe(withBob.id);
  expect(unknownCommand("sign")).toBe("There is no /sign: did you mean /signout?");
  expect(unknownCommand("frobnicate-all-of-them")).toBe("There is no /frobnicate-all-of-th…: /help lists what there is.");
});

test("an answer goes with the next key once it was seen, or with the chat; a warning stays its time", () => {
  const alice = new Alice().knows(withBob, withCarol).opens(withBob, []);
  const says = (text: string, tone: "error" | "warning" = "error") =>
    alice.does(
      tone === "error"
        ? { kind: "said", text, tone, now: morning }
        : { kind: "event", event: { kind: "warning", warning: "vault", text }, now: morning },
    );
  const types = (after: number) => alice.does({ kind: "key", key: text("x"), now: morning + after });
  says("No such user");
  expect(shows(types(100), "No such user")).toBe(true);
  expect(shows(types(1_000), "No such user")).toBe(false);
  const back = key("tab", { shift: true });
  says("No such user").presses(back);
  expect(alice.state.open).toBe(withCarol.id);
  expect(shows(alice, "No such user")).toBe(false);
  says("The server lied", "warning").presses(back);
  expect(shows(types(5_000), "The server lied")).toBe(true);
});

test("chats stand by their newest message, and notes to oneself last until there is one", () => {
  const self = talk(someone("alice", 9), { kind: "note-to-self", title: "Note to self", time: morning + 1_000 });
  const old = { ...withBob, last: message(withBob, 1, "old", { time: morning - 2_000 }), time: morning + 500 };
  const alice = new Alice().knows(self, withCarol, old);
  expect(alice.state.conversations.map(({ id }) => id)).toEqual([withCarol.id, old.id, self.id]);
  const written = { ...self, last: message(self, 1, "milk", { time: morning + 1 }) };
  expect(alice.knows(old, withCarol, written).state.conversations.map(({ id }) => id)).toEqual([self.id, withCarol.id, old.id]);
});

test("at the sign-in an error goes when something else is typed, a suggestion stays", () => {
  const refused = answered(initialSignIn("alice"), { text: "Wrong password: try again.", tone: "error" });
  expect(typeSignIn(refused, "x").state.answer).toBeUndefined();
  const weak = answered(initialSignIn("alice"), { text: "Take a longer one.", tone: "advice" });
  expect(typeSignIn(weak, "x").state.answer?.text).toBe("Take a longer one.");
});

test("/accept asks about no identity where none has changed", () => {
  const alice = new Alice().knows(withBob).opens(withBob, []).presses("/accept", key("enter"));
  expect([shows(alice, "There is nothing to accept here."), alice.state.overlay.kind]).toEqual([true, "none"]);
});

test("/accept goes on after two histories, or another identity, once it is confirmed", () => {
  const forked = talk(bob, { blocked: "forked" });
  const alice = new Alice().knows(forked).opens(forked, []);
  expect(shows(alice, "two histories of bob's account")).toBe(true);
  alice.presses("/accept", key("enter"));
  expect(shows(alice, "Go on with the history")).toBe(true);
  expect(alice.asked("accept-fork")).toEqual([]);
  alice.presses("y");
  expect(alice.asked("accept-fork")).toEqual([{ kind: "accept-fork", id: forked.id }]);
  const changed = talk(carol, { blocked: "identity-changed" });
  const other = new Alice().knows(changed).opens(changed, []).presses("/accept", key("enter"), "y");
  expect(other.asked("accept-identity")).toEqual([{ kind: "accept-identity", name: "carol" }]);
});

test("the switcher finds by letters in order, the best first", () => {
  const alice = new Alice().knows(withBob, withCarol).presses(key("k", { ctrl: true }), "c", "l", key("enter"));
  expect(alice.state.open).toBe(withCarol.id);
  expect(matchScore("carol", "xyz")).toBeUndefined();
  expect(matchScore("bob", "bob")!).toBeGreaterThan(matchScore("bobby", "bob")!);
  alice.presses(key("k", { ctrl: true }), "z", "e", "d", key("enter"));
  expect(alice.asked("open-direct")).toEqual([{ kind: "open-direct", name: "zed" }]);
});

test("keys can be chosen, and wrong choices are said", () => {
  const { keymap, faults } = readKeymap('{"quit": ["ctrl+x"], "dance": ["d"], "help": "h"}');
  expect([keymap.get("ctrl+x"), keymap.get("ctrl+q"), keymap.get("f1")]).toEqual(["quit", undefined, "help"]);
  expect(faults.length).toBe(2);
  expect(readKeymap("{").faults.length).toBe(1);
});

test("a pasted text keeps its lines, and one that is too long changes nothing", () => {
  const alice = new Alice().knows(withBob).opens(withBob, []);
  alice.does({ kind: "paste", text: "one\r\ntwo\rthree", now: morning });
  expect(openChat(alice.state)!.editor.text).toBe("one\ntwo\nthree");
  alice.does({ kind: "paste", text: "x".repeat(70_000), now: morning });
  expect(openChat(alice.state)!.editor.text).toBe("one\ntwo\nthree");
  expect(shows(alice, "64 KiB")).toBe(true);
});

test("keys that come in one piece are taken one by one", async () => {
  const { keysOf } = await import("./input.ts");
  const none = Object.fromEntries(
    [
      "upArrow",
      "downArrow",
      "leftArrow",
      "rightArrow",
      "pageDown",
      "pageUp",
      "home",
      "end",
      "return",
      "escape",
      "ctrl",
      "shift",
      "tab",
      "backspace",
      "delete",
      "meta",
      "super",
      "hyper",
      "capsLock",
      "numLock",
    ].map((name) => [name, false]),
  ) as unknown as Parameters<typeof keysOf>[1];
  expect(keysOf("hi 漢\r", none)).toEqual([text("hi 漢"), key("enter")]);
  expect(keysOf("a", { ...none, meta: true })).toEqual([key("a", { alt: true })]);
});

test("[A5] what to do stands at the end of a warning, and is there on a screen of usual width", () => {
  const text =
    'A new device signed in to your account. If that was not you, revoke it, and replace all that opens your account (passwd --somebody-knows). It calls itself "Terminal on kitchen-pc".';
  const alice = new Alice().knows(withBob).opens(withBob, []);
  alice.does({ kind: "event", event: { kind: "warning", warning: "new-device", text, device: bob.account as never }, now: morning });
  expect(shows(alice, "where x revokes.")).toBe(true);
});
