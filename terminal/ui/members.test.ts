import { expect, test } from "vitest";
import { frameOf } from "./frame.ts";
import { openChat } from "./state.ts";
import {
  Alice,
  altM,
  bob,
  carol,
  chess,
  dave,
  enter,
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
  wide,
} from "./test-state.ts";

test("the members' panel stands beside the transcript where there is room, and over it where there is none", () => {
  const alice = inGroup(chess, [bob, carol], wide).presses(altM);
  expect(shows(alice, "MEMBERS (3)")).toBe(true);
  expect(shows(alice, "Message to Chess club")).toBe(true);
  expect(rowWith(alice, "alice (you)")).toMatch(/admin *$/u);
  expect(rowWith(alice, "● bob")).not.toBe("");
  alice.presses(key("escape"), "hi");
  expect([shows(alice, "MEMBERS (3)"), openChat(alice.state)!.editor.text]).toEqual([true, "hi"]);
  // Once more to it, and once more away.
  alice.presses(altM, altM);
  expect(shows(alice, "MEMBERS")).toBe(false);
  const narrow = inGroup(chess, [bob, carol], { columns: 60, rows: 16 }).presses("/members", enter);
  expect(shows(narrow, "MEMBERS (3)")).toBe(true);
  narrow.presses(key("escape"));
  expect(shows(narrow, "MEMBERS")).toBe(false);
});

test("admins stand before members, and who asks to be let in before them", () => {
  const askers = [{ person: dave, by: "invitation", time: morning } as const];
  const alice = inGroup({ ...chess, group: { ...chess.group, joinRequests: 1 } }, [bob, carol], wide, { askers }).presses(altM);
  const names = screenOf(alice).flatMap((row) => /┤.*|│[^│]*$/u.exec(row)?.[0].match(/dave|alice|bob|carol/u)?.[0] ?? []);
  expect(names).toEqual(["dave", "alice", "bob", "carol"]);
  alice.presses("a");
  expect(alice.asked("change-group")).toEqual([{ kind: "change-group", id: chess.id, change: { kind: "approve", names: ["dave"] } }]);
  alice.presses("x");
  expect(alice.asked("change-group")[0]!.change).toEqual({ kind: "reject", names: ["dave"] });
});

test("in the panel an admin gives and takes roles and removes after a question, and anybody talks and verifies", () => {
  const alice = inGroup(chess, [bob, carol], wide).presses(altM, key("down"), key("down"));
  expect(shows(alice, "p promote")).toBe(true);
  alice.presses("p");
  expect([alice.asked("change-group"), shows(alice, "Make carol an admin?")]).toEqual([[], true]);
  alice.presses("y");
  expect(alice.asked("change-group").map(({ change }) => change)).toEqual([{ kind: "role", names: ["carol"], role: "admin" }]);
  alice.presses("x");
  expect(shows(alice, "Remove carol from Chess club?")).toBe(true);
  alice.presses("n");
  expect([alice.asked("change-group"), alice.state.overlay.kind]).toEqual([[], "members"]);
  alice.presses("x", "y");
  expect(alice.asked("change-group").map(({ change }) => change)).toEqual([{ kind: "remove", names: ["carol"] }]);
  expect(alice.state.overlay).toEqual({ kind: "members", index: 2 });
  alice.presses(key("up"), "d");
  expect(alice.asked("change-group")).toEqual([]);
  alice.presses("y");
  expect(alice.asked("change-group").map(({ change }) => change)).toEqual([{ kind: "role", names: ["bob"], role: "member" }]);
  alice.presses("v");
  expect(alice.asked("safety-number")).toEqual([{ kind: "safety-number", name: "bob" }]);
  alice.presses(key("escape"), altM, key("end"), enter);
  expect(alice.asked("open-direct")).toEqual([{ kind: "open-direct", name: "carol" }]);
});

test("presence is asked for the members that show, and for others when they do", () => {
  const many = Array.from({ length: 999 }, (_, index) => someone(`member${String(index).padStart(3, "0")}`, 1_000 + index));
  const alice = inGroup(chess, many, wide);
  expect(alice.asked("watch-members")).toEqual([]);
  alice.presses(altM);
  const [first] = alice.asked("watch-members");
  expect(first!.accounts).toEqual(many.slice(0, 27).map(({ account }) => account));
  alice.presses(key("end"));
  expect(alice.asked("watch-members").at(-1)!.accounts.at(-1)).toBe(many.at(-1)!.account);
  alice.does({ kind: "event", event: { kind: "presence", people: [{ ...many.at(-1)!, online: false }] }, now: morning });
  expect(rowWith(alice, "member998")).toContain("○ member998");
  alice.presses(altM);
  expect(alice.asked("watch-members").at(-1)!.accounts).toEqual([]);
});

test("a thousand members, conversations and people cost a frame no more than what shows", () => {
  const many = Array.from({ length: 999 }, (_, index) => someone(`member${String(index).padStart(3, "0")}`, 1_000 + index));
  const groups = Array.from({ length: 1_000 }, (_, index) =>
    group(`Group ${index}`, [bob], { number: 100 + index, time: morning - index }),
  );
  const alice = new Alice({ columns: 160, rows: 50 }).knows(...groups).does({ kind: "people", people: many });
  alice.opens(
    groups[500]!,
    Array.from({ length: 500 }, (_, index) => message(groups[500]!, index + 1, "a word ".repeat(20))),
  );
  alice.does({ kind: "group", group: openGroup(groups[500]!, many) }).presses(altM);
  const took: number[] = [];
  for (let turn = 0; turn < 40; turn++) {
    const start = performance.now();
    alice.presses(key(turn % 3 === 0 ? "page-down" : "down"));
    frameOf(alice.state);
    took.push(performance.now() - start);
  }
  alice.presses(key("escape"), "@");
  for (const letter of "member") {
    const start = performance.now();
    alice.presses(letter);
    frameOf(alice.state);
    took.push(performance.now() - start);
  }
  // The median: one that waits for another process tells nothing.
  expect(took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)]).toBeLessThan(25);
  expect(shows(alice, "@member")).toBe(true);
});
