import type { ChatFile, ChatMessage } from "@fastchat/client";
import fc from "fast-check";
import { expect, test } from "vitest";
import { resampled } from "../pictures/pixels.ts";
import { type PictureTerminal, pictureTerminal } from "../pictures/terminal.ts";
import { plain, rainbow } from "../pictures/test-pictures.ts";
import { frameOf } from "./frame.ts";
import { layoutOf, lookOf } from "./layout.ts";
import { viewDrawing } from "./picture-view.ts";
import { type Row, rowCells, rowText } from "./rows.ts";
import { type Effect, openChat } from "./state.ts";
import { scrolled, windowOf } from "./transcript.ts";
import { Alice, bluish, enter, fileCalled, key, message, morning, screenOf, shows, withBob } from "./test-state.ts";

const photo = fileCalled("photo.jpg", "image/jpeg", { width: 1_200, height: 800, thumbhash: bluish });

const withPhoto = (sequence: number, text = "", ...files: readonly ChatFile[]): ChatMessage =>
  message(withBob, sequence, text, { files: files.length === 0 ? [photo] : files });

const said = (sequence: number, text: string): ChatMessage => message(withBob, sequence, text);

const kitty = pictureTerminal({ TERM: "xterm-kitty" }, "auto", true);
const sixel: PictureTerminal = { ...pictureTerminal({ COLORTERM: "truecolor" }, "sixel", true), cell: { width: 10, height: 20 } };

function aliceAt(pictureTerminalOfHers?: PictureTerminal, size = { columns: 100, rows: 30 }): Alice {
  const alice = new Alice(size);
  if (pictureTerminalOfHers !== undefined) alice.state = { ...alice.state, pictureTerminal: pictureTerminalOfHers };
  return alice.knows(withBob);
}

/** The pixels come that were asked for. */
function loads(alice: Alice, make = rainbow): Extract<Effect, { kind: "load-picture" }>[] {
  const asked = alice.asked("load-picture");
  for (const { picture, use, size } of asked) alice.does({ kind: "pixels", key: picture.key, use, pixels: make(size.width, size.height) });
  return asked;
}

const isBlock = (row: string): boolean => /[▀▄]/u.test(row);
const colouredRows = (alice: Alice): number => frameOf(alice.state).rows.filter((row) => row.some(({ sgr }) => sgr !== undefined)).length;

test("a picture has its rows before it is here, in its average colour, and nothing jumps when it comes", () => {
  const alice = aliceAt().opens(withBob, [said(1, "before"), withPhoto(2, "the caption"), said(3, "after")]);
  const before = screenOf(alice);
  const placeOf = (rows: readonly string[], words: string): number => rows.findIndex((row) => row.includes(words) && row.includes("│  "));
  expect(colouredRows(alice)).toBe(12);
  expect(before.some(isBlock)).toBe(false);
  expect(
    frameOf(alice.state)
      .rows.flat()
      .find(({ sgr }) => sgr !== undefined),
  ).toMatchObject({ sgr: "48;2;90;110;128", text: " ".repeat(36) });
  expect(loads(alice)).toMatchObject([{ use: "transcript", size: { width: 72, height: 48 } }]);
  const after = screenOf(alice);
  expect(after.filter(isBlock)).toHaveLength(12);
  for (const words of ["before", "the caption", "after"]) {
    expect(placeOf(after, words)).toBe(placeOf(before, words));
    expect(placeOf(after, words)).toBeGreaterThan(0);
  }
  expect(placeOf(after, "photo.jpg")).toBe(after.findLastIndex(isBlock) + 1);
  expect(placeOf(after, "the caption")).toBe(after.findLastIndex(isBlock) + 2);
});

test("a message with files stands apart from its sender's others of the same minute, and those from each other do not", () => {
  const plan = fileCalled("plan.pdf", "application/pdf");
  const inOneMinute = [
    said(1, "first"),
    said(2, "second"),
    message(withBob, 3, "of the plan", { files: [plan] }),
    message(withBob, 4, "of the other", { files: [plan, plan] }),
    said(5, "last"),
    said(6, "very last"),
  ].map((each) => ({ ...each, time: morning }));
  const rowsAt = (rows: number): string[] => {
    const alice = aliceAt(undefined, { columns: 80, rows }).opens(withBob, inOneMinute);
    const screen = screenOf(alice).map((row) => row.replace(/^.*?│/u, "").trim());
    return screen.slice(screen.indexOf("second"), screen.indexOf("very last") + 1);
  };
  const [first, second] = [
    ["▤ plan.pdf  412 kB", "of the plan"],
    ["1 ▤ plan.pdf  412 kB", "2 ▤ plan.pdf  412 kB", "of the other"],
  ];
  expect(rowsAt(24)).toEqual(["second", "", ...first, "", ...second, "", "last", "very last"]);
  expect(rowsAt(13)).toEqual(["second", ...first, ...second, "last", "very last"]);
});

test("the list says that a picture came, before its caption", () => {
  const alice = new Alice({ columns: 120, rows: 30 }).knows({ ...withBob, last: withPhoto(1, "Hill") });
  expect(screenOf(alice).find((row) => row.includes("● bob"))).toContain("bob [picture] Hill");
});

test("a picture scrolls by rows, as all else, and is asked for once, when it shows", () => {
  const alice = aliceAt().opens(withBob, [withPhoto(1), ...Array.from({ length: 20 }, (_, index) => said(index + 2, `number ${index}`))]);
  expect(alice.asked("load-picture")).toEqual([]);
  for (let page = 0; page < 4; page++) alice.presses(key("page-up"));
  expect(loads(alice)).toHaveLength(1);
  const layout = layoutOf(alice.state);
  const look = lookOf(alice.state, layout);
  const chat = openChat(alice.state)!;
  const blockAfter = (by: number): readonly Row[] => {
    const { rows } = windowOf({ ...chat, position: scrolled(chat, -by, layout.transcriptHeight, look) }, layout.transcriptHeight, look);
    return rows.filter((row) => isBlock(rowText(row)));
  };
  const whole = blockAfter(0);
  expect(whole).toHaveLength(12);
  const counts = Array.from({ length: 16 }, (_, by) => {
    const left = blockAfter(by);
    expect(left).toEqual(whole.slice(whole.length - left.length));
    return left.length;
  });
  // The day and the name above it go first.
  expect(counts).toEqual([12, 12, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
});

test("every screen with pictures has exactly its size, and any part of a picture may show", () => {
  const someFile = fc
    .record({
      width: fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.constantFrom(0, -1, Number.NaN, Infinity)),
      height: fc.integer({ min: 1, max: 5_000 }),
      thumbhash: fc.constantFrom(undefined, bluish),
      mediaType: fc.constantFrom("image/jpeg", "image/webp", "video/mp4", "application/pdf"),
    })
    .map(({ mediaType, ...claims }) => fileCalled("some file", mediaType, claims));
  fc.assert(
    fc.property(
      fc.integer({ min: 12, max: 140 }),
      fc.integer({ min: 3, max: 50 }),
      fc.array(fc.array(someFile, { maxLength: 3 }), { minLength: 1, maxLength: 8 }),
      fc.constantFrom(undefined, kitty, sixel, pictureTerminal({}, "off", true), pictureTerminal({ TERM: "xterm-256color" }, "auto", true)),
      fc.array(fc.constantFrom("page-up", "page-down", "up", "o", "right", "escape", "pixels", "fail"), { maxLength: 12 }),
      (columns, rows, some, terminal, does) => {
        const items = some.map((files, index) => message(withBob, index + 1, files.length === 0 ? "words" : "", { files }));
        const alice = aliceAt(terminal, { columns, rows }).opens(withBob, items);
        for (const what of does) {
          if (what === "pixels") loads(alice, (width, height) => plain(Math.min(width, 20), Math.min(height, 20), [1, 2, 3]));
          else if (what === "fail") {
            for (const { picture, use } of alice.asked("load-picture"))
              alice.does({ kind: "pixels", key: picture.key, use, pixels: undefined });
          } else alice.presses(what === "o" ? "o" : key(what));
          const frame = frameOf(alice.state);
          expect(frame.rows).toHaveLength(rows);
          expect(frame.rows.map(rowCells)).toEqual(frame.rows.map(() => columns));
        }
      },
    ),
    { numRuns: process.env["SIZE"] === "large" ? 1_000 : 150 },
  );
});

test("what cannot be had says so in its place, and is asked for again with the next connection", () => {
  const alice = aliceAt().opens(withBob, [withPhoto(1)]);
  const [asked] = alice.asked("load-picture");
  alice.does({ kind: "pixels", key: asked!.picture.key, use: "transcript", pixels: undefined });
  expect(shows(alice, "cannot be shown")).toBe(true);
  expect(alice.asked("load-picture")).toEqual([]);
  alice.does({
    kind: "event",
    event: { kind: "connection", connection: { kind: "online", server: "chat-2", since: morning } },
    now: morning,
  });
  expect(loads(alice)).toHaveLength(1);
  expect(shows(alice, "cannot be shown")).toBe(false);
});

test("without colours, or switched off, a line of words", () => {
  const alice = aliceAt(pictureTerminal({ TERM: "xterm-256color", NO_COLOR: "1" }, "auto", false)).opens(withBob, [
    withPhoto(1, "caption"),
  ]);
  expect(shows(alice, "▣ photo.jpg  412 kB")).toBe(true);
  expect(alice.asked("load-picture")).toEqual([]);
  alice.presses(key("up"), "o");
  expect(alice.state.overlay.kind).toBe("none");
  expect(alice.asked("open-file")).toHaveLength(1);
});

test("o opens the selected picture as large as the screen, coarse first; Esc goes back to where one was", () => {
  const alice = aliceAt().opens(withBob, [withPhoto(1, "look at this"), said(2, "nice?")]);
  loads(alice);
  alice.presses(key("up"), key("up"));
  expect(shows(alice, " o picture ")).toBe(true);
  const small = screenOf(alice).filter(isBlock).length;
  alice.presses("o");
  expect(screenOf(alice).filter(isBlock).length).toBeGreaterThan(small);
  expect(screenOf(alice)[0]).toContain("bob");
  expect(screenOf(alice)[0]).toContain("1,200 × 800");
  expect(shows(alice, "look at this")).toBe(true);
  expect(frameOf(alice.state).cursor).toBeUndefined();
  const [asked] = loads(alice);
  expect(asked!.use).toBe("view");
  expect(asked!.size.width).toBeGreaterThan(72);
  const large = screenOf(alice);
  alice.does({ kind: "resize", columns: 60, rows: 20 });
  expect(screenOf(alice).filter(isBlock).length).toBeLessThan(large.filter(isBlock).length);
  alice.presses(key("escape"));
  expect(alice.state.overlay.kind).toBe("none");
  expect(openChat(alice.state)?.selected).toBe(withPhoto(1).id);
});

test("the large view says how the picture is called: its time in short, or not at all, where there is no room for all, and a long name with its end", () => {
  const shot = (name: string) => fileCalled(name, "image/jpeg", { width: 1_200, height: 800 });
  const long = `${"long ".repeat(30)}.jpg`;
  const topOf = (columns: number, name: string): string => {
    const alice = aliceAt(undefined, { columns, rows: 24 }).opens(withBob, [withPhoto(1, "", shot(name), shot("other.jpg"))]);
    const [top = ""] = screenOf(alice.presses(key("up"), "o"));
    expect(top).toContain("1 of 2");
    return top.trimEnd();
  };
  expect(topOf(120, "hill.jpg")).toMatch(/^ bob {2}hill\.jpg {2}.*Friday.*09:01.* {2}1,200 × 800, 412 kB {2}1 of 2$/u);
  expect(topOf(80, "hill.jpg")).toMatch(/^ bob {2}hill\.jpg {2}\S+ 09:01 {2}1,200 × 800, 412 kB {2}1 of 2$/u);
  expect(topOf(60, "hill from afar.jpg")).toBe(" bob  hill from afar.jpg  1,200 × 800, 412 kB  1 of 2");
  for (const columns of [60, 80, 120]) expect(topOf(columns, long)).toMatch(/^ bob {2}long long[long ]*…\.jpg {2}/u);
});

test("a larger screen asks for more pixels, and shows what there is meanwhile", () => {
  const alice = aliceAt(undefined, { columns: 100, rows: 16 }).opens(withBob, [withPhoto(1)]);
  expect(loads(alice)).toHaveLength(1);
  alice.does({ kind: "resize", columns: 100, rows: 40 });
  expect(screenOf(alice).filter(isBlock)).toHaveLength(12);
  expect(alice.asked("load-picture")).toMatchObject([{ size: { width: 72, height: 48 } }]);
});

test("kitty: pixels go to the terminal once, placed in other cells when the screen changes, and are forgotten with the message", () => {
  const alice = aliceAt(kitty).opens(withBob, [withPhoto(1), said(2, "words")]);
  expect(loads(alice)).toHaveLength(1);
  const told = alice.asked("tell-picture").map(({ tell }) => tell);
  expect(told.map(({ kind }) => kind)).toEqual(["send", "place"]);
  const id = told[0]!.id;
  expect(screenOf(alice).filter((row) => row.includes("\u{10eeee}"))).toHaveLength(12);
  alice.presses("typed", enter);
  expect(alice.asked("tell-picture")).toEqual([]);
  alice.does({ kind: "resize", columns: 100, rows: 20 });
  expect(alice.asked("tell-picture")).toMatchObject([{ tell: { kind: "place", id, cells: { rows: 8 } } }]);
  alice.presses(key("up"), key("up"), "o");
  loads(alice);
  const viewed = alice.asked("tell-picture").map(({ tell }) => tell);
  expect(viewed.map(({ kind }) => kind)).toEqual(["send", "place"]);
  expect(viewed[0]!.id).not.toBe(id);
  alice.presses(key("escape"));
  expect(alice.asked("tell-picture")).toEqual([{ kind: "tell-picture", tell: { kind: "forget", id: viewed[0]!.id } }]);
  alice.does({ kind: "event", event: { kind: "deleted", conversation: withBob.id, upTo: 1 }, now: morning });
  expect(alice.asked("tell-picture")).toEqual([{ kind: "tell-picture", tell: { kind: "forget", id } }]);
  expect(alice.state.pictures.size).toBe(0);
});

test("sixel: half-blocks among the messages; in the view empty rows, over which the picture is drawn and which the text leaves alone", () => {
  const alice = aliceAt(sixel).opens(withBob, [withPhoto(1)]);
  loads(alice);
  expect(screenOf(alice).filter(isBlock)).toHaveLength(12);
  expect(viewDrawing(alice.state)).toBeUndefined();
  alice.presses(key("up"), "o");
  expect(viewDrawing(alice.state)).toBeUndefined();
  const [asked] = loads(alice, (width, height) => resampled(rainbow(40, 30), { width, height }));
  const frame = frameOf(alice.state);
  expect(frame.rows.map(rowText).filter((row) => row.trim() !== "")).toHaveLength(2);
  const drawn = viewDrawing(alice.state)!.replaceAll("\u001b", "␛");
  const drawing = /^␛7␛\[(?<row>\d+);(?<column>\d+)H␛P0;1;0q"1;1;(?<width>\d+);(?<height>\d+)/u.exec(drawn)!;
  const [row, column, width, height] = ["row", "column", "width", "height"].map((name) => Number(drawing.groups![name]));
  expect([width, height]).toEqual([asked!.size.width, asked!.size.height]);
  expect(column! - 1 + width! / 10).toBeLessThanOrEqual(100);
  // Neither the last row nor the one above it: the screen never scrolls.
  expect(row! - 1 + height! / 20).toBeLessThanOrEqual(28);
  alice.presses(key("escape"));
  expect(viewDrawing(alice.state)).toBeUndefined();
});

test("the view of a message that is deleted closes", () => {
  const alice = aliceAt().opens(withBob, [withPhoto(1)]);
  loads(alice);
  alice.presses(key("up"), "o");
  alice.does({ kind: "event", event: { kind: "deleted", conversation: withBob.id, upTo: 1 }, now: morning });
  expect(alice.state.overlay.kind).toBe("none");
});

test("many pictures: only those of late are kept", () => {
  const many = Array.from({ length: 80 }, (_, index) =>
    withPhoto(index + 1, "", fileCalled(`${index}.jpg`, "image/jpeg", { width: 60, height: 20 })),
  );
  const alice = aliceAt(kitty).opens(withBob, many);
  for (let page = 0; page < 80; page++) {
    loads(alice, (width, height) => plain(width, height, [1, 2, 3]));
    alice.presses(key("page-up"));
  }
  expect(alice.state.pictures.size).toBeLessThan(40);
  expect(alice.state.told.size).toBeLessThan(40);
  const told = alice.asked("tell-picture").map(({ tell }) => tell.kind);
  expect(told.filter((kind) => kind === "send").length - told.filter((kind) => kind === "forget").length).toBe(alice.state.told.size);
});
