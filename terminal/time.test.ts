import { expect, test } from "vitest";
import { agoWords, dayWords, exactWords, listTime, sameDay, stampWords, timeWords } from "./time.ts";

test("forged times: whatever number a time is, there are words for it", () => {
  const now = Date.UTC(2026, 10, 20, 12);
  for (const time of [2 ** 64, -(2 ** 64), 8.64e15 + 1, Infinity, -Infinity, NaN, 0]) {
    for (const words of [timeWords(time), exactWords(time), stampWords(time)]) expect(words).toMatch(/\d/);
    for (const words of [dayWords(time, now), listTime(time, now)]) expect(words).toMatch(/\d/);
    expect(agoWords(time, now)).not.toBe("");
    expect(sameDay(time, now)).toBe(false);
  }
});
