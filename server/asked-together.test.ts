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
