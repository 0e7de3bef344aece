import { spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { COMMAND, fastchat, objectsIn, startFastchat } from "./fastchat.ts";
import { newPassword, person } from "./person.ts";
import { startSystem, type System } from "./system.ts";

/** What a new user would do, with the real command and real processes. */

let system: System;
const passwords = { alice: newPassword(), bob: newPassword() };

beforeAll(async () => {
  system = await startSystem({ people: "none", servers: 2 });
  for (const name of ["alice", "bob"] as const) {
    const result = await fastchat(system, ["signup", name, "--profile", name, "--password-stdin"], { input: `${passwords[name]}\n` });
    expect(result).toMatchObject({ code: 0 });
  }
});

afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

test("two people who are connected are at two different chat servers, also by the word of a process beside; a third server joins", async () => {
  // Who was there before is counted until the next heartbeat, and a ticket for a second.
  await expect.poll(() => system.query("SELECT DISTINCT connections FROM chat_server")).toEqual([{ connections: 0 }]);
  await wait(1_100);
  await using alice = startFastchat(system, ["tail", "--json", "--profile", "alice"]);
  await using bob = startFastchat(system, ["tail", "--json", "--profile", "bob"]);
  const connected = async () => (await system.query("SELECT count(DISTINCT account)::int AS n FROM presence"))[0];
  await expect.poll(connected, { timeout: 20_000 }).toEqual({ n: 2 });
  const servers = await Promise.all(
    ["alice", "bob"].map(async (profile) => {
      const { output } = await fastchat(system, ["whoami", "--json", "--profile", profile]);
      return objectsIn(output)[0]?.["server"];
    }),
  );
  expect(new Set(servers)).toEqual(new Set(["chat-1", "chat-2"]));
  expect([alice.errors, bob.errors]).toEqual(["", ""]);

  // One more, started by hand, has nobody yet: the next client goes there.
  await system.startServer();
  await using carol = await person(system, "carol");
  await expect.poll(() => carol.client.connection).toMatchObject({ kind: "online", server: "chat-3" });
});

test("echo hi | fastchat send bob -, and fastchat tail --json | head -1 ends", async () => {
  expect(await fastchat(system, ["send", "bob", "-", "--profile", "alice"], { input: "hi\n" })).toMatchObject({ code: 0 });
  // What a stranger writes waits quietly until it is accepted.
  expect(await fastchat(system, ["accept", "alice", "--profile", "bob"])).toMatchObject({ code: 0 });
  const { promise, resolve } = Promise.withResolvers<{ code: number | null; output: string }>();
  const shell = spawn("/bin/sh", ["-c", `"${process.execPath}" "${COMMAND}" tail --json --profile bob | head -1`], {
    env: { ...process.env, FASTCHAT_HOME: system.home, FASTCHAT_GATEWAY: system.gatewayUrl },
    stdio: ["ignore", "pipe", "inherit"],
    // A group of its own: killed whole when the pipe does not end by itself.
    detached: true,
  });
  let output = "";
  shell.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  shell.once("close", (code) => resolve({ code, output }));
  const timer = setTimeout(() => process.kill(-shell.pid!, "SIGKILL"), 20_000);
  const result = await promise;
  clearTimeout(timer);
  expect(result.code).toBe(0);
  expect(objectsIn(result.output)).toMatchObject([{ type: "message", text: "hi" }]);
});

test("bob is signed out: the message waits, and is there at sign-in", async () => {
  expect(await fastchat(system, ["signout", "--profile", "bob"])).toMatchObject({ code: 0 });
  expect(await fastchat(system, ["send", "bob", "while you were away", "--profile", "alice"])).toMatchObject({ code: 0 });
  expect(await fastchat(system, ["signin", "bob", "--profile", "bob", "--password-stdin"], { input: `${passwords.bob}\n` })).toMatchObject({
    code: 0,
  });
  const { code, output } = await fastchat(system, ["read", "alice", "--json", "--all", "--profile", "bob"]);
  expect(code).toBe(0);
  expect(objectsIn(output).map(({ text }) => text)).toEqual(expect.arrayContaining(["hi", "while you were away"]));
});
