import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "@fastchat/protocol";
import { sealedFileSize } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CountedGateway } from "../testing/files/counted-gateway.ts";
import { damageStored } from "../testing/files/damage.ts";
import {
  ageProgram,
  bytesInArchive,
  decryptedByAge,
  enter,
  environmentIn,
  fastchat,
  fastchatJson,
  filesInArchive,
  FrameProxy,
  newPassword,
  SmallDisk,
  startFastchat,
  startSystem,
  type System,
  TemporaryFolder,
  TestScreen,
} from "../testing/index.ts";

let system: System;
let folder: TemporaryFolder;
let passwords: { readonly bob: string };
const passphrase = newPassword();
const environment = { FASTCHAT_EXPORT_PASSPHRASE: passphrase };
beforeAll(async () => {
  folder = new TemporaryFolder();
  system = await startSystem({ servers: 1 });
  const place = { home: system.home, gateway: system.gatewayUrl };
  await enter(system, "alice", { ...place, profile: "alice" });
  passwords = { bob: await enter(system, "bob", { ...place, profile: "bob" }) };
  await fastchatJson(system, ["send", "bob", "hello bob", "--profile", "alice"]);
  await fastchatJson(system, ["send", "alice", "milk, bread", "--profile", "alice"]);
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const as = (name: string, ...args: string[]) => [...args, "--profile", name];
const inFolder = (name: string): string => join(folder.path, name);

/** Names of the files in an archive, but for those of conversations. */
const namesIn = async (archive: Uint8Array): Promise<string[]> =>
  [...(await filesInArchive(archive)).keys()].filter((name) => !name.startsWith("conversations/"));
const all = ["account.json", "contacts.jsonl", "devices.jsonl", "broadcast-lists.jsonl", "conversations.jsonl", "README.txt", "index.html"];

test("an export is one encrypted file, of its owner alone, that takes no other file's place unasked", async () => {
  const file = inFolder("alice.zip.age");
  const weak = await fastchat(system, as("alice", "export", file), { environment: { FASTCHAT_EXPORT_PASSPHRASE: "alice" } });
  expect([weak.code, weak.errors]).toEqual([4, expect.stringContaining("too easy to guess")]);
  const nowhere = await fastchat(system, as("alice", "export", file));
  expect([nowhere.code, nowhere.errors]).toEqual([2, expect.stringContaining("There is no terminal to ask at")]);
  expect(readdirSync(folder.path)).toEqual([]);
  const done = await fastchat(system, as("alice", "export", file, "--password-stdin"), { input: `${passphrase}\n` });
  expect([done.code, done.output]).toEqual([
    0,
    expect.stringMatching(/^Exported 2 conversations with 2 messages to .*alice\.zip\.age, [\d.]+ kB\.\n$/u),
  ]);
  expect(done.errors).toContain("age --decrypt --output archive.zip");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await namesIn(await decryptedByAge(readFileSync(file), { passphrase }))).toEqual(all);
  const before = readFileSync(file);
  const again = await fastchat(system, as("alice", "export", file), { environment });
  expect([again.code, again.errors]).toEqual([4, expect.stringContaining("say --force")]);
  expect(readFileSync(file).equals(before)).toBe(true);
  expect(await fastchatJson(system, as("alice", "export", file, "--force", "--to", "bob"), { environment })).toMatchObject([
    {
      type: "exported",
      file,
      locked: "passphrase",
      conversations: 1,
      messages: 1,
      unreadable: 0,
      notFetched: 0,
      requestsNotRead: 0,
      disappearing: 0,
      files: 0,
      fileBytes: 0,
      filesNotFetched: 0,
      missingFiles: [],
      filesLeftOut: 0,
      withoutDevices: false,
    },
  ]);
  expect(readdirSync(folder.path)).toEqual(["alice.zip.age"]);
});

test("a plain export warns; what is written wrongly is said, and beside an open FastChat it works as well", async () => {
  const file = inFolder("alice.zip");
  await using open = startFastchat(system, as("alice", "tail"));
  await expect.poll(async () => (await fastchatJson(system, as("alice", "whoami")))[0]!["role"]).toBe("beside");
  const plain = await fastchat(system, as("alice", "export", file, "--plain", "--to", "bob", "alice"));
  expect([plain.code, plain.errors]).toEqual([0, expect.stringContaining("can read everything in it")]);
  expect(await namesIn(readFileSync(file))).toEqual(all);
  open.kill("SIGTERM");
  await open.ended;
  for (const [args, said] of [
    [[file, "bob"], "say --to before"],
    [[file, "--plain", "--recipient", "age1x"], "exclude each other"],
    [[inFolder("other"), "--recipient", "age1x"], "no recipient of age"],
    [[join(folder.path, "no", "such")], "no such folder"],
    [[folder.path], "is a folder"],
    [[inFolder("other"), "--to", "nobody-at-all"], "No person and no group"],
  ] as const) {
    const wrong = await fastchat(system, as("alice", "export", ...args), { environment });
    expect([wrong.code === 0, wrong.errors]).toEqual([false, expect.stringContaining(said)]);
  }
  expect(readdirSync(folder.path).filter((name) => name.includes("other") || name.includes("partial"))).toEqual([]);
});

test("the passphrase is asked for twice at a terminal, and is not shown", async () => {
  const file = inFolder("asked.zip.age");
  await using screen = new TestScreen({ args: as("alice", "export", file), environment: environmentIn(system), columns: 150 });
  await screen.shows("Passphrase for the archive:");
  screen.type(`${passphrase}\r`);
  await screen.shows("Again:");
  screen.type(`another one\r`);
  await screen.shows("differ");
  screen.type(`${passphrase}\r${passphrase}\r`);
  await screen.shows("Exported 2 conversations");
  expect(await screen.ended()).toBe(0);
  expect(screen.text).not.toContain(passphrase);
});

test("the age program opens what was encrypted for a key and for a passphrase", async ({ skip }) => {
  const age = ageProgram();
  if (age === undefined) {
    console.warn("!!! LEFT OUT: archives can only be opened by the age program where there is one (Debian: apt-get install age) !!!");
    return skip("no age program");
  }
  const key = inFolder("key.txt");
  const recipient = age.makeKey(key);
  for (const [name, args, decrypt] of [
    ["for-key", ["--recipient", recipient], (from: string, to: string) => age.decryptWithKey(key, from, to)],
    ["for-words", [], (from: string, to: string) => age.decryptWithPassphrase(passphrase, from, to)],
  ] as const) {
    const [from, to] = [inFolder(`${name}.age`), inFolder(`${name}.zip`)];
    await fastchatJson(system, as("alice", "export", from, ...args), { environment });
    expect(await decrypt(from, to)).toBe(0);
    expect(await namesIn(readFileSync(to))).toEqual(all);
  }
});

test("Ctrl-C leaves nothing behind, and a file that was there as it was", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const lines = Array.from({ length: 900 }, (_, number) => `number ${number}`).join("\n");
  await fastchatJson(system, as("bob", "send", "bob", "-", "--lines"), { input: lines });
  const at = { home: join(system.folder, "fresh"), gateway: proxy.url, environment };
  await fastchatJson(system, ["signin", "bob"], { ...at, environment: { FASTCHAT_PASSWORD: passwords.bob } });
  // The server does not answer for what is old.
  let held = 0;
  proxy.script = {
    toServer(frame) {
      if (frame.body.case !== "fetchEntries" || (frame.body.value.before ?? Infinity) > 850) return frame;
      held++;
      return undefined;
    },
  };
  const file = inFolder("kept.zip.age");
  writeFileSync(file, "as it was");
  await using command = startFastchat(system, ["export", file, "--force", "--timeout", "2s"], at);
  await expect.poll(() => held).toBeGreaterThan(0);
  await expect.poll(() => readdirSync(folder.path).filter((name) => name.startsWith("kept")).length).toBe(2);
  command.kill("SIGINT");
  expect(await command.ended).toBe(4);
  expect(command.errors).toContain("Cancelled: nothing was written.");
  expect(readdirSync(folder.path).filter((name) => name.startsWith("kept"))).toEqual(["kept.zip.age"]);
  expect(readFileSync(file, "utf8")).toBe("as it was");
});

/** A conversation of alice's with somebody new, with a file of so many bytes from them. */
async function withFile(name: string, bytes: number): Promise<void> {
  await enter(system, name, { home: system.home, gateway: system.gatewayUrl, profile: name });
  const path = inFolder(`${name}.bin`);
  writeFileSync(path, randomBytes(bytes));
  await fastchatJson(system, ["send", "alice", "--file", path, "--profile", name]);
  rmSync(path);
  await fastchatJson(system, as("alice", "send", name, "I know you"));
}

test("[S6] files are counted, what is damaged or gone is named with the reason, and all else is written", async () => {
  await withFile("dora", 6_000_001);
  await withFile("emil", 50_001);
  await damageStored(system, 6_000_001, 4_000_000);
  await system.query("DELETE FROM blob WHERE size = $1", [sealedFileSize(50_001)]);
  const file = inFolder("damaged.zip");
  const done = await fastchat(system, as("alice", "export", file, "--plain", "--to", "dora", "emil", "bob"));
  expect([done.code, done.output]).toEqual([0, expect.stringContaining("Exported 3 conversations with 5 messages to ")]);
  expect(done.errors).toContain(
    'Not in it: dora.bin (6 MB) from dora in "dora": what the server has is damaged; ask for it to be sent again.',
  );
  expect(done.errors).toContain('Not in it: emil.bin (50 kB) from emil in "emil": the server does not have it any more.');
  expect([...(await bytesInArchive(readFileSync(file))).keys()].filter((name) => name.startsWith("files/"))).toEqual([]);
  const [without] = await fastchatJson(system, as("alice", "export", file, "--plain", "--force", "--without-files", "--to", "dora"));
  expect(without).toMatchObject({ files: 0, filesLeftOut: 1, filesNotFetched: 0, missingFiles: [] });
});

test.each([
  ["a long one", 30_000_000],
  ["one that is held in memory", 3_000_000],
])(
  "[S6] Ctrl-C while a file does not come on, %s: nothing is left behind, and another time it is there",
  { timeout: 60_000 },
  async (_, bytes) => {
    const name = bytes > 4_000_000 ? "fred" : "gina";
    await withFile(name, bytes);
    await using gateway = await CountedGateway.before(system.gatewayUrl);
    const file = inFolder(`${name}.zip.age`);
    const export_ = as("alice", "export", file, "--to", name);
    await using command = startFastchat(system, export_, { environment, gateway: gateway.url });
    const silenced = Promise.withResolvers<void>();
    gateway.when("down", 1_000_000, () => {
      gateway.silence();
      silenced.resolve();
    });
    await silenced.promise;
    await expect.poll(() => readdirSync(folder.path).filter((each) => each.startsWith(name)).length).toBe(1);
    const since = performance.now();
    command.kill("SIGINT");
    expect([await command.ended, command.errors]).toEqual([4, expect.stringContaining("Cancelled: nothing was written.")]);
    expect(performance.now() - since).toBeLessThan(limits.requestMs / 2);
    expect(readdirSync(folder.path).filter((each) => each.startsWith(name))).toEqual([]);
    expect(await fastchatJson(system, export_, { environment })).toMatchObject([{ files: 1, fileBytes: bytes, filesNotFetched: 0 }]);
  },
);

test("a full disk leaves nothing behind, and says so", async ({ skip }) => {
  using disk = SmallDisk.mount(1);
  if (disk === undefined) {
    console.warn("!!! LEFT OUT: a full disk can only be tested as root on Linux, where a small one can be mounted !!!");
    return skip("not root on Linux");
  }
  disk.fill(4_096);
  const file = join(disk.path, "alice.zip.age");
  const full = await fastchat(system, as("alice", "export", file), { environment });
  expect([full.code, full.errors]).toEqual([4, expect.stringContaining("There is no room for")]);
  expect(readdirSync(disk.path)).toEqual(["filler"]);
});
