import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Person, person, startSystem, type System } from "../../testing/index.ts";
import type { ConversationId } from "@fastchat/protocol";
import { fileSink, fileSource } from "../node.ts";

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
