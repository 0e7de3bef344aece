import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TemporaryFolder } from "@fastchat/testing";
import type { Staging } from "./staging.ts";
import { memoryStaging } from "./staging-memory.ts";
import { nodeStaging } from "./staging-node.ts";

let folder: TemporaryFolder;
beforeAll(() => {
  folder = new TemporaryFolder();
});
afterAll(() => folder[Symbol.dispose]());

/** One buffer for all pieces: each is good until the next is asked for. */
async function stage(staging: Staging, name: string, pieces: readonly string[]): Promise<void> {
  const writer = await staging.write(name);
  const buffer = new Uint8Array(16);
  for (const piece of pieces) await writer.write(buffer.subarray(0, new TextEncoder().encodeInto(piece, buffer).written));
  await writer.close();
}

describe.each([
  ["memory", () => memoryStaging()],
  ["a folder", () => nodeStaging(folder.path)],
])("staging contract, %s", (_, open) => {
  test("[S6] any part of what was closed comes back, with its hash, across the pieces in which it was written", async () => {
    const staging = open();
    const whole = "one two three four";
    await stage(staging, "words", ["one ", "two three", " four"]);
    for (const [start, end] of [
      [0, whole.length],
      [2, 6],
      [4, 13],
      [17, 18],
    ] as const) {
      const { bytes, sha256 } = await staging.part("words", start, end);
      const expected = whole.slice(start, end);
      expect(await bytes.text()).toBe(expected);
      expect(Buffer.from(sha256)).toEqual(createHash("sha256").update(expected).digest());
    }
    await expect(staging.part("words", 0, whole.length + 1)).rejects.toThrow(RangeError);
    await staging.remove("words");
  });

  test("[S6] what was given up or removed is not there, and removing it again is no error", async () => {
    const staging = open();
    const writer = await staging.write("given up");
    await writer.write(new Uint8Array(10));
    await writer.abort();
    await stage(staging, "removed", ["gone soon"]);
    await stage(staging, "kept", ["here"]);
    for (let time = 0; time < 2; time++) await staging.remove("removed");
    expect((await staging.list()).map(({ name }) => name)).toEqual(["kept"]);
    const [{ modified } = { modified: 0 }] = await staging.list();
    expect(Math.abs(Date.now() - modified)).toBeLessThan(60_000);
    for (const name of ["given up", "removed"]) await expect(staging.part(name, 0, 1)).rejects.toThrow(/no such/iu);
    await staging.remove("kept");
  });
});
