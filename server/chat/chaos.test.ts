import { afterAll, beforeAll, expect, test } from "vitest";
import { randomFrom } from "../../testing/crash/random.ts";
import { ChaosBus } from "../../testing/faults/chaos-bus.ts";
import { openNatsBus } from "../bus/bus-nats.ts";
import { TestNats } from "../bus/test-nats.ts";
import { silentLog } from "../events.ts";
import { signUp, TestConversation, type TestPerson, TestSocket } from "../test-client.ts";
import { TestInstallation, type TestInstallationOptions } from "../test-installation.ts";

// Two chat servers, whose every second hint is lost, late, doubled or overtaken.

const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const CHAOS = { drop: 0.2, duplicate: 0.2, delay: 0.3, longestDelayMs: 300 };
const ROUNDS = 25;
const AT_ONCE = 4;

let nats: TestNats | undefined;
beforeAll(async () => {
  if (TestNats.isInstalled()) nats = await TestNats.start();
});
afterAll(() => nats?.[Symbol.asyncDispose]());

const overNats = () => openNatsBus({ place: nats!.place(), subject: "fastchat.test.hints", log: silentLog });

for (const name of ["NOTIFY", "NATS"]) {
  test(`[D9] [D6] ${name}: whatever becomes of hints, every message comes once and in order, at both servers (SEED=${seed})`, async ({
    skip,
  }) => {
    if (name === "NATS") TestNats.orSkip(skip);
    const counts = await talk(name === "NATS" ? { openBus: overNats } : {});
    for (const what of ["dropped", "duplicated", "delayed"] as const) expect(counts.some((each) => each[what] > 0)).toBe(true);
  });
}

async function talk(options: TestInstallationOptions): Promise<ChaosBus["counts"][]> {
  const random = randomFrom(seed);
  const buses: ChaosBus[] = [];
  const wrapBus: TestInstallationOptions["wrapBus"] = (bus) => {
    const wrapped = new ChaosBus(bus, random, CHAOS);
    buses.push(wrapped);
    return wrapped;
  };
  await using installation = await TestInstallation.start({ ...options, servers: 2, wrapBus });
  const { url } = installation.gateway;
  const [alice, bob] = [await signUp(url, "alice"), await signUp(url, "bob")];
  const conversation = new TestConversation(alice, bob);
  await using a = await TestSocket.welcome(url, alice.devices[0]!, ["chat-2"]);
  await using b = await TestSocket.welcome(url, bob.devices[0]!, ["chat-1"]);
  await conversation.open(a, alice);
  await b.until(({ body }) => body.case === "entries");
  const write = async (socket: TestSocket, person: TestPerson) => {
    for (let round = 0; round < ROUNDS; round++) {
      const messages = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => conversation.message(`${round} ${index}`, person)));
      for (const request of socket.say(...messages.map((message) => conversation.send(message)))) await socket.answer(request, "sent");
    }
  };
  await Promise.all([write(a, alice), write(b, bob)]);
  const all = Array.from({ length: 1 + 2 * ROUNDS * AT_ONCE }, (_, index) => index + 1);
  for (const socket of [a, b]) {
    await socket.until(() => socket.live(conversation.id).length >= all.length);
    expect(socket.live(conversation.id)).toEqual(all);
  }
  return buses.map(({ counts }) => counts);
}
