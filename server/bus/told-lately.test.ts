import { randomBytes } from "node:crypto";
import { conversationId } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { prefixOf } from "./hint.ts";
import { TOLD_LATELY_MS, ToldLately } from "./told-lately.ts";

test("what was told is kept as long as it may be missed, and not for ever", () => {
  let now = 0;
  const lately = new ToldLately(() => now);
  const [one, other] = [conversationId(randomBytes(32)), conversationId(randomBytes(32))];
  const beyond = (head: number) => lately.beyond([{ prefix: prefixOf(one), head }]);
  lately.add(one, 5);
  lately.add(one, 4);
  expect(beyond(5)).toEqual(new Map());
  for (now of [TOLD_LATELY_MS - 1, TOLD_LATELY_MS, 2 * TOLD_LATELY_MS - 1]) {
    lately.add(other, 1);
    expect(beyond(4)).toEqual(new Map([[one, 5]]));
  }
  now += 1;
  lately.add(other, 2);
  expect(beyond(0)).toEqual(new Map());
});
