import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dataFoldersToSearch, defaultDataFolder, readUpState, upStateFile } from "./local.ts";

const isRoot = process.getuid?.() === 0;

test("the data folder: the environment's, the system's for root, the home's for everybody else", () => {
  expect(defaultDataFolder({ FASTCHAT_DATA: "/srv/chat", HOME: "/home/alice" })).toBe("/srv/chat");
  expect(defaultDataFolder({ HOME: "/home/alice" })).toBe(isRoot ? "/var/lib/fastchat" : "/home/alice/.local/share/fastchat");
  expect(defaultDataFolder({ HOME: "/home/alice", XDG_DATA_HOME: "/data" })).toBe(isRoot ? "/var/lib/fastchat" : "/data/fastchat");
});

test("a client looks where its user's server would be, then where root's is", () => {
  const folders = dataFoldersToSearch({ HOME: "/home/alice" });
  expect(folders).toContain("/home/alice/.local/share/fastchat");
  expect(folders).toContain("/var/lib/fastchat");
  expect(dataFoldersToSearch({ HOME: "/home/alice", FASTCHAT_DATA: "/srv/chat" })[0]).toBe("/srv/chat");
});

test("the state of a server is read; what is no state is none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "fastchat-local-"));
  try {
    expect(await readUpState(folder)).toBeUndefined();
    await writeFile(join(folder, upStateFile), '{"gateway":7}');
    expect(await readUpState(folder)).toBeUndefined();
    await writeFile(join(folder, upStateFile), '{"gateway":"http://127.0.0.1:8080","pid":7}');
    expect(await readUpState(folder)).toEqual({ gateway: "http://127.0.0.1:8080", pid: 7 });
  } finally {
    await rm(folder, { recursive: true });
  }
});
