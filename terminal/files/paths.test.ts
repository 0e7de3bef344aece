import { homedir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { escapedPath, pastedPaths, pathWords } from "./paths.ts";

const texts = (typed: string): string[] => pathWords(typed).map(({ text }) => text);

test("words as in a shell: quotes and backslashes hold together", () => {
  expect(texts(String.raw` a.jpg  "two words.jpg" 'it"s.jpg' my\ photo.jpg half"way there".jpg `)).toEqual([
    "a.jpg",
    "two words.jpg",
    'it"s.jpg',
    "my photo.jpg",
    "halfway there.jpg",
  ]);
  expect(texts("")).toEqual([]);
  expect(pathWords('one "two')).toMatchObject([{ isOpen: false }, { text: "two", isOpen: true, start: 4 }]);
  expect(texts("ends in \\")).toEqual(["ends", "in", "\\"]);
});

test("what is completed is read again as it was", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (one, other) => {
      expect(texts(`${escapedPath(one)} ${escapedPath(other)}`)).toEqual([one, other]);
    }),
  );
});

test("what is dropped on a terminal: quoted, escaped, with spaces or as URLs; text is no path", () => {
  expect(pastedPaths("/tmp/a.jpg")).toEqual([["/tmp/a.jpg"]]);
  expect(pastedPaths("'/tmp/my photo.jpg' /tmp/b.jpg ")[0]).toEqual(["/tmp/my photo.jpg", "/tmp/b.jpg"]);
  expect(pastedPaths("/tmp/my photo.jpg")).toEqual([["/tmp/my photo.jpg"]]);
  expect(pastedPaths("file:///tmp/my%20photo.jpg\nfile:///tmp/b.jpg")).toEqual([["/tmp/my photo.jpg", "/tmp/b.jpg"]]);
  expect(pastedPaths("/tmp/b.jpg\r\n/tmp/my photo.jpg\n")).toEqual([["/tmp/b.jpg", "/tmp/my photo.jpg"]]);
  expect(pastedPaths("/tmp/a.jpg /tmp/b.jpg\n/tmp/c.jpg")).toEqual([
    ["/tmp/a.jpg", "/tmp/b.jpg", "/tmp/c.jpg"],
    ["/tmp/a.jpg /tmp/b.jpg", "/tmp/c.jpg"],
  ]);
  expect(pastedPaths("~/a.jpg")).toEqual([[join(homedir(), "a.jpg")]]);
  // On another machine: no path here, and no error.
  expect(pastedPaths("file://elsewhere/a.jpg")).toEqual([["file://elsewhere/a.jpg"]]);
  for (const text of ["hello", "", "look at /etc/hosts", "see\n/tmp/a.jpg", "https://example.org/a.jpg", "a/b.jpg"]) {
    expect(pastedPaths(text)).toEqual([]);
  }
});
