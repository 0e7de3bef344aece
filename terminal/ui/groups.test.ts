import type { Receipt } from "@fastchat/client";
import type { ConversationId } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { openChat } from "./state.ts";
import {
  Alice,
  altM,
  bob,
  carol,
  chess,
  enter,
  group,
  inGroup,
  key,
  message,
  morning,
  notice,
  openGroup,
  rowWith,
  screenOf,
  shows,
  someone,
  styles,
  wide,
  withBob,
} from "./test-state.ts";

test("a group stands in the list with its mark, its title, and who said what", () => {
  const alice = new Alice(wide).knows({ ...chess, unread: 3, last: message(chess, 1, "checkmate", { by: carol }) }, withBob);
  expect(rowWith(alice, "# Chess club")).toContain("carol:");
  expect(rowWith(alice, "# Chess club")).toMatch(/3 │/u);
  alice.knows({ ...chess, typing: ["bob"] }, withBob);
  expect(rowWith(alice, "# Chess club")).toContain("bob is ty");
});

test("unread messages are counted up to 999, mentions have a mark, and what is muted is dim", () => {
  const alice = new Alice(wide).knows({ ...chess, unread: 1_000, mentions: 2 }).opens(withBob, []);
  expect(rowWith(alice, "# Chess club")).toContain("@ 999+");
  alice.knows({ ...chess, unread: 999 });
  expect(rowWith(alice, "# Chess club")).toMatch(/ 999 /u);
  expect(styles(alice, "Chess club")).toContain("unread");
  alice.knows({ ...chess, unread: 5, mute: "all" });
  expect(rowWith(alice, "# Chess club")).toContain("~ 5");
  expect(styles(alice, "Chess club")).not.toContain("unread");
  alice.knows({ ...chess, unread: 5, mentions: 1, mute: "except-mentions" });
  expect(styles(alice, "Chess club")).toContain("unread");
  // Without colour a word says it.
  alice.state = { ...alice.state, colour: false };
  expect(rowWith(alice, "# Chess club")).toContain("muted @ 5");
});

test("the header says how many there are and who is typing", () => {
  const alice = inGroup();
  const typing = (...names: string[]) => alice.does({ kind: "conversation", conversation: { ...chess, typing: names } });
  expect(rowWith(alice, "3 members")).toContain("# Chess club  3 members");
  expect(shows(typing("bob"), "· bob is typing…")).toBe(true);
  expect(shows(typing("bob", "carol"), "· bob and carol are typing…")).toBe(true);
  expect(shows(typing("bob", "carol", "dave"), "· 3 people are typing…")).toBe(true);
});

test("mentions stand out, and those of oneself most", () => {
  const said = { mentions: ["alice", "carol"], mentionsMe: true };
  const alice = new Alice().knows(chess).opens(chess, [message(chess, 1, "@alice and @carol, not @zoe", said)]);
  expect(styles(alice, "@alice")).toEqual(["mention-me"]);
  expect(styles(alice, "@carol")).toEqual(["mention"]);
  expect(styles(alice, "@zoe")).toEqual([]);
  expect(shows(alice, "@alice and @carol, not @zoe")).toBe(true);
});

test("a mention that is broken over rows, behind tabs and controls, loses and doubles nothing", () => {
  const long = someone("a".repeat(32), 9);
  const words = `x\ty \u001b @${long.name} @alice`;
  const said = { mentions: [long.name, "alice"], mentionsMe: true };
  const alice = new Alice({ columns: 24, rows: 20 }).knows(chess).opens(chess, [message(chess, 1, words, said)]);
  const all = screenOf(alice)
    .map((row) => row.trim())
    .join("");
  expect(all).toContain(`x    y ␛@${long.name} @alice`);
});

test("what happened to the group is told calmly", () => {
  const alice = new Alice()
    .knows(chess)
    .opens(chess, [
      notice(chess, 1, "membership", "alice added carol."),
      notice(chess, 2, "role", "alice made carol an admin."),
      notice(chess, 3, "profile", "alice renamed the group."),
      notice(chess, 4, "policy", "Only admins write now."),
    ]);
  for (const words of ["alice added carol.", "alice made carol an admin.", "alice renamed the group.", "Only admins write now."])
    expect(styles(alice, `· ${words}`)).toEqual(["dim"]);
});

test("news of a group name it, and a muted one gives none but mentions where it may", () => {
  const alice = new Alice().knows(chess, withBob).opens(withBob, []);
  alice.hears(message(chess, 1, "checkmate"));
  expect(shows(alice, "Chess club · bob: checkmate")).toBe(true);
  const muted = new Alice().knows({ ...chess, mute: "all" }, withBob).opens(withBob, []);
  muted.hears(message(chess, 1, "@alice look", { mentions: ["alice"], mentionsMe: true }));
  expect(muted.state.news).toBeUndefined();
  const partly = new Alice().knows({ ...chess, mute: "except-mentions" }, withBob).opens(withBob, []);
  expect(partly.hears(message(chess, 1, "nothing")).state.news).toBeUndefined();
  partly.hears(message(chess, 2, "@alice look", { mentions: ["alice"], mentionsMe: true }));
  expect(shows(partly, "@ Chess club · bob: @alice look")).toBe(true);
});

test("Alt+a goes to what calls before it goes to what is muted", () => {
  const muted = group("Noise", [bob], { unread: 40, mute: "all", time: morning + 10, number: 2 });
  const alice = new Alice().knows(muted, { ...withBob, unread: 1 });
  alice.presses(key("a", { alt: true }));
  expect(alice.state.open).toBe(withBob.id);
  alice.does({ kind: "conversation", conversation: withBob }).presses(key("a", { alt: true }));
  expect(alice.state.open).toBe(muted.id);
});

test("whoever is removed is put out of the open chat and told by whom, until a key", () => {
  const alice = inGroup().presses("half a word");
  const out = { ...chess, blocked: "out", group: { ...chess.group, role: undefined, ended: { how: "removed", by: "bob" } } } as const;
  alice.does({ kind: "conversation", conversation: out });
  expect(alice.state.open).toBeUndefined();
  expect(shows(alice, "bob removed you from Chess club.")).toBe(true);
  alice.does({ kind: "tick", now: morning + 3_600_000, serverAhead: 0 });
  expect(shows(alice, "bob removed you from Chess club.")).toBe(true);
  // Nothing else takes its place meanwhile.
  alice.does({ kind: "said", text: "Not sent.", tone: "error", now: morning + 3_600_000 });
  expect(shows(alice, "bob removed you from Chess club.")).toBe(true);
  // It is still there, can be read, and says why nothing can be written.
  alice.does({ kind: "key", key: enter, now: morning + 3_601_000 });
  expect(alice.state.open).toBe(chess.id);
  expect(shows(alice, "removed you from")).toBe(false);
  expect(shows(alice, "bob removed you: nothing can be written here.")).toBe(true);
  expect(openChat(alice.state)!.editor.text).toBe("half a word");
  alice.presses(enter);
  expect([alice.asked("send"), openChat(alice.state)!.editor.text]).toEqual([[], "half a word"]);
  // Opening it again puts nobody out.
  alice.does({ kind: "conversation", conversation: { ...out, head: 9 } });
  expect(alice.state.open).toBe(chess.id);
});

test("another device of one's own that left puts one out, too", () => {
  const alice = inGroup(chess, [bob, carol], wide).presses(altM);
  alice.does({
    kind: "conversation",
    conversation: { ...chess, blocked: "out", group: { ...chess.group, role: undefined, ended: { how: "left", by: "alice" } } },
  });
  expect([alice.state.open, alice.state.overlay.kind]).toEqual([undefined, "none"]);
  expect(shows(alice, "You left Chess club.")).toBe(true);
});

test("where only admins write the field says so, and nothing goes out", () => {
  const alice = inGroup({ ...chess, blocked: "announce-only", group: { ...chess.group, role: "member", mayWrite: false } });
  expect(rowWith(alice, "›")).toContain("Only admins write here.");
  alice.presses("hello", enter);
  expect([alice.asked("send"), alice.asked("typing"), openChat(alice.state)!.editor.text]).toEqual([[], [], "hello"]);
  expect(shows(alice, "Only admins write here.")).toBe(true);
});

test("the title of a group opens it, and never takes the place of a person", () => {
  const alice = new Alice().knows(chess, withBob).presses("chess CLUB", enter);
  expect(alice.state.open).toBe(chess.id);
  const named = group("dave", [bob], { number: 2 });
  const other = new Alice().knows(named).presses("dave", enter);
  expect([other.state.open, other.asked("open-direct")]).toEqual([undefined, [{ kind: "open-direct", name: "dave", orGroup: named.id }]]);
});

test("a new key that is being sealed shows how far it is, and is gone when it is done", () => {
  const alice = inGroup();
  const seals = (done: number, conversation = chess.id) =>
    alice.does({ kind: "event", event: { kind: "sealing", conversation, done, total: 1_000 }, now: morning });
  expect(shows(seals(400), "Sealing a new key to 1,000 members… 40 %")).toBe(true);
  expect(shows(seals(1_000), "Sealing")).toBe(false);
  // Of another chat it is none of one's business, but of a group that is only being made.
  expect(shows(seals(10, withBob.id), "Sealing")).toBe(false);
  expect(shows(seals(990, "f".repeat(64) as ConversationId), "99 %")).toBe(true);
});

test("receipts say who has read and who has received, ten of each and how many more", () => {
  const mine = message(chess, 5, "hello", { mine: true, status: "delivered" });
  const alice = new Alice(wide).knows(chess).opens(chess, [mine]).presses(key("up"), "i");
  expect(alice.asked("load-receipts").map((effect) => effect.message.id)).toEqual([mine.id]);
  expect(shows(alice, "One moment…")).toBe(true);
  const receipt = (name: string, delivered: number, read: number): Receipt => ({
    account: someone(name, 50).account,
    name,
    delivered,
    read,
  });
  const readers = Array.from({ length: 12 }, (_, index) => receipt(`reader${index}`, 9, 5));
  alice.does({
    kind: "receipts",
    message: mine.id,
    receipts: [receipt("alice", 9, 9), ...readers, receipt("carol", 5, 4), receipt("dave", 4, 4)],
  });
  const all = screenOf(alice)
    .map((row) => row.slice(31))
    .join(" ")
    .replaceAll(/\s+/gu, " ");
  expect(all).toContain("Read by reader0, reader1, reader2, reader3, reader4, reader5, reader6, reader7, reader8, reader9 and 2 more");
  expect(all).toContain("Received carol");
  expect(all).not.toContain("dave");
  const others = new Alice()
    .knows(chess)
    .opens(chess, [message(chess, 1, "theirs")])
    .presses(key("up"), "i");
  expect([others.asked("load-receipts"), shows(others, "Read by")]).toEqual([[], false]);
});

test("a change of the open group reads its members again, and one of another does not", () => {
  const alice = inGroup();
  alice.asked("load-group");
  alice.hears(notice(chess, 3, "membership", "bob removed carol."));
  expect(alice.asked("load-group").map(({ id }) => id)).toEqual([chess.id]);
  alice.does({ kind: "conversation", conversation: { ...chess, head: 4 } });
  expect(alice.asked("load-group")).toEqual([]);
  alice.does({ kind: "conversation", conversation: { ...chess, group: { ...chess.group, memberCount: 2 } } });
  expect(alice.asked("load-group").length).toBe(1);
  const other = group("Other", [bob], { number: 2 });
  alice.hears(notice(other, 1, "membership", "bob added you."));
  expect(alice.asked("load-group")).toEqual([]);
  // Members that arrive when the chat was left are not taken for those of the next one.
  alice.presses(key("tab"));
  alice.does({ kind: "group", group: openGroup(chess, [bob]) });
  expect(alice.state.group).toBeUndefined();
});

test("what the policy deleted is gone from the screen, and reading goes on behind it", () => {
  const many = Array.from({ length: 60 }, (_, index) => message(chess, index + 1, `number ${index + 1}.`));
  const alice = inGroup().does({
    kind: "items",
    id: chess.id,
    items: [notice(chess, 2, "membership", "alice added carol."), ...many],
    more: false,
    newest: true,
  });
  for (let presses = 0; presses < 5; presses++) alice.presses(key("page-up"));
  expect(shows(alice, "number 20.")).toBe(true);
  alice.does({ kind: "event", event: { kind: "deleted", conversation: chess.id, upTo: 40 }, now: morning });
  expect([shows(alice, "number 20."), shows(alice, "number 40."), shows(alice, "number 41.")]).toEqual([false, false, true]);
  // Links are never deleted.
  expect(shows(alice, "alice added carol.")).toBe(true);
  alice.presses(key("end", { ctrl: true }), key("up"), "i");
  expect(shows(alice, "number 60.")).toBe(true);
  alice.does({ kind: "event", event: { kind: "deleted", conversation: chess.id, upTo: 60 }, now: morning });
  expect([shows(alice, "number 60."), alice.state.overlay.kind, openChat(alice.state)!.selected]).toEqual([false, "none", undefined]);
});
