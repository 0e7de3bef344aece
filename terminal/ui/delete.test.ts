import type { ChatMessage } from "@fastchat/client";
import { expect, test } from "vitest";
import { Alice, key, message, shows, withBob } from "./test-state.ts";

const selecting = (more: Partial<ChatMessage>): Alice =>
  new Alice({ columns: 120, rows: 30 })
    .knows(withBob)
    .opens(withBob, [message(withBob, 2, "hello there", more)])
    .presses(key("up"));

test("[S5] d on a message of one's own asks, and y deletes it for everybody", () => {
  const alice = selecting({ mine: true });
  expect(shows(alice, "d delete")).toBe(true);
  alice.presses("d");
  expect(shows(alice, "Delete this message for everybody, here and on the server?")).toBe(true);
  expect(alice.asked("delete-message")).toEqual([]);
  alice.presses("n");
  expect(alice.asked("delete-message")).toEqual([]);
  alice.presses("d", "y");
  expect(alice.asked("delete-message")).toEqual([
    { kind: "delete-message", id: withBob.id, message: { sequence: 2, id: expect.any(String) } },
  ]);
});

test("[S5] d says why not: somebody else's, not sent yet, gone already", () => {
  for (const [more, why] of [
    [{ mine: false }, "Only who wrote a message can delete it for everybody."],
    [{ mine: true, sequence: undefined, status: "queued" }, "It is not sent yet."],
    [{ mine: true, deleted: true, text: "" }, "It is deleted already."],
  ] as const) {
    const alice = selecting(more);
    expect(shows(alice, "d delete")).toBe(false);
    alice.presses("d");
    expect([why, shows(alice, why), alice.state.overlay.kind]).toEqual([why, true, "none"]);
  }
});

test("[S5] a deleted message says so in the chat, in the list and in its details; there is nothing to copy", () => {
  const alice = selecting({ mine: false, deleted: true, text: "" });
  expect(shows(alice, "This message was deleted.")).toBe(true);
  alice.presses("y");
  expect(alice.asked("copy")).toEqual([]);
  alice.presses("i");
  expect(shows(alice, "This message was deleted.")).toBe(true);
});
