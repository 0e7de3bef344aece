import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sealedFileSize } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  closeScreens,
  enter,
  environmentIn,
  fastchat,
  FrameProxy,
  photo,
  startSystem,
  type System,
  TemporaryFolder,
  TestScreen,
  tracesIn,
} from "../testing/index.ts";

// Pictures and files at real terminals, with a real server behind.

let system: System;
let folder: TemporaryFolder;

beforeAll(async () => {
  system = await startSystem();
  folder = new TemporaryFolder();
  for (const name of ["alice", "bob"]) {
    await enter(system, name, { home: system.home, profile: name, gateway: system.gatewayUrl });
    await mkdir(join(folder.path, name, "Pictures"), { recursive: true });
    await mkdir(join(folder.path, name, "Downloads"));
    await mkdir(temporaryOf(name));
  }
  // They have met.
  expect((await fastchat(system, ["send", "bob", "hello", "--profile", "alice"])).code).toBe(0);
  expect((await fastchat(system, ["send", "alice", "hello", "--profile", "bob"])).code).toBe(0);
});

afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
  folder?.[Symbol.dispose]();
});

const homeOf = (name: string): string => join(folder.path, name);
const temporaryOf = (name: string): string => join(homeOf(name), "temporary");

async function inChatWith(name: string, other: string, gateway?: string): Promise<TestScreen> {
  const environment = {
    ...environmentIn(system, gateway === undefined ? {} : { gateway }),
    HOME: homeOf(name),
    TMPDIR: temporaryOf(name),
    COLORTERM: "truecolor",
    FASTCHAT_PICTURES: "half-blocks",
  };
  const screen = new TestScreen({ args: ["--profile", name], rows: 36, environment });
  await screen.shows("Welcome");
  screen.type(`${other}${ENTER}`);
  await screen.shows(`Message to ${other}`);
  return screen;
}

const ENTER = "\r";
const UP = "\u001b[A";
const TAB = "\t";
const QUIT = "\u0011";
const PASTE = (text: string): string => `\u001b[200~${text}\u001b[201~`;
const blocks = ({ rows }: TestScreen): number => rows.filter((row) => /[▀▄]/u.test(row)).length;
const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function leave(screen: TestScreen): Promise<void> {
  screen.type(QUIT);
  expect(await screen.ended()).toBe(0);
}

test("[S6] a photo is chosen, shown at both ends, looked at, and saved without a trace of where it was taken", async () => {
  const original = await photo(640, 480);
  expect(tracesIn(original)).not.toEqual([]);
  await writeFile(join(homeOf("alice"), "Pictures", "on the hill.jpg"), original);
  await using alice = await inChatWith("alice", "bob");
  await using bob = await inChatWith("bob", "alice");
  alice.type(`/image${ENTER}`);
  await alice.shows("on the hill.jpg");
  alice.type(ENTER);
  await alice.shows("480 × 640");
  expect(alice.text).toContain("without place and camera");
  // What is made for sending it lies in memory alone.
  expect(await readdir(temporaryOf("alice"))).toEqual([]);
  alice.type(`Up here!${ENTER}`);
  for (const screen of [alice, bob]) {
    await screen.shows("▣ on the hill.jpg");
    await screen.until((each) => blocks(each) === 12, "the picture");
  }
  await bob.shows("Up here!");
  bob.type(`${UP}o`);
  await bob.until((each) => blocks(each) > 25, "the picture, as large as the screen");
  bob.type("s");
  await bob.shows("Saved");
  await leave(alice);
  await leave(bob);
  const saved = await readFile(join(homeOf("bob"), "Downloads", "on the hill.jpg"));
  expect(tracesIn(saved)).toEqual([]);
  // Nothing is left of what was made for sending it.
  expect(await readdir(join(system.home, "alice", "outgoing")).catch(() => [])).toEqual([]);
});

test("[S6] files that are dropped on the terminal, and one whose path is completed, arrive as they are", async () => {
  const [first, second, third] = [randomBytes(300_000), randomBytes(10), randomBytes(70_000)];
  await writeFile(join(homeOf("alice"), "first of them.bin"), first);
  await writeFile(join(homeOf("alice"), "second.bin"), second);
  await writeFile(join(homeOf("alice"), "third thing.bin"), third);
  await using alice = await inChatWith("alice", "bob");
  alice.type(PASTE(`'${join(homeOf("alice"), "first of them.bin")}' ${join(homeOf("alice"), "second.bin")}`));
  await alice.shows("+ first of them.bin");
  await alice.shows("+ second.bin");
  alice.type("/file ~/thi");
  await alice.shows(String.raw`third\ thing.bin`);
  alice.type(TAB);
  await alice.shows(String.raw`› /file ~/third\ thing.bin`);
  alice.type(ENTER);
  await alice.shows("+ third thing.bin");
  alice.type(ENTER);
  await alice.shows("▤ third thing.bin");
  await alice.hides("Uploading");
  const to = join(homeOf("bob"), "Downloads");
  const { code, errors } = await fastchat(system, ["save", "alice", "--to", to, "--profile", "bob"]);
  expect([code, errors]).toEqual([0, ""]);
  for (const [name, bytes] of [
    ["first of them.bin", first],
    ["second.bin", second],
    ["third thing.bin", third],
  ] as const)
    expect(hashOf(await readFile(join(to, name)))).toBe(hashOf(bytes));
  await leave(alice);
});

test("what is no file and what is no picture stays in the line, with a sentence", async () => {
  await writeFile(join(homeOf("alice"), "words.txt"), "no picture");
  await using alice = await inChatWith("alice", "bob");
  alice.type(`/file ~/nowhere.txt${ENTER}`);
  await alice.shows("There is no file");
  await alice.shows("› /file ~/nowhere.txt");
  alice.type(`\u0015/image ~/words.txt${ENTER}`);
  await alice.shows("words.txt: This is not a picture");
  alice.type("\u0015");
  await leave(alice);
});

test("[S6] an upload is shown, stops with the connection, goes on with it, and is taken back with x", async () => {
  await writeFile(join(homeOf("alice"), "large.bin"), randomBytes(25_000_000));
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  let isHeld = true;
  proxy.script = { refuses: (path) => isHeld && path.startsWith("/v1/blobs") };
  await using alice = await inChatWith("alice", "bob", proxy.url);
  alice.type(`/file ~/large.bin${ENTER}`);
  await alice.shows("+ large.bin  25 MB");
  alice.type(ENTER);
  await alice.shows("Uploading: 0 % of 25 MB");
  alice.type(`${UP}`);
  await alice.shows("x take back");
  alice.type("x");
  await alice.shows("Taken back: it was not sent.");
  await alice.hides("large.bin");
  alice.type(`/file ~/large.bin${ENTER}`);
  await alice.shows("+ large.bin  25 MB");
  alice.type(`once more${ENTER}`);
  await alice.shows("Uploading: 0 % of 25 MB");
  isHeld = false;
  await alice.hides("Uploading");
  await alice.shows("once more");
  const { output } = await fastchat(system, ["read", "alice", "--last", "10", "--profile", "bob"]);
  expect(output.match(/large\.bin/gu)).toHaveLength(1);
  await leave(alice);
});

test("[S6] a file that the server does not have any more keeps nobody from the others of its message", async () => {
  const [gone, there] = [join(homeOf("alice"), "gone.bin"), join(homeOf("alice"), "there.bin")];
  await writeFile(gone, randomBytes(1_001));
  await writeFile(there, randomBytes(1_002));
  expect((await fastchat(system, ["send", "bob", "two", "--file", gone, "--file", there, "--profile", "alice"])).code).toBe(0);
  await system.query("DELETE FROM blob WHERE size = $1", [sealedFileSize(1_001)]);
  await using bob = await inChatWith("bob", "alice");
  await bob.shows("▤ there.bin");
  bob.type(`${UP}s`);
  await bob.shows("1 of 2 files could not be saved, and the others were.");
  expect(hashOf(await readFile(join(homeOf("bob"), "Downloads", "there.bin")))).toBe(hashOf(await readFile(there)));
  await leave(bob);
});

test("[S6] what was opened goes with the next command, or start of the client, once it had its time", async () => {
  const opened = join(system.home, "bob", "opened");
  const hourAgo = Date.now() / 1_000 - 3_700;
  await mkdir(opened, { recursive: true });
  const open = async (): Promise<void> => {
    await writeFile(join(opened, "old.pdf"), "");
    await utimes(join(opened, "old.pdf"), hourAgo, hourAgo);
    await writeFile(join(opened, "new.pdf"), "");
  };
  await open();
  expect((await fastchat(system, ["read", "alice", "--profile", "bob"])).code).toBe(0);
  expect(await readdir(opened)).toEqual(["new.pdf"]);
  await open();
  await using bob = await inChatWith("bob", "alice");
  expect(await readdir(opened)).toEqual(["new.pdf"]);
  await leave(bob);
});

test("how far a file is stands in one row, however long its name is, and is gone afterwards", async () => {
  const name = `${"long ".repeat(40)}.bin`;
  await writeFile(join(homeOf("alice"), name), randomBytes(1_000_000));
  expect((await fastchat(system, ["send", "bob", "--file", join(homeOf("alice"), name), "--profile", "alice"])).code).toBe(0);
  const args = ["save", "alice", "--to", homeOf("bob"), "--profile", "bob"];
  await using screen = new TestScreen({ args, columns: 60, rows: 12, environment: environmentIn(system) });
  expect(await screen.ended()).toBe(0);
  expect(screen.written).toContain("Fetching: 0 % of 1 MB");
  expect(screen.rows[0]).toMatch(/^Saved /u);
});
