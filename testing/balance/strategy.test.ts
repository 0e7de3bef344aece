import { join } from "node:path";
import { limits } from "@fastchat/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { getTicket, signUp, type TestPerson, TestSocket } from "../../server/test-client.ts";
import { freePort } from "../free-port.ts";
import { COMMAND, fastchat, fastchatJson, startSystem, type System, TestProcess } from "../index.ts";

// Whoever runs the servers says how gateways choose, while real ones run.

let stack: AsyncDisposableStack;
let system: System;
let secondGateway: string;
let alice: TestPerson;

const environment = () => ({ DATABASE_URL: system.databaseUrl, FASTCHAT_DATA: join(system.folder, "data") });
const admin = (...words: string[]) => fastchatJson(system, ["admin", "strategy", ...words], { environment: environment() });

/** The servers of the next tickets, asked for one after the other. */
async function tickets(gateway: string, count: number): Promise<string[]> {
  const names: string[] = [];
  while (names.length < count) names.push((await getTicket(gateway, alice.devices[0]!)).server);
  return names;
}

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  system = stack.use(await startSystem({ servers: 2, people: "none" }));
  const port = await freePort();
  secondGateway = `http://127.0.0.1:${port}`;
  stack.use(
    await TestProcess.start({
      name: "gateway-2",
      args: [COMMAND, "gateway", "--port", String(port), "--data", join(system.folder, "data")],
      logFile: join(system.folder, "gateway-2.log"),
      environment: { DATABASE_URL: system.databaseUrl, FASTCHAT_SECRET_FILE: system.secretFile, FASTCHAT_STRATEGY: "round-robin" },
    }),
  );
  alice = await signUp(system.gatewayUrl, "alice");
});
afterEach(() => stack.disposeAsync());

test("another strategy counts from the next ticket on at every gateway, and outlives them, until it is taken back", async () => {
  // So many more that tickets under way change nothing.
  const sockets: TestSocket[] = [];
  while (sockets.length < 40) sockets.push(stack.use(await TestSocket.welcome(system.gatewayUrl, alice.devices[0]!, ["chat-2"])));
  const pinging = setInterval(() => sockets.forEach((socket) => socket.say({ case: "ping", value: {} })), limits.idleMs / 6);
  stack.defer(() => clearInterval(pinging));
  const loads = async () =>
    (await admin()).filter(({ type }) => type === "chat-server").map(({ name, connections }) => [name, connections]);
  await expect.poll(loads).toEqual([
    ["chat-1", 40],
    ["chat-2", 0],
  ]);
  const [said, one, two] = await admin();
  expect(said).toEqual({
    type: "strategy",
    strategy: "least-connections",
    by: "environment",
    environment: "least-connections",
    servers: 2,
  });
  expect(one).toMatchObject({ type: "chat-server", name: "chat-1", draining: false, offered: true, bytesPerSecond: expect.any(Number) });
  expect(one!["heartbeatMs"]).toBeLessThan(limits.heartbeatFreshMs);
  expect(two!["url"]).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);

  const even = ["chat-1", "chat-1", "chat-2", "chat-2"];
  expect(await tickets(system.gatewayUrl, 4)).toEqual(["chat-2", "chat-2", "chat-2", "chat-2"]);
  expect((await tickets(secondGateway, 4)).toSorted()).toEqual(even);

  expect(await admin("round-robin")).toEqual([
    { type: "strategy", strategy: "round-robin", by: "command", environment: "least-connections", servers: 2 },
  ]);
  for (const gateway of [system.gatewayUrl, secondGateway]) expect((await tickets(gateway, 4)).toSorted()).toEqual(even);
  await system.gateway.restart();
  expect((await tickets(system.gatewayUrl, 4)).toSorted()).toEqual(even);

  await admin("least-connections");
  for (const gateway of [system.gatewayUrl, secondGateway]) expect(new Set(await tickets(gateway, 4))).toEqual(new Set(["chat-2"]));
  expect((await admin("--forget"))[0]).toMatchObject({ strategy: "least-connections", by: "environment" });
  expect(new Set(await tickets(system.gatewayUrl, 4))).toEqual(new Set(["chat-2"]));
  expect((await tickets(secondGateway, 4)).toSorted()).toEqual(even);
});

test("for people: what counts, why, what each means, and how busy the servers are; and a sentence for what is none", async () => {
  const run = (...words: string[]) => fastchat(system, ["admin", "strategy", ...words], { environment: environment() });
  const { output } = await run();
  expect(output).toMatch(/^Gateways choose by least-connections, as FASTCHAT_STRATEGY has it here, or its default;/);
  expect(output).toMatch(/^ {2}\* least-connections +the server with the fewest sockets$/m);
  expect(output).toMatch(/^ {4}power-of-two +of two servers at random the one with fewer sockets$/m);
  expect(output).toMatch(/^ {2}chat-1 +0 sockets +\S+ bytes?\/s +heartbeat \d\.\d s ago$/m);
  const changed = await run("power-of-two");
  expect(changed.output).toBe("From now on gateways choose by power-of-two. Who is connected stays where they are.\n");
  expect((await run()).output).toMatch(/as it was chosen by this command, which comes before FASTCHAT_STRATEGY \(here least-connections\)/);
  const wrong = await run("fastest");
  expect(wrong).toMatchObject({
    code: 2,
    output: "",
    errors: 'fastchat: "fastest" is no strategy: write one of least-connections, round-robin, random, least-bytes, power-of-two.\n',
  });
  expect(await run("random", "--forget")).toMatchObject({
    code: 2,
    errors: "fastchat: NAME and --forget exclude each other: choose one.\n",
  });
});
