import { expect, test } from "vitest";
import { lengthWords, parseCount, parseDuration, parseMoment } from "./durations.ts";

test("times are read as people write them", () => {
  expect(["500ms", "30s", "30", "1.5m", "2h", "1d"].map((text) => parseDuration(text, "timeout"))).toEqual([
    500, 30_000, 30_000, 90_000, 7_200_000, 86_400_000,
  ]);
  for (const text of ["", "soon", "-1s", "5 s", "1w"]) expect(() => parseDuration(text, "timeout")).toThrow("--timeout");
});

test("moments are local, or ago", () => {
  const now = Date.parse("2026-11-20T12:00:00");
  expect(parseMoment("2026-11-20", now)).toBe(new Date(2026, 10, 20).getTime());
  expect(parseMoment("2026-11-20 09:30", now)).toBe(new Date(2026, 10, 20, 9, 30).getTime());
  expect(parseMoment("2026-11-20T09:30:00Z", now)).toBe(Date.UTC(2026, 10, 20, 9, 30));
  expect(parseMoment("2h", now)).toBe(now - 7_200_000);
  for (const text of ["", "yesterday", "2026-13-01"]) expect(() => parseMoment(text, now)).toThrow("--since");
});

test("counts are whole numbers from 1", () => {
  expect(parseCount("20", "last")).toBe(20);
  for (const text of ["0", "-3", "2.5", "many", ""]) expect(() => parseCount(text, "last")).toThrow("--last");
});

test("lengths are worded in the largest unit that fits", () => {
  expect([1, 90, 120, 3_600, 129_600, 86_400, 2_592_000].map(lengthWords)).toEqual([
    "1 second",
    "90 seconds",
    "2 minutes",
    "1 hour",
    "36 hours",
    "1 day",
    "30 days",
  ]);
});
