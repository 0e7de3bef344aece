import pg from "pg";
import { expect, test } from "vitest";
import { AskedTogether } from "./asked-together.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("what is asked in one turn, and while others are answered, goes together; each gets its own answer, asked after it asked", async () => {
  const acts: { readonly questions: readonly number[]; readonly end: () => void }[] = [];
  const together = new AskedTogether<number, string>({
    act: (questions) => new Promise((resolve) => acts.push({ questions, end: () => resolve(questions.map((each) => `answer ${each}`)) })),
    most: 3,
    parallel: 1,
  });
  const first = [1, 2].map((each) => together.ask(each));
  await nextTurn();
  expect(acts.map(({ questions }) => questions)).toEqual([[1, 2]]);
  const later = [3, 4, 5, 6].map((each) => together.ask(each));
  await nextTurn();
  expect(acts).toHaveLength(1);
  acts[0]!.end();
  expect(await Promise.all(first)).toEqual(["answer 1", "answer 2"]);
  await expect.poll(() => acts.length).toBe(2);
  expect(acts[1]!.questions).toEqual([3, 4, 5]);
  acts[1]!.end();
  await expect.poll(() => acts.length).toBe(3);
  acts[2]!.end();
  expect(await Promise.all(later)).toEqual([3, 4, 5, 6].map((each) => `answer ${each}`));
});

test("what fails, fails for those who asked together, and not for those who ask later", async () => {
  let fails = true;
  const together = new AskedTogether<number, number>({
    act: async (questions) => {
      if (fails) throw new Error("the database is away");
      return questions;
    },
    most: 10,
    parallel: 2,
  });
  const asked = [1, 2].map((each) => together.ask(each));
  for (const each of asked) await expect(each).rejects.toThrow("the database is away");
  fails = false;
  expect(await together.ask(3)).toBe(3);
});

test("where one of many waited for a row in vain, each is asked for itself; where the database is away, none is", async () => {
  const asked: (readonly number[])[] = [];
  let error: Error = Object.assign(new pg.DatabaseError("canceling statement due to lock timeout", 1, "error"), { code: "55P03" });
  const together = new AskedTogether<number, number>({
    act: async (questions) => {
      asked.push(questions);
      if (questions.includes(2)) throw error;
      return questions;
    },
    most: 10,
    parallel: 1,
  });
  expect(await Promise.allSettled([1, 2, 3].map((each) => together.ask(each)))).toMatchObject([
    { value: 1 },
    { reason: error },
    { value: 3 },
  ]);
  expect(asked).toEqual([[1, 2, 3], [1], [2], [3]]);
  error = new Error("the database is away");
  expect(await Promise.allSettled([1, 2, 3].map((each) => together.ask(each)))).toMatchObject([
    { reason: error },
    { reason: error },
    { reason: error },
  ]);
  expect(asked.at(-1)).toEqual([1, 2, 3]);
});

test("who asks beyond what may wait is refused at once", async () => {
  const ended = Promise.withResolvers<readonly number[]>();
  const together = new AskedTogether<number, number>({ act: () => ended.promise, most: 1, parallel: 1 });
  const waiting = Array.from({ length: 20_001 }, (_, index) => together.ask(index).catch(() => "refused"));
  expect(await waiting[20_000]).toBe("refused");
  ended.resolve([1]);
});
