import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { TOLD_LATELY_MS, ToldLately } from "./told-lately.ts";

test("what was told is kept as long as it may be missed, and not for ever", () => {
  let now = 0;
  const lately = new ToldLately(() => now);
  const [one, other] = [randomBytes(16).toString("hex"), randomBytes(16).toString("hex")];
  const beyond = (head: number) => lately.beyond([{ prefix: one, head }]);
  lately.add({ prefix: one, head: 5 });
  lately.add({ prefix: one, head: 4 });
  expect(beyond(5)).toEqual(new Map());
  for (now of [TOLD_LATELY_MS - 1, TOLD_LATELY_MS, 2 * TOLD_LATELY_MS - 1]) {
    lately.add({ prefix: other, head: 1 });
    expect(beyond(4)).toEqual(new Map([[one, 5]]));
  }
  now += 1;
  lately.add({ prefix: other, head: 2 });
  expect(beyond(0)).toEqual(new Map());
});
