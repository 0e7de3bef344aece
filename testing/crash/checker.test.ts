import { expect, test } from "vitest";
import { checkConversation, countFaults, type Shown, type SideLog } from "./checker.ts";

/** Ten messages, alice's and bob's in turn, at places 2 to 11 (1 is the link that opened the conversation). */
const shown: readonly Shown[] = Array.from({ length: 10 }, (_, index) => {
  const from = index % 2 === 0 ? "alice" : "bob";
  return { sequence: index + 2, id: `id-${index}`, from, text: `${from} ${index}` };
});

function sideOf(name: string, change: Partial<SideLog> = {}): SideLog {
  const mine = shown.filter(({ from }) => from === name);
  const theirs = shown.filter(({ from }) => from !== name);
  return { name, accepted: mine, acknowledged: mine, arrived: theirs, shown, unsent: [], complaints: [], ...change };
}

const swapped = (items: readonly Shown[], one: number, other: number): Shown[] =>
  items.map((item, index) => ({ ...items[index === one ? other : index === other ? one : index]!, sequence: item.sequence }));

test("an undisturbed conversation is without fault", () => {
  expect(checkConversation(sideOf("alice"), sideOf("bob"))).toEqual([]);
});

test("a message that was taken and never acknowledged must arrive all the same; one that was neither need not", () => {
  expect(checkConversation(sideOf("alice", { acknowledged: [] }), sideOf("bob"))).toEqual([]);
  const faults = checkConversation(
    sideOf("alice", { accepted: [...sideOf("alice").accepted, { id: "late", text: "late" }] }),
    sideOf("bob"),
  );
  expect(faults).toEqual([
    { kind: "lost", at: "alice", id: "late", from: "alice" },
    { kind: "lost", at: "bob", id: "late", from: "alice" },
  ]);
});

test.each<[what: string, alice: Partial<SideLog>, bob: Partial<SideLog>, kinds: string[]]>([
  ["lost at the receiver", {}, { shown: shown.toSpliced(4, 1) }, ["lost", "moved", "different"]],
  ["the last one lost at the receiver", {}, { shown: shown.slice(0, -2) }, ["lost", "moved", "different"]],
  ["shown twice under one id", {}, { shown: [...shown, { ...shown[4]!, sequence: 12 }] }, ["doubled", "different"]],
  [
    "stored twice under two ids",
    { shown: [...shown, { ...shown[4]!, id: "again", sequence: 12 }] },
    { shown: [...shown, { ...shown[4]!, id: "again", sequence: 12 }] },
    ["doubled", "invented"],
  ],
  [
    "an author's two messages changed places for both",
    { shown: swapped(shown, 4, 6), acknowledged: [] },
    { shown: swapped(shown, 4, 6), acknowledged: [] },
    ["disordered"],
  ],
  [
    "messages of two authors changed places for one side alone",
    { acknowledged: [] },
    { shown: swapped(shown, 4, 5), acknowledged: [] },
    ["different"],
  ],
  ["text changed", {}, { shown: shown.with(4, { ...shown[4]!, text: "other" }) }, ["changed", "different"]],
  ["author changed", {}, { shown: shown.with(4, { ...shown[4]!, from: "bob" }) }, ["changed", "different"]],
  ["acknowledged for another place", { acknowledged: [{ id: "id-4", sequence: 7 }] }, {}, ["moved"]],
  ["places not ascending", {}, { shown: shown.with(4, { ...shown[4]!, sequence: 3 }) }, ["disordered", "moved", "different"]],
  ["arrived out of order", {}, { arrived: [shown[2]!, shown[0]!] }, ["arrived-out-of-order"]],
  ["arrived twice", {}, { arrived: [shown[0]!, shown[2]!, shown[0]!] }, ["arrived-twice"]],
  ["still queued", { unsent: [{ id: "x", status: "queued" }] }, {}, ["unsent"]],
  ["unreadable", {}, { complaints: ["unreadable"] }, ["complaint"]],
])("caught: %s", (_, alice, bob, kinds) => {
  const found = Object.keys(countFaults(checkConversation(sideOf("alice", alice), sideOf("bob", bob))));
  expect(found.toSorted()).toEqual(kinds.toSorted());
});
