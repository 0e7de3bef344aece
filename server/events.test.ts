import { expect, test } from "vitest";
import { inWords } from "./events.ts";

test("what somebody has to do something about is said in a sentence, with what else is known of it", () => {
  expect(inWords("file-failed", { outcome: "storage-full" })).toBe(
    "a file could not be stored, as its disk or bucket is full: make room there, it goes on by itself then",
  );
  expect(inWords("append-failed", { messages: 3, outcome: "storage-full" })).toMatch(/^messages could not be stored, .+ \(messages 3\)$/u);
});

test("all else is its name and its fields, on one line", () => {
  expect(inWords("append-failed", { messages: 3, outcome: "unknown" })).toBe("append failed (messages 3, outcome unknown)");
  expect(inWords("bus-restored", {})).toBe("bus restored");
  expect(inWords("bus-interrupted", { reason: "one\ntwo" })).toBe("bus interrupted (reason one·two)");
  expect(inWords("sign-in", { outcome: "constructor" })).toBe("sign in (outcome constructor)");
  expect(inWords("file-failed", { outcome: "constructor" })).toBe("file failed (outcome constructor)");
});
