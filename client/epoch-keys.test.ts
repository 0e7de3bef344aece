import { limits } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { pagesOfCopies } from "./epoch-keys.ts";

/** Epochs of which these, counted from 1, are fresh. */
const epochsWith = (count: number, ...fresh: readonly number[]) =>
  Array.from({ length: count }, (_, place) => ({ kind: fresh.includes(place + 1) ? ("fresh" as const) : ("derived" as const) }));

test("[C4] copies are asked for from the fresh epoch on that a missing one comes from, page by page, whatever is missing before", () => {
  const page = limits.entriesPerPage;
  const epochs = epochsWith(4 * page, 1, 3 * page + 10);
  expect(pagesOfCopies(epochs, [])).toEqual([]);
  expect(pagesOfCopies(epochs, [3])).toEqual([1]);
  expect(pagesOfCopies(epochs, [page + 1])).toEqual([1, page + 1]);
  expect(pagesOfCopies(epochs, [3 * page + 12])).toEqual([3 * page + 1]);
  // One that never comes hides no other.
  expect(pagesOfCopies(epochs, [3, 3 * page + 12])).toEqual([1, 3 * page + 1]);
});
