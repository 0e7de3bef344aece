import { spawn } from "node:child_process";
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

// What a machine needs, right now, for nothing at all: every other figure is to be read beside these. Samples in milliseconds.

const ROUND_TRIPS = 200;
const ECHO = 'require("node:net").createServer((s) => s.pipe(s)).listen(0, "127.0.0.1", function () { console.log(this.address().port); })';

/** A process that does nothing. */
export const nothing = (): Promise<unknown> => new Promise((resolve) => spawn(process.execPath, ["-e", "0"]).once("close", resolve));

/** 400 bytes to another process and back, over loopback. */
export async function echoes(): Promise<number[]> {
  const child = spawn(process.execPath, ["-e", ECHO], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", resolve));
  try {
    const port = await new Promise<number>((resolve) => child.stdout.once("data", (text) => resolve(Number(text))));
    const socket = connect(port, "127.0.0.1").setNoDelay();
    const times: number[] = [];
    for (let turn = 0; turn < ROUND_TRIPS; turn++) {
      const heard = new Promise((resolve) => socket.once("data", resolve));
      const since = performance.now();
      socket.write(Buffer.alloc(400));
      await heard;
      times.push(performance.now() - since);
    }
    socket.destroy();
    return times;
  } finally {
    child.kill();
    await ended;
  }
}

/** 4 KiB written and synced. */
export function syncs(folder = tmpdir()): number[] {
  const path = join(folder, `fastchat-bench-${process.pid}`);
  const file = openSync(path, "w", 0o600);
  try {
    return Array.from({ length: ROUND_TRIPS }, () => {
      const since = performance.now();
      writeSync(file, Buffer.alloc(4_096), 0, 4_096, 0);
      fdatasyncSync(file);
      return performance.now() - since;
    });
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
