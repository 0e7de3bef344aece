import { expect, test } from "vitest";
import { bob, message, talk, withBob } from "../ui/test-state.ts";
import { conversationLine, conversationObject, itemLine } from "./shapes.ts";

test("a chat in which nothing was written yet has no time", () => {
  const empty = talk(bob, { time: 0, last: undefined });
  const some = talk(bob, { time: Date.parse("2026-11-20T09:00:00"), last: undefined });
  expect(conversationObject(empty)).toMatchObject({ with: "bob", time: null });
  expect(conversationLine(empty)).toBe("bob");
  expect(conversationLine(some)).toMatch(/^bob .* 2026-11-20 09:00$/u);
});

test("[H4] a lifetime of its own counts once a message was read, whatever the chat's policy says until then", () => {
  const inOneHour = Date.now() + 3_600_000;
  const own = { expiresAfter: 5, text: "gone soon" };
  expect(itemLine(message(withBob, 1, "", { ...own, expires: inOneHour }), withBob)).toContain("[for 5 seconds once read] gone soon");
  expect(itemLine(message(withBob, 1, "", { ...own, expires: undefined }), withBob)).toContain("[for 5 seconds once read] gone soon");
  expect(itemLine(message(withBob, 1, "", { ...own, expires: Date.now() + 3_000 }), withBob)).toContain("[until ");
});
