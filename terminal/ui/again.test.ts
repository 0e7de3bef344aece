import { expect, test } from "vitest";
import { atMostOnce } from "./again.ts";

test("what is asked for while it runs is done once more, however often that was", async () => {
  let runs = 0;
  let atOnce = 0;
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const run = atMostOnce(async () => {
    expect(++atOnce).toBe(1);
    await gates[runs++]?.promise;
    atOnce--;
  });
  const asked = Array.from({ length: 100 }, () => run());
  expect(runs).toBe(1);
  gates[0]!.resolve();
  gates[1]!.resolve();
  await Promise.all(asked);
  expect(runs).toBe(2);
  await run();
  expect(runs).toBe(3);
});

test("what fails is told to all who asked, and can be asked for again", async () => {
  let isBroken = true;
  const run = atMostOnce(() => (isBroken ? Promise.reject(new Error("broken")) : Promise.resolve()));
  expect(await Promise.allSettled([run(), run()])).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
  isBroken = false;
  await expect(run()).resolves.toBeUndefined();
});
