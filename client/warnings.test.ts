import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, FrameProxy, type Person, person, startSystem, type System } from "../testing/index.ts";
import type { Client, Warning } from "./api.ts";
import { openClient } from "./node.ts";
import { MemoryPlace, openMemoryStorage } from "./storage-memory.ts";
import { waitingWarnings, Warnings } from "./warnings.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system?.[Symbol.asyncDispose]());

/** All that waits for a person, shown to one now. */
async function seen(client: Client): Promise<Warning[]> {
  const all: Warning[] = [];
  while (await client.showWarning((warning) => void all.push(warning)));
  return all;
}

const isNewDevice = ({ warning }: { readonly warning?: string }) => warning === "new-device";

async function signsIn(of: Person, profile: string): Promise<Warning["device"]> {
  await using other = await anotherDevice(system, of, { profile });
  return other.me.device;
}

test("[A5] a new device is told of to the first person who looks, once, however many processes heard of it and were killed", async () => {
  const alice = await person(system, "alice");
  await alice.client.caughtUp();
  await alice.client.close();
  const device = await signsIn(alice, "alice-2");
  // Hears of it, shows it to nobody, and is killed.
  const program = `
    import { openClient } from ${JSON.stringify(new URL("node.ts", import.meta.url).href)};
    const [home, profile, gateway] = process.argv.slice(1);
    const client = await openClient({ home, profile }, { gateway });
    console.log(client.role);
    client.subscribe((event) => event.kind === "warning" && console.log(event.warning));
    await new Promise(() => setInterval(() => undefined, 1_000_000));
  `;
  const args = ["--input-type=module", "-e", program, alice.home, alice.profile, alice.gateway];
  const holder = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  createInterface({ input: holder.stdout }).on("line", (line) => lines.push(line));
  try {
    await expect.poll(() => lines, { timeout: 30_000 }).toContain("holder");
    await using beside = (await openClient(alice, { gateway: alice.gateway, offline: true }))!;
    await expect.poll(() => lines, { timeout: 30_000 }).toContain("new-device");
    expect(beside.role).toBe("beside");
    // Whose showing fails has shown nothing.
    const gone = () => Promise.reject(new Error("the screen is gone"));
    await expect(beside.showWarning(gone)).rejects.toThrow("the screen is gone");
  } finally {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  }
  await using client = (await openClient(alice, { gateway: alice.gateway, offline: true }))!;
  await using beside = (await openClient(alice, { gateway: alice.gateway }))!;
  expect(beside.role).toBe("beside");
  expect(await seen(beside)).toEqual([{ warning: "new-device", device, text: expect.stringContaining("signed in to your account") }]);
  expect(await seen(client)).toEqual([]);
  expect(await seen(beside)).toEqual([]);
});

test("[A5] beside the holder a warning is an event, too, and is shown by one of the two", async () => {
  await using bob = await person(system, "bob");
  await bob.client.caughtUp();
  await using beside = (await openClient(bob, { gateway: bob.gateway }))!;
  const told: (string | undefined)[] = [];
  beside.subscribe((event) => event.kind === "warning" && told.push(event.warning));
  await signsIn(bob, "bob-2");
  await expect.poll(() => told).toEqual(["new-device"]);
  const both = await Promise.all([seen(bob.client), seen(beside)]);
  expect(both.flat().map(({ warning }) => warning)).toEqual(["new-device"]);
});

test("[A5] who ends before a new device has said what it is called leaves it to the next process", async () => {
  const carol = await person(system, "carol");
  await carol.client.caughtUp();
  await carol.client.close();
  await signsIn(carol, "carol-2");
  await carol.reopen();
  await carol.client.caughtUp();
  await carol.client.devices();
  // It calls itself nothing, and is waited for.
  expect(await seen(carol.client)).toEqual([]);
  await carol.reopen();
  await using _ = carol;
  expect((await seen(carol.client)).filter(isNewDevice)).toHaveLength(1);
});

test("[A5] devices that came while the chain was learned elsewhere, and the process killed before it told of them, are told of", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const dave = await person(system, "dave", { gateway: proxy.url });
  await dave.client.caughtUp();
  proxy.script = { toClient: (frame) => (frame.body.case === "accountMoved" ? undefined : frame) };
  await signsIn(dave, "dave-2");
  expect(await dave.client.devices()).toHaveLength(2);
  await dave.client.close();
  proxy.script = {};
  await dave.reopen();
  await using _ = dave;
  await expect.poll(async () => (await seen(dave.client)).filter(isNewDevice).length, { timeout: 20_000 }).toBe(1);
});

test("of each kind the newest few wait, what comes twice waits once, and nobody shows what somebody else is about to show", async () => {
  const storage = openMemoryStorage(new MemoryPlace());
  const onTrouble = (error: unknown) => expect.fail(String(error));
  const warnings = new Warnings({ storage, emit: () => undefined, onTrouble });
  await warnings.add({ warning: "vault", text: "the vault" });
  for (let each = 1; each <= 30; each++) await warnings.add({ warning: "account-fork", text: `fork ${each}` });
  await warnings.add({ warning: "vault", text: "the vault" });
  const waiting = await waitingWarnings(storage);
  const forks = Array.from({ length: 10 }, (_, place) => `fork ${place + 21}`);
  expect(waiting.map(({ text }) => text)).toEqual(["the vault", ...forks]);
  const [first, second] = [warnings.claim(), warnings.claim()];
  expect([first?.text, second?.text]).toEqual(["the vault", "fork 21"]);
  await warnings.shown(first!.number);
  const next = new Warnings({ storage, emit: () => undefined, onTrouble });
  await next.load(() => undefined);
  expect(next.claim()?.text).toBe("fork 21");
});
