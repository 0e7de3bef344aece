import { expect, test } from "vitest";
import { judgePassword } from "./password.ts";

test("[P1] weak passwords are told from strong ones, and what is suggested instead is strong and random", async () => {
  for (const weak of ["", "password123", "Tr0ub4dor&3", "alicealicealice", "qwertyuiopasdfghjkl"]) {
    expect(await judgePassword(weak, ["alice"])).toMatchObject({ kind: "weak" });
  }
  const suggestions = new Set<string>();
  for (let count = 0; count < 5; count++) {
    const verdict = await judgePassword("x", ["alice"]);
    if (verdict.kind !== "weak") throw new Error("one letter is no password");
    expect(verdict.suggestion.split(" ")).toHaveLength(5);
    expect(await judgePassword(verdict.suggestion, ["alice"])).toMatchObject({ kind: "strong" });
    suggestions.add(verdict.suggestion);
  }
  expect(suggestions.size).toBe(5);
});

test("[P1] a sentence that everybody knows is weak, however its words are parted, and not all that holds one is", async () => {
  for (const phrase of [
    "correct horse battery staple",
    "To be or not to be that is the question",
    "the quick brown fox jumps over the lazy dog",
  ]) {
    for (const known of [phrase, phrase.replaceAll(" ", ""), phrase.replaceAll(" ", "-"), `${phrase} 1`, `${phrase}!`]) {
      expect([known, (await judgePassword(known, ["alice"])).kind]).toEqual([known, "weak"]);
    }
  }
  const more = "correct horse battery staple, unlike oblong mustang tapestry virtue";
  expect(await judgePassword(more, ["alice"])).toMatchObject({ kind: "strong" });
});

test("a password that is too long to be handled is refused", async () => {
  expect(await judgePassword("correct horse battery staple ".repeat(50), [])).toMatchObject({ kind: "weak" });
});
