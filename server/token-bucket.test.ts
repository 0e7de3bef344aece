import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { TokenBuckets } from "./token-bucket.ts";

test("[W5] a flood of keys keeps a bounded number of buckets", () => {
  const buckets = new TokenBuckets({ perSecond: 1, burst: 2 }, () => 0);
  let most = 0;
  for (let key = 0; key < 250_000; key++) {
    buckets.tryTake(`${key}`);
    most = Math.max(most, buckets.size);
  }
  expect(most).toBeLessThanOrEqual(100_000);
  // The newest are still counted.
  expect(buckets.tryTake("249999")).toBe(true);
  expect(buckets.tryTake("249999")).toBe(false);
});

test("[W5] an empty bucket refuses and says when to come again", () => {
  const buckets = new TokenBuckets({ perSecond: 2, burst: 1 }, () => 0);
  buckets.takeOrThrow("alice");
  expect(() => buckets.takeOrThrow("alice")).toThrow(new FastChatError(ErrorCode.RATE_LIMITED, { retryAfterMs: 500 }));
  buckets.takeOrThrow("bob");
});
