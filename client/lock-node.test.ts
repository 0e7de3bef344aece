import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nodeLock } from "./lock-node.ts";

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "fastchat-lock-"));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const holderProgram = `
  import { nodeLock } from ${JSON.stringify(new URL("lock-node.ts", import.meta.url).href)};
  const held = await nodeLock(process.argv[1]).tryAcquire();
  console.log(held === undefined ? "refused" : "held");
  setInterval(() => undefined, 1_000);
`;

test("[S7] one process holds a profile; the lock ends with it, however it ends", async () => {
  const folder = join(home, "killed");
  const child = spawn(process.execPath, ["--input-type=module", "-e", holderProgram, folder], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    expect(said.toString().trim()).toBe("held");
    const lock = nodeLock(folder);
    expect(await lock.tryAcquire()).toBeUndefined();
    const waiting = lock.acquire(AbortSignal.timeout(10_000));
    child.kill("SIGKILL");
    const held = await waiting;
    expect(await nodeLock(folder).tryAcquire()).toBeUndefined();
    await held.release();
    const again = await nodeLock(folder).tryAcquire();
    expect(again).toBeDefined();
    await again?.release();
  } finally {
    child.kill("SIGKILL");
  }
});

test("[S7] waiting for the lock ends with its signal", async () => {
  const folder = join(home, "aborted");
  const held = await nodeLock(folder).tryAcquire();
  await expect(nodeLock(folder).acquire(AbortSignal.timeout(250))).rejects.toThrow("aborted");
  await held?.release();
});
