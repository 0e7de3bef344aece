import { expect, test } from "vitest";
import { wrapped } from "./output.ts";

test("sentences break between words at a terminal, and nowhere in pipes", () => {
  const words = 'take a longer one, for example "washing snowcap batting".\n\nNext';
  expect(wrapped(words, { isTTY: true, columns: 40 })).toBe('take a longer one, for example "washing\nsnowcap batting".\n\nNext');
  expect(wrapped(words, { isTTY: false, columns: 40 })).toBe(words);
});
