import { expect, test } from "vitest";
import { changesWithTime } from "./remaining.ts";
import { openChat, serverTimeIn } from "./state.ts";
import { Alice, chess, enter, group, inGroup, key, message, morning, notice, rowWith, shows, talk, bob, withBob } from "./test-state.ts";

const HOUR = 3_600_000;
const wide = { columns: 120, rows: 30 };
const inBobs = (more: Parameters<typeof talk>[1] = {}, size = wide): Alice => {
  const conversation = talk(bob, more);
  return new Alice(size).knows(conversation).opens(conversation, []);
};
const typed = (alice: Alice, line: string): Alice => alice.presses(line, enter);

test("[H4] /expire sets it for everybody, after a question that says what it deletes", () => {
  const alice = typed(inBobs(), "/expire 1d");
  expect(alice.asked("set-retention")).toEqual([]);
  const { overlay } = alice.state;
  expect(overlay.kind === "confirm" && overlay.question).toMatch(
    /^Messages that disappear protect .* Delete messages here 1 day after .*older now\?$/u,
  );
  expect(shows(alice, "y  yes")).toBe(true);
  alice.presses("y");
  expect(alice.asked("set-retention")).toEqual([{ kind: "set-retention", id: withBob.id, seconds: 86_400, line: "/expire 1d" }]);
  typed(alice, "/expire off");
  expect(alice.asked("set-retention")).toEqual([{ kind: "set-retention", id: withBob.id, seconds: 0, line: "/expire off" }]);
});

test("[H4] /expire mine is for what one writes oneself, and one message can have its own", () => {
  const alice = typed(inBobs(), "/expire mine 1h");
  expect(alice.asked("set-timer")).toEqual([{ kind: "set-timer", id: withBob.id, seconds: 3_600, line: "/expire mine 1h" }]);
  typed(alice, "/expire 30s burn  this");
  expect(alice.asked("send")).toEqual([
    { kind: "send", id: withBob.id, text: "burn  this", expiresAfter: 30, line: "/expire 30s burn  this" },
  ]);
  typed(alice, "/expire off keep this");
  expect(alice.asked("send")).toMatchObject([{ text: "keep this", expiresAfter: 0 }]);
  // What is refused comes back with its lifetime.
  alice.does({ kind: "not-sent", id: withBob.id, text: "/expire 30s burn  this", files: [], sentence: "The disk is full.", now: morning });
  expect(openChat(alice.state)!.editor.text).toBe("/expire 30s burn  this");
});

test("the first one in a session is told how far that goes, and no other", () => {
  const alice = typed(inBobs(), "/expire 1h first");
  expect(shows(alice, "protect from people who look later")).toBe(true);
  alice.does({ kind: "tick", now: morning + 10_000, serverAhead: 0 });
  typed(alice, "/expire 1h second");
  expect(shows(alice, "protect from people")).toBe(false);
  expect(alice.asked("send").length).toBe(2);
});

test("/expire alone says how it stands; what is no time, and what is not one's to set, stays in the field", () => {
  const alice = typed(inBobs({ retentionSeconds: 86_400, timerSeconds: 3_600 }), "/expire");
  expect(shows(alice, "Messages here disappear 1 day after they were sent, for everybody.")).toBe(true);
  for (const line of ["/expire 30", "/expire soon", "/expire mine", "/expire mine 2000d", "/expire 2000d too long for one"]) {
    const other = typed(inBobs(), line);
    expect([line, openChat(other.state)!.editor.text, other.asked("set-timer"), other.asked("send")]).toEqual([line, line, [], []]);
    expect(shows(other, "a time from 1s to")).toBe(true);
  }
  const member = group("Chess club", [bob], { group: { role: "member" } });
  const inClub = typed(inGroup(member), "/expire 1d");
  expect(shows(inClub, "Only an admin")).toBe(true);
  const request = talk(bob, { request: true });
  const requests = { count: 1, conversations: [request] };
  const stranger = typed(new Alice(wide).does({ kind: "requests", requests }).opens(request, []), "/expire 1h hello");
  expect([shows(stranger, "/accept first"), stranger.asked("send")]).toEqual([true, []]);
  expect(shows(typed(new Alice(), "/expire 1d"), "Open a chat first")).toBe(true);
});

test("[H4] the header says after which time messages are gone, the line above the field what becomes of one's own", () => {
  const both = { retentionSeconds: 604_800, timerSeconds: 3_600 };
  expect(rowWith(inBobs(both), "online")).toContain("· messages disappear after 7 days");
  expect(shows(inBobs(both), "◔ What you write here disappears 1 hour after it was read.")).toBe(true);
  expect(rowWith(inBobs(both, { columns: 56, rows: 20 }), "online")).toMatch(/· disappear after 7 days +not verified $/u);
  expect(rowWith(inBobs(both, { columns: 40, rows: 20 }), "online")).toMatch(/· ◔ 7d +not verified $/u);
  expect(rowWith(inGroup({ ...chess, ...both }), "3 members")).toContain("· messages disappear after 7 days");
  expect(shows(inBobs(), "disappear")).toBe(false);
});

test("[H4] beside a message stands how long it lives, and at its end it is gone, whatever this machine's clock says", () => {
  const ahead = -5 * HOUR;
  const server = morning + ahead;
  const alice = inBobs().does({ kind: "tick", now: morning, serverAhead: ahead });
  alice.does({
    kind: "items",
    id: withBob.id,
    items: [
      message(withBob, 1, "for ever"),
      message(withBob, 2, "counting", { expiresAfter: 3_600, expires: server + 59.5 * 60_000 }),
      message(withBob, 3, "to be read", { mine: true, expiresAfter: 7_200 }),
      message(withBob, 4, "soon", { expires: server + 2_000 }),
      notice(withBob, 5, "policy", "bob set messages to disappear after 1 day."),
    ],
    more: false,
    newest: true,
  });
  expect(rowWith(alice, "for ever")).not.toContain("◔");
  expect(rowWith(alice, "counting").trimEnd()).toMatch(/◔ 59m$/u);
  expect(rowWith(alice, "to be read").trimEnd()).toMatch(/◔ +2h ✓✓$/u);
  expect(rowWith(alice, "soon").trimEnd()).toMatch(/◔ +2s$/u);
  alice.presses(key("up"), "i");
  expect(rowWith(alice, "Ends")).toContain("in 2s, ");
  alice.presses(key("escape"));

  const at = (seconds: number) => [alice.state, morning + 1_000 * seconds, ahead] as const;
  expect([changesWithTime(...at(0)), changesWithTime(...at(1)), changesWithTime(...at(2))]).toEqual([false, true, true]);
  alice.does({ kind: "tick", now: morning + 2_000, serverAhead: ahead });
  expect([shows(alice, "soon"), shows(alice, "counting")]).toEqual([false, true]);
  expect(serverTimeIn(alice.state)).toBe(server + 2_000);
  alice.does({ kind: "event", event: { kind: "expired", conversation: withBob.id, sequences: [2] }, now: morning });
  expect([shows(alice, "counting"), shows(alice, "to be read"), shows(alice, "bob set messages")]).toEqual([false, true, true]);
});

test("[H4] without colour the same is said in words", () => {
  const alice = inBobs({ retentionSeconds: 86_400 }, { columns: 48, rows: 20 });
  alice.state = { ...alice.state, colour: false };
  alice.does({ kind: "items", id: withBob.id, items: [message(withBob, 1, "soon", { expiresAfter: 60 })], more: false, newest: true });
  expect(rowWith(alice, "soon").trimEnd()).toMatch(/gone in +1m$/u);
  expect(rowWith(alice, "bob")).toMatch(/· gone after 1d +not verified $/u);
  expect(shows(alice, "◔")).toBe(false);
});

test("[H4] news of a message that is over is no news", () => {
  const alice = new Alice(wide).knows(withBob, chess).opens(chess, []);
  alice.hears(message(withBob, 1, "burn after reading", { expiresAfter: 1 }));
  expect(shows(alice, "bob: burn after reading")).toBe(true);
  alice.does({ kind: "event", event: { kind: "expired", conversation: withBob.id, sequences: [1] }, now: morning });
  expect(shows(alice, "burn after reading")).toBe(false);
});
