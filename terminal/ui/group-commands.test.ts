import type { GroupInvitation } from "@fastchat/client";
import { expect, test } from "vitest";
import { type Branch, commands } from "../commands/tree.ts";
import { completed } from "./complete.ts";
import { editorOf } from "./editor.ts";
import { onScreen } from "./run-group.ts";
import { splitWords } from "./slash.ts";
import { openChat } from "./state.ts";
import {
  Alice,
  altM,
  bob,
  carol,
  chess,
  dave,
  enter,
  erin,
  group,
  inGroup,
  key,
  message,
  morning,
  openGroup,
  rowWith,
  screenOf,
  shows,
  someone,
  tab,
  wide,
  withBob,
} from "./test-state.ts";

test("who is no admin is not offered what only admins do", () => {
  const plain = { ...chess, group: { ...chess.group, role: "member", mayAdd: false, mayChangeProfile: false } as const };
  const alice = inGroup(plain, [bob, carol], wide).presses(altM, "p", "d", "x");
  expect(alice.asked("change-group")).toEqual([]);
  expect([shows(alice, "x remove"), shows(alice, "v verify")]).toEqual([false, true]);
  alice.presses(key("escape"));
  for (const line of ["/add dave", "/remove bob", "/promote bob", "/rename X", "/policy write admins", "/link"]) {
    alice.presses(line, enter);
    expect(alice.state.flash?.text).toMatch(/^Only an admin can /u);
    expect(openChat(alice.state)!.editor.text).toBe(line);
    alice.presses(key("u", { ctrl: true }));
  }
  expect(alice.asked("change-group")).toEqual([]);
  alice.presses("/add dave", enter);
  expect(shows(alice, "Only an admin can add or remove members.")).toBe(true);
  alice.presses(key("u", { ctrl: true }), "/");
  expect(["/add", "/promote", "/link"].some((command) => shows(alice, ` ${command} `))).toBe(false);
  alice.presses(key("u", { ctrl: true }), key("f1"));
  expect(screenOf(alice.presses(...Array.from({ length: 4 }, () => key("page-down")))).join("\n")).not.toContain("Make members admins");
  // The policy may let members add.
  const open = inGroup({ ...plain, group: { ...plain.group, mayAdd: true } }).presses("/add dave", enter);
  expect(open.asked("change-group").map(({ change }) => change)).toEqual([{ kind: "add", names: ["dave"] }]);
  open.presses("/remove bob", enter);
  expect(shows(open, "Only an admin can remove members.")).toBe(true);
});

test("/group makes one, with a name of several words and members by name", () => {
  const alice = new Alice().knows(withBob).presses('/group "Chess club" @Bob carol', enter);
  expect(alice.asked("create-group")).toEqual([
    { kind: "create-group", name: "Chess club", members: ["bob", "carol"], line: '/group "Chess club" @Bob carol' },
  ]);
  for (const [line, words] of [
    ["/group Chess", "Say how it is called and who is in it"],
    ['/group "Chess bob', "A quote is not closed."],
  ] as const) {
    alice.presses(line, enter);
    expect(shows(alice, words)).toBe(true);
    expect(alice.state.homeEditor.text).toBe(line);
    alice.presses(key("u", { ctrl: true }));
  }
  expect(alice.asked("create-group")).toEqual([]);
  expect(splitWords('one "two three"  four ""')).toEqual(["one", "two three", "four", ""]);
});

test("what the server refuses comes back to be mended", () => {
  const alice = inGroup().presses("/add nobody", enter);
  const [{ line } = { line: "" }] = alice.asked("change-group");
  alice.does({ kind: "refused", line: line!, sentence: "No such user.", now: morning });
  expect([openChat(alice.state)!.editor.text, shows(alice, "No such user.")]).toEqual(["/add nobody", true]);
  // What was begun meanwhile is left alone.
  alice.presses(key("u", { ctrl: true }), "hello").does({ kind: "refused", line: line!, sentence: "No such user.", now: morning });
  expect(openChat(alice.state)!.editor.text).toBe("hello");
});

test("a long answer is shown whole, in as many rows as it needs", () => {
  const words = "This invitation is used up, has expired or was taken back: ask an admin of the group for another.";
  const alice = inGroup(chess, [bob], { columns: 80, rows: 24 }).does({ kind: "said", text: words, tone: "error", now: morning });
  expect(
    screenOf(alice)
      .map((row) => row.split("│").at(-1)!.trim())
      .join(" "),
  ).toContain(words);
  alice.does({ kind: "resize", columns: 80, rows: 10 });
  expect(shows(alice, "This invitation is used up")).toBe(true);
});

test("commands of groups change the open one", () => {
  const alice = inGroup();
  const changes = (line: string) =>
    alice
      .presses(line, enter)
      .asked("change-group")
      .map(({ change }) => change);
  expect(changes("/add dave erin")).toEqual([{ kind: "add", names: ["dave", "erin"] }]);
  expect(changes("/remove @bob, carol")).toEqual([{ kind: "remove", names: ["bob", "carol"] }]);
  expect(changes("/promote carol")).toEqual([{ kind: "role", names: ["carol"], role: "admin" }]);
  expect(changes("/demote bob")).toEqual([{ kind: "role", names: ["bob"], role: "member" }]);
  expect(changes('/rename "Chess  club"')).toEqual([{ kind: "profile", name: "Chess  club" }]);
  expect(changes("/describe On Mondays, at nine")).toEqual([{ kind: "profile", description: "On Mondays, at nine" }]);
  expect(changes('/describe ""')).toEqual([{ kind: "profile", description: "" }]);
  for (const [line, words] of [
    ["/add bob", "bob is in this group already."],
    ["/remove dave", "dave is not in this group"],
    ["/remove alice", "/leave leaves the group."],
    ["/promote", "Say who: /promote NAME…."],
  ] as const) {
    expect(changes(line)).toEqual([]);
    expect(shows(alice, words)).toBe(true);
    alice.presses(key("u", { ctrl: true }));
  }
});

test("what is for groups says so in a chat of two, and where none is open", () => {
  const alice = new Alice().knows(withBob, chess).opens(withBob, []);
  for (const line of ["/add carol", "/members", "/info", "/policy", "/link", "/rename X"]) {
    alice.presses(line, enter);
    expect(alice.state.flash?.text).toBe(`${line.split(" ")[0]} is for groups, and this is none. /group NAME bob MEMBER… makes one.`);
    alice.presses(key("u", { ctrl: true }));
  }
  expect(shows(alice.presses(altM), "/members is for groups")).toBe(true);
  const home = new Alice().knows(withBob).presses("/add carol", enter);
  expect(shows(home, "/add is for groups: open one first.")).toBe(true);
  // In a chat of two it goes back to the list, as ever.
  expect(alice.presses("/leave", enter).state.open).toBeUndefined();
});

test("/leave asks first, says who becomes admin, and takes a successor", () => {
  const admins = openGroup(chess, [bob, carol]);
  const alice = inGroup().does({ kind: "group", group: admins }).presses("/leave", enter);
  expect(shows(alice, "Leave Chess club for good?")).toBe(true);
  expect(
    screenOf(alice)
      .join(" ")
      .replaceAll(/\s+│?\s*/gu, " "),
  ).toContain("You are its last admin");
  alice.presses("n");
  expect(alice.asked("change-group")).toEqual([]);
  alice.presses("/leave carol", enter, "y");
  expect(alice.asked("change-group").map(({ change }) => change)).toEqual([{ kind: "leave", successor: "carol" }]);
});

test("@ and Tab complete a member's name, wherever the cursor is", () => {
  const alice = inGroup().presses("hello @");
  expect(rowWith(alice, "Tab")).toContain("bob carol");
  alice.presses("c", tab);
  expect(openChat(alice.state)!.editor.text).toBe("hello @carol ");
  alice.presses("!", key("a", { ctrl: true }), "@bo", tab);
  expect(openChat(alice.state)!.editor).toMatchObject({ text: "@bob hello @carol !", cursor: 5 });
  // An address is none, nor is what nobody is called.
  expect(completed(alice.state, editorOf("me@bo"))).toEqual(editorOf("me@bo"));
  alice.presses(key("u", { ctrl: true }), "@zzz", tab);
  expect([alice.state.open, openChat(alice.state)!.editor.text]).toEqual([chess.id, "@zzzhello @carol !"]);
});

test("a second Tab neither leaves the chat nor takes another name", () => {
  const alice = inGroup().does({ kind: "people", people: [bob, carol, dave, erin] });
  alice.presses("hi @c", tab, tab);
  expect([alice.state.open, openChat(alice.state)!.editor.text]).toEqual([chess.id, "hi @carol "]);
  alice.presses(key("u", { ctrl: true }), "/add e", tab, tab);
  expect(openChat(alice.state)!.editor.text).toBe("/add erin ");
  expect(rowWith(alice, "dave")).not.toContain("Tab");
  expect(alice.presses(key("u", { ctrl: true }), tab).state.open).toBe(withBob.id);
});

const letters = (word: string): string[] => word.split("");

test("a command that is typed over a panel goes whole to the field, and does nothing to anybody", () => {
  const asked = { ...chess, group: { ...chess.group, joinRequests: 1 } };
  const askers = [{ person: dave, by: "invitation", time: morning } as const];
  for (const opening of ["/info", "/policy", "/help", "/members", "/requests"]) {
    const alice = inGroup(asked, [bob, carol], wide, { askers }).presses(opening, enter, ...letters("/leave"));
    expect([opening, alice.state.overlay.kind, openChat(alice.state)!.editor.text]).toEqual([opening, "none", "/leave"]);
    expect([alice.asked("change-group"), alice.presses(enter).asked("send")]).toEqual([[], []]);
  }
  const reading = inGroup()
    .hears(message(chess, 1, "hello"))
    .presses(key("up"), "i", ...letters("/leave"));
  expect(openChat(reading.state)!.editor.text).toBe("/leave");
});

test("a command of the shell is named as it is on the screen, and makes no group", () => {
  expect(Object.keys(onScreen).toSorted()).toEqual(Object.keys((commands["group"] as Branch).commands).toSorted());
  const alice = new Alice().knows(withBob);
  for (const [line, words] of [
    ["/group create bob carol", 'On the screen it is /group "Chess club" bob carol.'],
    ["/group join https://chat.example/join#x", "On the screen it is /join LINK|NAME."],
    ["/group approve bob", "On the screen it is /requests."],
    ["/kick bob", "There is no /kick: did you mean /remove?"],
    ["/invite bob", "There is no /invite: did you mean /link?"],
  ] as const) {
    expect(alice.presses(line, enter).state.flash?.text).toContain(words);
    alice.presses(key("u", { ctrl: true }));
  }
  expect(alice.asked("create-group")).toEqual([]);
  expect(alice.presses('/group "create" bob', enter).asked("create-group").length).toBe(1);
});

test("/open takes person: and group:, and of several groups of one name lets one choose", () => {
  const named = (number: number, more: Parameters<typeof group>[2] = {}) => group("bob", [carol], { number, ...more });
  const one = new Alice().knows(withBob, named(1)).presses("/open group:bob", enter);
  expect(one.state.open).toBe(named(1).id);
  one.presses("/open person:bob", enter);
  expect(one.asked("open-direct")).toEqual([{ kind: "open-direct", name: "bob" }]);
  expect(one.presses("/open group:carol", enter).state.flash?.text).toBe('There is no group "carol" here.');
  const left = named(2, { group: { role: undefined, ended: { how: "left", by: "alice" } } });
  const clubs = [group("Old club", [bob], { number: 3, group: left.group }), group("Old club", [bob], { number: 4 })];
  expect(new Alice().knows(...clubs).presses("/open old club", enter).state.open).toBe(clubs[1]!.id);
  const twins = [group("Old club", [bob], { number: 3 }), clubs[1]!];
  for (const line of ["/open old club", "/open group:old club"]) {
    const { overlay } = new Alice().knows(...twins).presses(line, enter).state;
    expect(overlay).toMatchObject({ kind: "switcher", editor: { text: "old club" } });
  }
});

test("a group that one is out of is marked as such, and nothing is sent there", () => {
  for (const how of ["left", "removed"] as const) {
    const out = group("Chess club", [bob], { blocked: "out", group: { role: undefined, ended: { how, by: "bob" } } });
    const alice = inGroup(out, [bob], wide);
    expect([screenOf(alice).join("\n").split(`(${how})`).length, shows(alice, "Enter send")]).toEqual([3, false]);
  }
});

test("/requests shows strangers' requests to who may let nobody in", () => {
  const plain = { ...chess, group: { ...chess.group, role: "member", mayAdd: false } as const };
  const alice = inGroup(plain).presses("/requests", enter);
  expect([alice.state.overlay.kind, alice.state.flash]).toEqual(["requests", undefined]);
});

test("on a narrow screen the way back stays in the last row, and rules are shown whole", () => {
  const alice = inGroup(chess, [bob, carol], { columns: 30, rows: 60 });
  expect(screenOf(alice).at(-1)).toContain("? help");
  expect(screenOf(alice.presses(altM)).at(-1)).toContain("Esc back");
  const words = screenOf(alice.presses(key("escape"), "/policy", enter))
    .join(" ")
    .replaceAll(/\s+/gu, " ");
  for (const piece of ["/policy newcomers nothing | everything | now | TIME", "which time messages are deleted"])
    expect(words).toContain(piece);
  expect(screenOf(alice).at(-1)).toContain("Esc back");
});

test("what was refused before is gone when the next line is submitted", () => {
  const alice = inGroup().presses("/nothing", enter);
  expect(shows(alice, "There is no /nothing")).toBe(true);
  alice.presses(key("u", { ctrl: true }), "/add dave", enter);
  expect([alice.state.flash, alice.asked("change-group").length]).toEqual([undefined, 1]);
});

test("commands complete names: members, people who are none, several, and behind a name in quotes", () => {
  const { state } = inGroup().does({ kind: "people", people: [bob, carol, dave, erin, someone("eric", 5, { blocked: true })] });
  const tabbed = (typed: string): string => completed(state, editorOf(typed)).text;
  expect(tabbed("/remove c")).toBe("/remove carol ");
  expect(tabbed("/add b")).toBe("/add b");
  expect(tabbed("/add d")).toBe("/add dave ");
  expect(tabbed("/add dave er")).toBe("/add dave eri");
  expect(tabbed("/promote ")).toBe("/promote carol ");
  expect(tabbed("/demote ")).toBe("/demote bob ");
  expect(tabbed('/group "Chess club" ca')).toBe('/group "Chess club" carol ');
  expect(tabbed('/group "Chess cl')).toBe('/group "Chess cl');
  expect(tabbed("/broadcast bob,da")).toBe("/broadcast bob,dave");
  expect(tabbed("/broadcast bob hello da")).toBe("/broadcast bob hello da");
  expect(tabbed("/unblock ")).toBe("/unblock eric");
  expect(tabbed("/open chess")).toBe("/open Chess club");
  expect(tabbed("/leave c")).toBe("/leave carol");
});

test("/link shows the link once, copies it with y, and Escape alone takes it away", () => {
  const alice = inGroup().presses("/link 5 7", enter);
  expect(alice.asked("invite")).toEqual([{ kind: "invite", id: chess.id, uses: 5, days: 7 }]);
  const invitation: GroupInvitation = { publicKey: "ab".repeat(32), uses: 5, used: 0, lastDay: "2026-11-27", state: "good" };
  alice.does({ kind: "invitation", id: chess.id, invitation, link: "https://chat.example/join#secret" });
  const told = ["https://chat.example/join#secret", "5 people, until 2026-11-27", "only now", "/link revoke abababab takes it back"];
  expect(told.filter((words) => !shows(alice, words))).toEqual([]);
  // Beside the link stands nothing, so that it can be marked with the mouse.
  expect(rowWith(alice, "join#secret").trim()).toBe("https://chat.example/join#secret");
  alice.presses("x", enter, "y");
  expect(alice.asked("copy").map((effect) => effect.text)).toEqual(["https://chat.example/join#secret"]);
  expect(shows(alice.presses(key("escape")), "#secret")).toBe(false);
  expect(alice.presses("/link many", enter).state.flash?.text).toContain("/link 5 7.");
  alice.presses(key("u", { ctrl: true }));
  const known = openGroup(chess, [bob]);
  alice.does({ kind: "group", group: { ...known, info: { ...known.info, invitations: [invitation] } } });
  alice.presses("/link revoke abab", enter);
  expect(alice.asked("change-group").map(({ change }) => change)).toEqual([{ kind: "revoke-invitation", publicKey: invitation.publicKey }]);
  expect(shows(alice.presses("/link revoke cd", enter), "No invitation begins with cd")).toBe(true);
});

test("/policy shows the rules, sets one, and asks before a name becomes public", () => {
  const alice = inGroup().presses("/policy", enter);
  expect(rowWith(alice, "who may write")).toContain("members");
  expect(shows(alice, "/policy write admins | members")).toBe(true);
  alice.presses(key("escape"));
  const policies = (line: string) =>
    alice
      .presses(line, enter)
      .asked("change-group")
      .map(({ change }) => (change.kind === "policy" ? change.policy : change.kind));
  expect(policies("/policy write admins")).toEqual([{ mayWrite: "admins" }]);
  expect(policies("/policy add members")).toEqual([{ mayAdd: "members" }]);
  expect(policies("/policy newcomers everything")).toEqual([{ newcomersRead: "everything" }]);
  expect(policies("/policy newcomers 2d")).toEqual([{ newcomersRead: { since: morning - 172_800_000 } }]);
  expect(policies("/policy retention 30d")).toEqual([{ retentionSeconds: 2_592_000 }]);
  expect(policies("/policy retention never")).toEqual([{ retentionSeconds: 0 }]);
  expect(policies("/policy joining asks")).toEqual([{ joining: "asks" }]);
  expect(policies("/policy public none")).toEqual([{ publicName: "" }]);
  expect(policies("/policy public Chess-for-all")).toEqual([]);
  expect(shows(alice, 'Publish this group as "chess-for-all"?')).toBe(true);
  expect(
    alice
      .presses("y")
      .asked("change-group")
      .map(({ change }) => change),
  ).toEqual([{ kind: "policy", policy: { publicName: "chess-for-all" } }]);
  for (const [line, words] of [
    ["/policy dance on", 'There is no rule "dance"'],
    ["/policy write everybody", "/policy write takes admins or members."],
    ["/policy public Chess for all", "/policy public takes a name as usernames are"],
    ["/policy retention soon", "/policy retention takes a time from 1s to 49710d"],
    ["/policy newcomers 2999-01-01", "/policy newcomers takes nothing, everything, now, or a time that has come"],
  ] as const) {
    expect(policies(line)).toEqual([]);
    expect(alice.state.flash?.text).toContain(words);
    alice.presses(key("u", { ctrl: true }));
  }
});

test("/info tells about the group, and is safe with what others call it", () => {
  const evil = group("Ch\u001b[2Jess\u202e", [bob], { group: { description: "line\u0007" } });
  const alice = inGroup(evil, [bob], { columns: 100, rows: 40 }).presses("/info", enter);
  expect(alice.asked("load-group").map(({ id }) => id)).toContain(evil.id);
  expect([shows(alice, "Ch␛[2Jess"), shows(alice, "line␇"), shows(alice, "RULES")]).toEqual([true, true, true]);
  expect(screenOf(alice).join("")).not.toMatch(/\p{Cc}|\u202e/u);
});

test("join requests of a group are let in or refused", () => {
  const asked = { ...chess, group: { ...chess.group, joinRequests: 2 } };
  const askers = [{ person: dave, by: "invitation", time: morning } as const, { person: erin, by: "public-name", time: morning } as const];
  const alice = inGroup(asked, [bob, carol], wide, { askers });
  expect(shows(alice, "2 ask to join · /requests")).toBe(true);
  alice.presses("/requests", enter);
  expect(shows(alice, "2 people ask to be let in:")).toBe(true);
  alice.presses(key("down"), "x", key("up"), "a");
  expect(alice.asked("change-group").map(({ change }) => change)).toEqual([
    { kind: "reject", names: ["erin"] },
    { kind: "approve", names: ["dave"] },
  ]);
  alice.does({ kind: "group", group: openGroup(chess, [bob, carol, dave]) });
  expect(shows(alice, "Nobody asks to be let in.")).toBe(true);
  alice.does({ kind: "event", event: { kind: "join-request", conversation: chess.id }, now: morning });
  expect(alice.asked("load-group").length).toBeGreaterThan(0);
});

test("[C7] who may add but is no admin lets in who asks, and is not offered to refuse", () => {
  const adding = { ...chess, group: { ...chess.group, role: "member", mayAdd: true, joinRequests: 1 } } as const;
  const askers = [{ person: dave, by: "invitation", time: morning } as const];
  const alice = inGroup(adding, [bob, carol], wide, { askers }).presses("/requests", enter);
  expect([shows(alice, "a let in"), shows(alice, "x refuse")]).toEqual([true, false]);
  alice.presses("x");
  expect(shows(alice, "Only an admin can turn down who asks to join.")).toBe(true);
  alice.presses("a", key("escape"), altM);
  expect([shows(alice, "a let in"), shows(alice, "x refuse")]).toEqual([true, false]);
  alice.presses("x", "a");
  const letIn = { kind: "approve", names: ["dave"] };
  expect(alice.asked("change-group").map(({ change }) => change)).toEqual([letIn, letIn]);
});

test("/mute, /unmute, /block, /unblock, /join and /broadcast ask for what they say", () => {
  const alice = inGroup();
  alice.presses("/mute", enter, "/mute mentions", enter, "/unmute", enter);
  expect(alice.asked("set-mute").map(({ mute }) => mute)).toEqual(["all", "except-mentions", "none"]);
  alice.presses("/block Bob", enter, "/unblock bob", enter);
  expect(alice.asked("set-blocked").map(({ name, blocked }) => [name, blocked])).toEqual([
    ["bob", true],
    ["bob", false],
  ]);
  alice.presses("/join https://chat.example/join#Secret", enter);
  expect(alice.asked("join").map(({ to }) => to)).toEqual(["https://chat.example/join#Secret"]);
  alice.presses('/broadcast "old friends" hello there', enter, "/broadcast bob,carol hi", enter, "/broadcast", enter);
  expect(alice.asked("broadcast").map(({ to, text: words }) => [to, words])).toEqual([
    ["old friends", "hello there"],
    ["bob,carol", "hi"],
  ]);
  expect(alice.asked("broadcast-lists").length).toBe(1);
  for (const [line, words] of [
    ["/block", "Say who: /block NAME."],
    ["/mute loudly", "Write /mute, /mute mentions or /unmute."],
    ["/join", "Say where: /join LINK"],
    ["/broadcast bob", "Say to whom and what"],
  ] as const) {
    expect(shows(alice.presses(line, enter), words)).toBe(true);
    alice.presses(key("u", { ctrl: true }));
  }
});

test("/find shows groups with a public name, and Enter asks to join the chosen one", () => {
  const found = (name: string, number: number) => ({ name, conversation: group(name, [], { number }).id, memberCount: number });
  const alice = new Alice().knows(withBob).presses("/find club", enter);
  expect(alice.asked("find-groups")).toEqual([{ kind: "find-groups", text: "club", line: "/find club" }]);
  const groups = [found("chess-club", 4), found("open\u001b[2Jclub", 1)];
  alice.does({ kind: "found-groups", text: "club", groups, now: morning });
  expect([rowWith(alice, "chess-club"), rowWith(alice, "open")]).toEqual([
    expect.stringMatching(/# chess-club +4 members/u),
    expect.stringMatching(/# open␛\[2Jclub +1 member /u),
  ]);
  expect(shows(alice, "Enter ask to join")).toBe(true);
  alice.presses(key("down"), key("up"), enter);
  expect([alice.asked("join"), alice.state.overlay.kind]).toEqual([[{ kind: "join", to: "chess-club", line: "/join chess-club" }], "none"]);
  alice.does({ kind: "found-groups", text: "zzz", groups: [], now: morning });
  expect(shows(alice, 'No group here has a public name with "zzz" in it.')).toBe(true);
  // What comes late covers nothing.
  alice.presses(key("f1")).does({ kind: "found-groups", text: "", groups, now: morning });
  expect(alice.state.overlay.kind).toBe("help");
});

test("/broadcast makes a list, gives it other people, and deletes it", () => {
  const alice = new Alice().knows(withBob);
  alice.presses('/broadcast make "old friends" @Bob carol', enter, '/broadcast delete "old friends"', enter);
  expect(alice.asked("set-broadcast-list").map(({ name, people }) => [name, people])).toEqual([
    ["old friends", ["bob", "carol"]],
    ["old friends", []],
  ]);
  // A list of that name is written to all the same.
  expect(
    alice
      .presses('/broadcast "make" hello', enter)
      .asked("broadcast")
      .map(({ to }) => to),
  ).toEqual(["make"]);
  for (const [line, words] of [
    ["/broadcast make friends", "Say how it is called and who is on it"],
    ["/broadcast make a,b bob", '"a,b" cannot be a list'],
    ['/broadcast make "friends bob', "A quote is not closed."],
    ["/broadcast delete", "Say which: /broadcast delete friends"],
    ["/broadcast delete old friends", "Say which: /broadcast delete friends"],
  ] as const) {
    expect(shows(alice.presses(line, enter), words)).toBe(true);
    alice.presses(key("u", { ctrl: true }));
  }
  expect([alice.asked("set-broadcast-list"), alice.asked("broadcast")]).toEqual([[], []]);
});

test("help names what groups have", () => {
  const alice = inGroup(chess, [bob, carol], { columns: 100, rows: 120 }).presses(key("f1"));
  for (const words of [
    "Alt+m",
    "/group NAME MEMBER…",
    "/promote NAME…",
    "/find [TEXT]",
    "group --help",
    "COMMANDS IN A GROUP",
    "@NAME",
    "muted",
  ])
    expect([words, shows(alice, words)]).toEqual([words, true]);
});

test("whoever is let into a group is there at once, unless they went on to something else", () => {
  const joined = group("Readers", [bob], { number: 8, group: { role: "member" } });
  const waiting = () => new Alice().knows(withBob).does({ kind: "asked-to-join", id: joined.id, now: morning });
  const alice = waiting();
  expect([alice.asked("load-conversation").map(({ id }) => id), alice.state.flash?.text.slice(0, 6)]).toEqual([[joined.id], "Asked:"]);
  alice.does({ kind: "conversation", conversation: { ...joined, group: { ...joined.group, role: undefined } } });
  expect(alice.state.open).toBeUndefined();
  alice.does({ kind: "conversation", conversation: joined });
  expect(alice.state.open).toBe(joined.id);
  const busy = waiting().opens(withBob, []).does({ kind: "conversation", conversation: joined });
  expect([busy.state.open, busy.state.flash?.text]).toEqual([withBob.id, "You are in Readers now."]);
  // Later changes of it open nothing.
  busy.presses("--", enter).does({ kind: "conversation", conversation: { ...joined, head: 3 } });
  expect(busy.state.open).toBeUndefined();
});

test("a link of a group that is pasted where a name is asked for joins it", () => {
  const alice = new Alice().knows(withBob).does({ kind: "paste", text: "https://chat.example/x/join#Secret", now: morning }).presses(enter);
  expect([alice.asked("join").map(({ to }) => to), alice.asked("open-direct")]).toEqual([["https://chat.example/x/join#Secret"], []]);
  alice.opens(withBob, []).does({ kind: "paste", text: "https://chat.example/x/join#Secret", now: morning }).presses(enter);
  expect([alice.asked("join").length, alice.asked("send").length]).toEqual([0, 1]);
});
