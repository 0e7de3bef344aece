import { expect, test } from "vitest";
import { bob, fileCalled, message, talk, withBob } from "../ui/test-state.ts";
import { conversationLine, conversationObject, itemLine } from "./shapes.ts";

test("a chat in which nothing was written yet has no time", () => {
  const empty = talk(bob, { time: 0, last: undefined });
  const some = talk(bob, { time: Date.parse("2026-11-20T09:00:00"), last: undefined });
  expect(conversationObject(empty)).toMatchObject({ with: "bob", time: null });
  expect(conversationLine(empty)).toBe("bob");
  expect(conversationLine(some)).toMatch(/^bob .* 2026-11-20 09:00$/u);
});

test("[H4] a lifetime of its own counts once a message was read, whatever the chat's policy says until then", () => {
  const inOneHour = Date.now() + 3_600_000;
  const own = { expiresAfter: 5, text: "gone soon" };
  expect(itemLine(message(withBob, 1, "", { ...own, expires: inOneHour }), withBob)).toContain("[for 5 seconds once read] gone soon");
  expect(itemLine(message(withBob, 1, "", { ...own, expires: undefined }), withBob)).toContain("[for 5 seconds once read] gone soon");
  expect(itemLine(message(withBob, 1, "", { ...own, expires: Date.now() + 3_000 }), withBob)).toContain("[until ");
});

test("[S6] the line of a conversation says that files came, also where they have a caption", () => {
  const [photo, song, plan] = [
    fileCalled("a.jpg", "image/jpeg", { width: 40, height: 30 }),
    fileCalled("b.ogg", "audio/ogg"),
    fileCalled("c.pdf", "application/pdf"),
  ];
  const cases: readonly (readonly [files: readonly (typeof photo)[], text: string, words: string])[] = [
    [[photo], "The hill", "[picture] The hill"],
    [[photo, photo], "Both hills", "[2 pictures] Both hills"],
    [[song, song], "Listen", "[2 files] Listen"],
    [[photo, song, plan], "All of it", "[3 files] All of it"],
    [[photo, plan], "", "[picture] a.jpg, [file] c.pdf"],
    [[], "no file", "no file"],
  ];
  for (const [files, text, words] of cases) {
    const line = conversationLine(talk(bob, { last: message(withBob, 1, text, { files }) }));
    expect(line.slice(-words.length - 2)).toBe(`  ${words}`);
  }
});
