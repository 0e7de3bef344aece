import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { FileSource } from "@fastchat/client";
import { fileSink } from "@fastchat/client/node";
import type { ConversationId } from "@fastchat/protocol";
import { sealedFileSize } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Retention } from "../../server/chat/retention.ts";
import { silentLog } from "../../server/events.ts";
import { openChatMetrics } from "../../server/metrics.ts";
import { openDatabase } from "../../server/store/database.ts";
import { type CommandResult, fastchat, fastchatJson } from "../fastchat.ts";
import { anotherDevice, type Person, person } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { CountedGateway } from "./counted-gateway.ts";

/** What goes from the server with the messages, conversations and accounts that it was of, as whoever runs it sees and does it. */

const BYTES = 100_000;
const SEALED = sealedFileSize(BYTES);
const LATER_MS = 3_660_000;

let system: System;
let count = 0;
let alice: Person;
let bob: Person;
let chat: ConversationId;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

beforeEach(async () => {
  await system.query("DELETE FROM blob");
  count++;
  [alice, bob] = [await person(system, `ann${count}`), await person(system, `ben${count}`)];
  chat = await alice.say(bob.name, "before");
  await bob.hears(alice.name, "before");
  return async () => {
    for (const { client } of [alice, bob]) await client.close();
  };
});

const environment = () => ({ DATABASE_URL: system.databaseUrl, FASTCHAT_DATA: join(system.folder, "data") });
const admin = (...words: string[]): Promise<CommandResult> =>
  fastchat(system, ["admin", "files", ...words], { environment: environment() });
const adminJson = (...words: string[]) => fastchatJson(system, ["admin", "files", ...words], { environment: environment() });

const cleanUp = async (...words: string[]) => (await adminJson("--clean-up", ...words))[0];

const sourceOf = (bytes: Uint8Array): FileSource => ({
  name: "it.bin",
  size: bytes.length,
  async *stream() {
    yield bytes;
  },
});

async function sendFile({ client }: Person, conversation: ConversationId, text: string): Promise<string> {
  const before = await blobs();
  await client.files.send(conversation, [{ source: sourceOf(randomBytes(BYTES)) }], { text });
  await client.sent(conversation, AbortSignal.timeout(20_000));
  const [added] = (await blobs()).filter((blob) => !before.includes(blob));
  return added!;
}

const blobs = async (): Promise<string[]> =>
  (await system.query("SELECT encode(blob, 'hex') AS id FROM blob ORDER BY begun")).map(({ id }) => String(id));

const isStored = (blob: string): boolean => {
  const shard = join(system.folder, "data", "blobs", blob.slice(0, 2));
  return existsSync(shard) && readdirSync(shard).some((name) => name.startsWith(blob));
};

/** What a chat server does every minute, as if it were so much later. */
async function eraseAfter(milliseconds: number): Promise<void> {
  await using database = openDatabase({ url: system.databaseUrl, connections: 2, onIdleError: () => undefined });
  const now = () => Date.now() + milliseconds;
  await new Retention({ database, log: silentLog, metrics: openChatMetrics(), now, everyMs: 1 }).sweep();
}

async function bobFetches(text: string): Promise<number> {
  await bob.hears(alice.name, text);
  const { items } = await bob.client.items(chat, { limit: 50 });
  const { sequence } = items.find((item) => item.kind === "message" && item.text === text)!;
  const to = join(system.folder, `fetched-${count}-${text}`);
  await bob.client.files.fetch({ conversation: chat, sequence: sequence!, place: 0 }, await fileSink(to));
  return BYTES;
}

test("[S4] a message that disappears for everybody takes its file along; dry run first", async () => {
  const disappearing = await sendFile(alice, chat, "gone soon");
  const group = await alice.client.groups.create({ name: "Elsewhere", members: [bob.name] });
  const staying = await sendFile(alice, group, "stays");
  await alice.client.setRetention(chat, 3_600);
  await eraseAfter(LATER_MS);

  const due = { type: "files-clean-up", files: 1, bytes: SEALED, reasons: { erased: { files: 1, bytes: SEALED } } };
  expect(await cleanUp("--dry-run")).toEqual({ ...due, dryRun: true });
  expect([await blobs(), isStored(disappearing)]).toEqual([[disappearing, staying], true]);
  const shown = await admin("--clean-up", "--dry-run");
  expect(shown).toMatchObject({
    code: 0,
    output: "Would remove 1 file, 100 kB:\n  1 file         100 kB    their messages were deleted for everybody\n",
    errors: expect.stringMatching(/^fastchat: Nothing was removed: "[^"]*fastchat admin files --clean-up" does it\.\n$/u),
  });
  expect(await cleanUp()).toEqual({ ...due, dryRun: false });
  expect([await blobs(), isStored(disappearing), isStored(staying)]).toEqual([[staying], false, true]);
  expect(await admin("--clean-up")).toMatchObject({ code: 0, output: "Removed nothing.\n", errors: "" });
});

test(
  "[H7] a deleted account takes along what nobody else reads, and what it had begun; what others read stays",
  { timeout: 60_000 },
  async () => {
    const kept = await sendFile(alice, chat, "for-you");
    const own = await sendFile(alice, await alice.client.openDirect(alice.name), "note to myself");
    // An upload that was begun: its device goes in the middle of it.
    await using gateway = await CountedGateway.before(system.gatewayUrl);
    await alice.reopen(gateway.url);
    const closed = Promise.withResolvers<void>();
    gateway.when("up", 9_000_000, () => closed.resolve(alice.client.close()));
    await alice.client.files.send(chat, [{ source: sourceOf(randomBytes(20_000_000)) }]);
    await closed.promise;
    const [, , begun] = await blobs();
    expect(isStored(begun!)).toBe(true);

    await using other = await anotherDevice(system, alice, { profile: `${alice.profile}-other` });
    await other.client.deleteAccount(alice.password);
    expect(await cleanUp("--dry-run")).toMatchObject({
      files: 2,
      reasons: { "conversation-gone": { files: 1, bytes: SEALED }, "not-sent": { files: 1, bytes: sealedFileSize(20_000_000) } },
    });
    await cleanUp();
    expect(await blobs()).toEqual([kept]);
    expect([own, begun!, kept].map(isStored)).toEqual([false, false, true]);
    expect(await bobFetches("for-you")).toBe(BYTES);
  },
);

test("whoever runs the server sees what is stored and of whom, and what is not finished", async () => {
  await sendFile(alice, chat, "one");
  await sendFile(alice, chat, "two");
  await sendFile(bob, chat, "three");
  await system.query("UPDATE blob SET whole = false WHERE begun = (SELECT max(begun) FROM blob)");
  expect(await adminJson()).toEqual([
    {
      type: "stored-files",
      files: 2,
      bytes: 2 * SEALED,
      uploads: 1,
      uploadBytes: SEALED,
      largest: 4_294_967_296,
      quota: 0,
      retentionDays: 0,
    },
    { type: "account-files", name: alice.name, files: 2, bytes: 2 * SEALED },
    { type: "account-files", name: bob.name, files: 1, bytes: SEALED },
  ]);
  expect(await adminJson("--top", "1")).toHaveLength(2);
  const { output } = await admin();
  expect(output.split("\n").map((line) => line.trimEnd())).toEqual([
    "2 files, 200 kB; 1 upload not finished, of 100 kB.",
    "Limits: 4.3 GB for a file, none for all of an account; files are kept as long as their messages.",
    expect.stringMatching(new RegExp(`^ {2}${alice.name} +200 kB +2 files$`, "u")),
    expect.stringMatching(new RegExp(`^ {2}${bob.name} +100 kB +1 file$`, "u")),
    "",
  ]);
  const rules = { FASTCHAT_FILE_LIMIT: "5000000", FASTCHAT_FILE_QUOTA: "1000000000", FASTCHAT_FILE_RETENTION_DAYS: "30" };
  const ruled = await fastchat(system, ["admin", "files"], { environment: { ...environment(), ...rules } });
  expect(ruled.output).toContain("\nLimits: 5 MB for a file, 1 GB for all of an account; files are removed after 30 days.\n");
});

test("what belongs to an account is no option for whoever runs the server", async () => {
  for (const words of [
    ["admin", "--help"],
    ["admin", "files", "--help"],
  ]) {
    const { code, output } = await fastchat(system, words);
    expect([words, code]).toEqual([words, 0]);
    expect(output).toContain("--json");
    expect(output).not.toMatch(/--(?:profile|home|gateway)/u);
  }
  expect(await admin("--profile", "alice")).toMatchObject({ code: 2, errors: expect.stringContaining("There is no option --profile") });
});

test("what is old goes by the rule of the installation, although messages name it", async () => {
  const old = await sendFile(alice, chat, "old");
  const young = await sendFile(alice, chat, "young");
  await system.query("UPDATE blob SET begun = begun - 31 * 86400000::bigint WHERE blob = decode($1, 'hex')", [old]);
  const ruled = { environment: { ...environment(), FASTCHAT_FILE_RETENTION_DAYS: "30" } };
  const clean = () => fastchatJson(system, ["admin", "files", "--clean-up"], ruled);
  expect(await clean()).toMatchObject([{ files: 1, reasons: { "too-old": { files: 1 } } }]);
  expect([await blobs(), isStored(old), isStored(young)]).toEqual([[young], false, true]);
  // One that is gone keeps nobody from the others.
  const to = join(system.folder, `saved-${count}`);
  mkdirSync(to);
  const { code, output, errors } = await fastchat(system, ["save", alice.name, "--all", "--to", to, "--profile", bob.profile]);
  expect([code, errors]).toEqual([4, expect.stringMatching(/is not on the server any more[^]*1 of 2 files could not be saved/u)]);
  expect([output, readdirSync(to)]).toEqual([expect.stringMatching(/^Saved .*it\.bin, 100 kB\.\n$/u), ["it.bin"]]);
});

test("what cannot be done is said in a sentence", async () => {
  expect(await admin("--dry-run")).toMatchObject({ code: 2, errors: expect.stringContaining("--dry-run goes with --clean-up") });
  expect(await admin("--top", "none")).toMatchObject({ code: 2 });
  const nowhere = await fastchat(system, ["admin", "files", "--data", join(system.folder, "nothing-here")]);
  expect(nowhere).toMatchObject({ code: 1, errors: expect.stringContaining("No FastChat runs on") });
  const wrong = await fastchat(system, ["admin", "files"], { environment: { ...environment(), FASTCHAT_FILE_QUOTA: "much" } });
  expect(wrong).toMatchObject({ code: 1, errors: expect.stringContaining("FASTCHAT_FILE_QUOTA") });
});
