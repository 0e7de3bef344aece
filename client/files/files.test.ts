import { createHash, randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chownSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Person, person, startSystem, type System } from "../../testing/index.ts";
import type { ConversationId } from "@fastchat/protocol";
import { FileInUse, fileSink, fileSource } from "../node.ts";

let system: System;
let folder: string;
beforeAll(async () => {
  system = await startSystem({ servers: 2 });
  folder = mkdtempSync(join(tmpdir(), "fastchat-files-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await system[Symbol.asyncDispose]();
});

const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

function fileOf(name: string, bytes: number): string {
  const path = join(folder, name);
  writeFileSync(path, randomBytes(bytes));
  return path;
}

async function filesOf({ client }: Person, id: ConversationId) {
  const { items } = await client.items(id, { limit: 50 });
  return items.flatMap((item) =>
    item.kind === "message" && item.sequence !== undefined
      ? item.files.map((file, place) => ({ file, text: item.text, at: { conversation: id, sequence: item.sequence!, place } }))
      : [],
  );
}

test(
  "[S6] files of every size come whole, with a caption, in a direct chat and a group, in the order in which they were sent",
  { timeout: 60_000 },
  async () => {
    await using alice = await person(system, "alice");
    await using bob = await person(system, "bob");
    const id = await alice.client.openDirect("bob");
    const paths = [0, 1, 65_536, 65_537, 20_000_000].map((bytes) => fileOf(`${bytes} bytes.bin`, bytes));
    const sources = await Promise.all(paths.map(fileSource));
    await alice.client.files.send(
      id,
      sources.map((source) => ({ source })),
      { text: "five of them" },
    );
    await alice.client.sent(id, AbortSignal.timeout(30_000));
    await bob.hears("alice", "five of them");
    const received = await filesOf(bob, id);
    expect(received.map(({ file }) => [file.name, file.bytes])).toEqual(
      paths.map((path, index) => [path.slice(folder.length + 1), sources[index]!.size]),
    );
    for (const [index, { at }] of received.entries()) {
      const to = join(folder, `received-${index}`);
      await bob.client.files.fetch(at, await fileSink(to));
      expect(hashOf(to)).toBe(hashOf(paths[index]!));
    }
    // Nothing is left of it in the sender's profile.
    await expect.poll(() => readdirSync(join(alice.home, alice.profile, "outgoing"))).toEqual([]);
  },
);

test("[S6] a file that is saved twice at once, or that somebody else writes to, is whole or not there", { timeout: 60_000 }, async () => {
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  const id = await carol.client.openDirect("dave");
  const path = fileOf("twice.bin", 20_000_000);
  await carol.client.files.send(id, [{ source: await fileSource(path) }], { text: "once" });
  await carol.client.sent(id, AbortSignal.timeout(30_000));
  await dave.hears("carol", "once");
  const [{ at }] = (await filesOf(dave, id)) as [Awaited<ReturnType<typeof filesOf>>[0]];
  const to = join(folder, "saved twice.bin");
  const both = await Promise.allSettled([0, 1].map(async () => dave.client.files.fetch(at, await fileSink(to))));
  expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(both.find((outcome) => outcome.status === "rejected")!.reason).toBeInstanceOf(FileInUse);
  expect(hashOf(to)).toBe(hashOf(path));
  // Another process, of which nothing is known here.
  const beside = join(folder, "saved beside.bin");
  const onProgress = (done: number, total: number): void => {
    if (done > total / 2) appendFileSync(`${beside}.fastchat-part`, "between");
  };
  await expect(dave.client.files.fetch(at, await fileSink(beside), { onProgress })).rejects.toThrow(FileInUse);
  expect(existsSync(beside)).toBe(false);
});

test("[S6] what lies where a file is written until it is whole is not written to unless it is one's own", async () => {
  const victim = join(folder, "victim");
  const to = join(folder, "new");
  const unfinished = `${to}.fastchat-part`;
  writeFileSync(victim, "precious");
  const others: Record<string, () => void> = {
    "a link to another file": () => symlinkSync(victim, unfinished),
    "another name of a file": () => linkSync(victim, unfinished),
    "a pipe": () => void execFileSync("mkfifo", [unfinished]),
    ...(process.getuid?.() === 0 && {
      "somebody else's file": () => {
        writeFileSync(unfinished, "theirs", { mode: 0o666 });
        chownSync(unfinished, 12_345, 12_345);
      },
    }),
  };
  for (const [what, place] of Object.entries(others)) {
    place();
    const sink = await fileSink(to);
    expect([what, sink.size]).toEqual([what, 0]);
    await sink.write(Buffer.from("sent"));
    await sink.finish();
    await sink.close(true);
    const { uid, mode } = statSync(to);
    expect([what, readFileSync(to, "utf8"), readFileSync(victim, "utf8")]).toEqual([what, "sent", "precious"]);
    expect([what, uid, mode & 0o777]).toEqual([what, process.getuid?.(), 0o600]);
    rmSync(to);
  }
});
