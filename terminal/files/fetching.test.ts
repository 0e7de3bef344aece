import { expect, test } from "vitest";
import { fileCalled } from "../ui/test-state.ts";
import { savedWords } from "./fetching.ts";

test("[S6] what is saved and what was there already is said of one file and of several", () => {
  const words = (...already: readonly boolean[]): string | undefined =>
    savedWords(
      already.map((each, index) => ({ path: `/to/${index}.pdf`, already: each })),
      already.map((_, index) => fileCalled(`${index}.pdf`, "application/pdf")),
      "/to",
    );
  expect(words()).toBeUndefined();
  expect(words(false)).toBe("Saved /to/0.pdf, 412 kB.");
  expect(words(true)).toBe("/to/0.pdf is there already.");
  expect(words(false, false)).toBe("Saved 2 files in /to.");
  expect(words(true, false)).toBe("Saved 1 file in /to. The other was there already.");
  expect(words(true, true, false, false)).toBe("Saved 2 files in /to. The others were there already.");
  expect(words(true, true)).toBe("All 2 files are there already, in /to.");
});
