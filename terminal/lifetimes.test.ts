import { expect, test } from "vitest";
import { lifetimeValues, longestLifetime, longestRetention, readLifetime, shortLength } from "./lifetimes.ts";

test("[H4] a lifetime is written with its unit, or off; what is too long is none", () => {
  expect(["1s", "90m", "1H", "7d", "365d", "off", "never"].map((text) => readLifetime(text, longestLifetime))).toEqual([
    1, 5_400, 3_600, 604_800, 31_536_000, 0, 0,
  ]);
  for (const text of ["", "30", "0s", "100ms", "-1d", "366d", "soon", "1h later"])
    expect([text, readLifetime(text, longestLifetime)]).toEqual([text, undefined]);
  expect(readLifetime("49710d", longestRetention)).toBe(4_294_944_000);
  expect(lifetimeValues(longestLifetime)).toBe("a time from 1s to 365d, as 1h, or off");
});

test("what is left is said in one unit, and never as nothing", () => {
  expect([-3, 0.2, 1, 59.9, 60, 3_599, 3_600, 86_399, 86_400, 4_294_967_295].map(shortLength)).toEqual([
    "1s",
    "1s",
    "1s",
    "59s",
    "1m",
    "59m",
    "1h",
    "23h",
    "1d",
    "49710d",
  ]);
});
