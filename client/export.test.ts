import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import {
  anotherDevice,
  bytesInArchive,
  decryptedByAge,
  filesInArchive,
  FrameProxy,
  newPassword,
  person,
  startSystem,
  type System,
} from "../testing/index.ts";
import { sealedFileSize } from "@fastchat/protocol/seal";
import { bombPng } from "../testing/pictures.ts";
import type { ExportLock, ExportOptions, ExportProgress, ExportResult } from "./api-export.ts";
import type { ExportedConversation, ExportedItem } from "./export-shapes.ts";
import type { FileSource } from "./files/sealing.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

const plain: ExportLock = { kind: "plain" };

type Archive = Extract<ExportResult, { kind: "archive" }>;

async function archiveOf(client: { export(options: ExportOptions): Promise<ExportResult> }, options: ExportOptions): Promise<Archive> {
  const result = await client.export(options);
  if (result.kind !== "archive") throw new Error(`no archive but ${result.kind}`);
  return result;
}

const bytesOf = async (stream: Archive["stream"]) => new Uint8Array(await new Response(stream).arrayBuffer());
const filesIn = async (stream: Archive["stream"]) => filesInArchive(await bytesOf(stream));

const linesIn = <Kind>(text: string | undefined): Kind[] =>
  (text ?? "")
    .split("\n")
    .filter((each) => each !== "")
    .map((each) => JSON.parse(each) as Kind);

test("an archive holds everything of the account: conversations of every standing, members, contacts, devices, lists, drafts", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await using carol = await person(system, "carol");
  const direct = await alice.say("bob", "hello <b>bob</b>");
  await bob.hears("alice", "hello <b>bob</b>");
  await bob.say("alice", "hello alice\nin two lines");
  await alice.hears("bob", "hello alice\nin two lines");
  await alice.client.setNote("bob", "from school");
  await alice.client.setVerified("bob", true);
  await alice.client.setDraft(direct, "not sent yet");
  await alice.client.setBroadcastList("friends", ["bob"]);
  await alice.say("alice", "a note to self");
  const group = await alice.client.groups.create({ name: "Chess club", description: "On Mondays", members: ["bob"] });
  await alice.client.groups.setProfile(group, { picture: bombPng(64, 64) });
  await carol.say("alice", "do you know me?");
  await expect.poll(() => alice.texts("carol"), { timeout: 30_000 }).toEqual(["do you know me?"]);
  const steps: ExportProgress[] = [];
  const { stream, summary } = await archiveOf(alice.client, { lock: plain, onProgress: (step) => steps.push(step) });
  const files = await filesIn(stream);
  expect(await summary).toEqual({
    conversations: 4,
    messages: 4,
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
  });
  expect(steps.at(-1)).toMatchObject({ done: steps[0]!.total, total: steps[0]!.total });
  const conversations = linesIn<ExportedConversation>(files.get("conversations.jsonl"));
  expect([...files.keys()].sort()).toEqual(
    ["README.txt", "account.json", "broadcast-lists.jsonl", "contacts.jsonl", "conversations.jsonl", "devices.jsonl", "index.html"]
      .concat(conversations.map(({ file }) => file))
      .sort(),
  );
  expect(JSON.parse(files.get("account.json")!)).toMatchObject({ type: "account", format: 1, name: "alice", messages: 4, missing: [] });
  expect(linesIn(files.get("contacts.jsonl"))).toMatchObject([
    { type: "contact", name: "bob", note: "from school", verification: "verified", account: bob.me.account },
  ]);
  expect(linesIn(files.get("devices.jsonl"))).toMatchObject([{ type: "device", state: "active" }]);
  expect(linesIn(files.get("broadcast-lists.jsonl"))).toEqual([{ type: "broadcast-list", name: "friends", people: ["bob"] }]);
  const named = (title: string) => conversations.find((each) => each.title === title)!;
  expect(named("bob")).toMatchObject({ kind: "direct", standing: "ordinary", draft: "not sent yet", messages: 2, with: { name: "bob" } });
  expect(named("carol")).toMatchObject({ kind: "direct", standing: "request", messages: 1 });
  expect(named("Note to self")).toMatchObject({ kind: "note-to-self", messages: 1 });
  expect(named("Chess club").group).toMatchObject({
    description: "On Mondays",
    role: "admin",
    members: [
      { name: "alice", role: "admin" },
      { name: "bob", role: "member" },
    ],
    policy: { mayWrite: "members" },
    picture: expect.stringMatching(/^data:image\/png;base64,iVBORw/u),
  });
  const items = linesIn<ExportedItem>(files.get(named("bob").file));
  expect(items.filter(({ type }) => type === "message")).toMatchObject([
    { from: "alice", mine: true, text: "hello <b>bob</b>", sequence: 2 },
    { from: "bob", mine: false, text: "hello alice\nin two lines", account: bob.me.account },
  ]);
  expect(items.map(({ sequence }) => sequence)).toEqual(items.map(({ sequence }) => sequence).toSorted((one, other) => one! - other!));
  // Of some conversations only.
  const some = await filesIn((await archiveOf(alice.client, { lock: plain, conversations: [direct] })).stream);
  expect(linesIn<ExportedConversation>(some.get("conversations.jsonl")).map(({ title }) => title)).toEqual(["bob"]);
});

test("what this device lacks is fetched; what cannot be had is counted and said", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using dave = await person(system, "dave");
  const conversation = await dave.client.openDirect("dave");
  await dave.client.sendAll(
    conversation,
    Array.from({ length: 700 }, (_, number) => `number ${number}`),
  );
  await dave.client.sent(conversation, AbortSignal.timeout(30_000));
  await using fresh = await anotherDevice(system, dave, { profile: "dave-2", gateway: proxy.url });
  await fresh.hears("dave", "number 699");
  proxy.script = {
    toServer(frame, connection) {
      if (frame.body.case !== "fetchEntries") return frame;
      connection.answer(frame, { case: "error", value: { code: 1 } });
      return undefined;
    },
  };
  const held = await archiveOf(fresh.client, { lock: plain });
  const partly = await filesIn(held.stream);
  const { notFetched, messages } = await held.summary;
  expect(notFetched).toBeGreaterThan(0);
  expect(messages).toBe(701 - notFetched);
  expect(JSON.parse(partly.get("account.json")!)).toMatchObject({
    missing: [`${notFetched} entries of logs could not be fetched from the server.`],
  });
  proxy.script = {};
  const whole = await archiveOf(fresh.client, { lock: plain });
  const files = await filesIn(whole.stream);
  expect(await whole.summary).toMatchObject({ messages: 700, notFetched: 0 });
  const texts = linesIn<ExportedItem>(files.get(`conversations/${conversation}.jsonl`)).flatMap((item) =>
    item.type === "message" ? [item.text] : [],
  );
  expect(texts).toEqual(Array.from({ length: 700 }, (_, number) => `number ${number}`));
});

test("an archive is locked for a passphrase or a recipient in the age format; a weak passphrase and what is no recipient are refused", async () => {
  await using erin = await person(system, "erin");
  await erin.say("erin", "a secret");
  expect(await erin.client.export({ lock: { kind: "passphrase", passphrase: "erin2026" } })).toMatchObject({ kind: "weak-password" });
  for (const recipient of ["age1", "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "ssh-ed25519 AAAA", ""])
    expect(await erin.client.export({ lock: { kind: "recipient", recipient } })).toEqual({ kind: "no-recipient" });
  const passphrase = newPassword();
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  for (const [lock, secret] of [
    [{ kind: "passphrase", passphrase }, { passphrase }],
    [{ kind: "recipient", recipient }, { identity }],
  ] as const) {
    const bytes = await bytesOf((await archiveOf(erin.client, { lock })).stream);
    expect(Buffer.from(bytes).toString("latin1")).toMatch(/^age-encryption\.org\/v1\n/u);
    expect((await filesInArchive(await decryptedByAge(bytes, secret))).get("index.html")).toContain("a secret");
  }
});

test("who has had enough of an archive ends it, and the work behind it", async () => {
  await using frank = await person(system, "frank");
  await frank.say("frank", "hi");
  const { stream, summary } = await archiveOf(frank.client, { lock: plain });
  const reader = stream.getReader();
  await reader.read();
  await reader.cancel(new Error("enough"));
  await expect(summary).rejects.toThrow("enough");
});

test("[S6] pictures and files are in it as they came, under names that stay in their folder; what is gone is counted", async () => {
  await using alice = await person(system, "alice-of-files");
  await using bob = await person(system, "bob-of-files");
  await alice.say("bob-of-files", "hello");
  await bob.hears("alice-of-files", "hello");
  const id = await bob.client.openDirect("alice-of-files");
  const contents = [randomBytes(3_000_000), Buffer.from("words ".repeat(1_000)), randomBytes(70_001), randomBytes(0)];
  const names = ["large.bin", "words.txt", "gone.bin", "../../<b>evil</b>\u202etxt.exe"];
  const source = (index: number): FileSource => ({
    name: names[index]!,
    size: contents[index]!.length,
    stream: async function* () {
      yield contents[index]!;
    },
  });
  await bob.client.files.send(
    id,
    [0, 1, 2, 3].map((index) => ({ source: source(index) })),
    { text: "four of them" },
  );
  await alice.hears("bob-of-files", "four of them");
  await system.query("DELETE FROM blob WHERE size = $1", [sealedFileSize(70_001)]);

  const { stream, summary } = await archiveOf(alice.client, { lock: plain });
  const found = await bytesInArchive(await bytesOf(stream));
  expect(await summary).toMatchObject({ files: 3, fileBytes: 3_006_000, filesNotFetched: 1, filesLeftOut: 0 });
  const items = linesIn<ExportedItem>(new TextDecoder().decode(found.get(`conversations/${id}.jsonl`)));
  const { files } = items.find((item) => item.type === "message" && item.text === "four of them") as Extract<
    ExportedItem,
    { type: "message" }
  >;
  expect(files.map(({ bytes, file }) => [bytes, file !== null])).toEqual([
    [3_000_000, true],
    [6_000, true],
    [70_001, false],
    [0, true],
  ]);
  for (const [index, { file }] of files.entries()) {
    if (file === null) continue;
    expect(Buffer.compare(found.get(file)!, contents[index]!)).toBe(0);
    expect(file.split("/")).toHaveLength(3);
    expect(file).toMatch(/^files\/[0-9a-f]{64}\/\d+-\d-[^/\\\p{Cc}\u202e]+$/u);
  }
  expect([...found.keys()].filter((name) => name.startsWith("files/"))).toHaveLength(3);

  const without = await archiveOf(alice.client, { lock: plain, files: false });
  const paths = [...(await filesIn(without.stream)).keys()];
  expect(paths.filter((name) => name.startsWith("files/"))).toEqual([]);
  expect(await without.summary).toMatchObject({ files: 0, filesNotFetched: 0, filesLeftOut: 4 });
});

test("[S6] a group's picture that is a bomb, or none, is no part of the page that shows everything", async () => {
  await using alice = await person(system, "alice-of-pictures");
  const pictures = {
    small: bombPng(64, 64),
    bomb: bombPng(30_000, 30_000),
    cut: bombPng(64, 64).subarray(0, 20),
    page: Buffer.from("<svg>"),
  };
  for (const [name, picture] of Object.entries(pictures)) {
    const group = await alice.client.groups.create({ name, members: [] });
    await alice.client.groups.setProfile(group, { picture });
  }
  const files = await filesIn((await archiveOf(alice.client, { lock: plain })).stream);
  const shown = linesIn<ExportedConversation>(files.get("conversations.jsonl")).filter(({ group }) => group?.picture !== undefined);
  expect(shown.map(({ title }) => title)).toEqual(["small"]);
});
