import { afterAll, beforeAll, expect, test } from "vitest";
import {
  anotherDevice,
  closeScreens,
  environmentIn,
  fastchat,
  objectsIn,
  type Person,
  person,
  startFastchat,
  startSystem,
  type System,
  TestScreen,
} from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
});

const NEW_DEVICE = "signed in to your account";
const timesIn = (text: string) => text.split(NEW_DEVICE).length - 1;

async function signsIn(of: Person, profile: string): Promise<string> {
  await using other = await anotherDevice(system, of, { profile });
  return other.me.device.slice(0, 8);
}

test("[A5] commands say once, on standard error alone, that a device signed in while nothing ran", async () => {
  const alice = await person(system, "alice");
  await alice.client.caughtUp();
  await alice.client.close();
  const device = await signsIn(alice, "alice-2");
  let errors = "";
  for (let run = 1; run <= 4; run++) {
    const { code, output, errors: said } = await fastchat(system, ["send", "alice", `note ${run}`, "--json", "--profile", "alice"]);
    expect([code, objectsIn(output).map(({ type }) => type)]).toEqual([0, ["sent"]]);
    errors += said;
  }
  expect(timesIn(errors)).toBe(1);
  expect(errors).toContain(`devices revoke ${device}" takes its rights.`);
});

test("[A5] the screen beside another process shows it until a key, and a tail that runs alone says it", async () => {
  await using bob = await person(system, "bob");
  await bob.client.caughtUp();
  {
    await using screen = new TestScreen({ args: ["--profile", "bob"], columns: 160, environment: environmentIn(system) });
    await screen.shows("Welcome, bob");
    const device = await signsIn(bob, "bob-2");
    await screen.shows(NEW_DEVICE);
    expect(screen.text).toContain(device);
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    expect(screen.text).toContain(NEW_DEVICE);
    screen.type("x");
    await screen.hides(NEW_DEVICE);
    screen.type("\u0011");
    expect(await screen.ended()).toBe(0);
  }
  await bob.client.close();
  await using tail = startFastchat(system, ["tail", "--profile", "bob"]);
  await using screen = new TestScreen({ args: ["--profile", "bob"], columns: 160, environment: environmentIn(system) });
  await screen.shows("Welcome, bob");
  await signsIn(bob, "bob-3");
  const times = () => timesIn(tail.errors) + timesIn(screen.text);
  await expect.poll(times, { timeout: 20_000 }).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(times()).toBe(1);
});
