import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { setTimeout as wait } from "node:timers/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomFrom } from "../testing/crash/random.ts";
import { newPassword, type Person, person, startSystem, type System } from "../testing/index.ts";
import type { Client } from "./api.ts";
import { openClient, recover, signIn, signUp } from "./node.ts";

/** `SEED=7 RUNS=20 npm test -- client/passwords-at-random` repeats, and plays more. */
const firstSeed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const runs = Number(process.env["RUNS"] ?? 1);
const seeds = Array.from({ length: runs }, (_, run) => firstSeed + run);

type Deed = "change" | "recover" | "succeed" | "sign-in" | "sign-out" | "revoke" | "away";

const deeds: readonly Deed[] = [
  ...Array<Deed>(10).fill("change"),
  ...Array<Deed>(2).fill("recover"),
  "succeed",
  ...Array<Deed>(4).fill("sign-in"),
  ...Array<Deed>(2).fill("sign-out"),
  ...Array<Deed>(2).fill("revoke"),
  ...Array<Deed>(2).fill("away"),
];

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

interface Device {
  readonly place: { readonly home: string; readonly profile: string };
  client: Client;
}

/** Somebody whose password changes all the time, and what must be true of them. */
class Changing implements AsyncDisposable {
  readonly name: string;
  readonly random: () => number;
  password: string;
  words: string;
  /** Those that can be used. */
  devices: Device[] = [];
  /** Texts with bob alone, in order. */
  readonly said: string[] = [];
  note = "";
  #profiles = 0;

  constructor(name: string, random: () => number, password: string, words: string) {
    this.name = name;
    this.random = random;
    this.password = password;
    this.words = words;
  }

  get options() {
    return { gateway: system.gatewayUrl, name: this.name };
  }

  any<Value>(values: readonly Value[]): Value {
    return values[Math.floor(this.random() * values.length)]!;
  }

  newPlace(): Device["place"] {
    return { home: join(system.folder, "changing"), profile: `${this.name}-${++this.#profiles}` };
  }

  async open(place: Device["place"]): Promise<void> {
    this.devices.push({ place, client: (await openClient(place, { gateway: system.gatewayUrl }))! });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.devices) await client.close();
  }
}

/** Who tries too often waits. */
async function patiently<Result extends { readonly kind: string; readonly code?: ErrorCode }>(
  enter: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    const result = await enter();
    if (result.code !== ErrorCode.RATE_LIMITED) return result;
    await wait(1_000);
  }
}

async function begin(name: string, random: () => number): Promise<Changing> {
  const password = newPassword();
  const place = { home: join(system.folder, "changing"), profile: name };
  const signedUp = await signUp(place, { gateway: system.gatewayUrl, name, password });
  if (signedUp.kind !== "signed-up") throw new Error(JSON.stringify(signedUp));
  const changing = new Changing(name, random, password, signedUp.recoveryWords.join(" "));
  await changing.open(place);
  return changing;
}

/** As the other operations with a password answer. */
function refusalOf(error: unknown): { readonly kind: "refused"; readonly code: ErrorCode } {
  if (!(error instanceof FastChatError)) throw error;
  return { kind: "refused", code: error.code };
}

/** The password was replaced: the one before opens nothing any more. */
async function replaced(changing: Changing, fresh: string): Promise<void> {
  const { options, password } = changing;
  changing.password = fresh;
  const told = await patiently(() => signIn(changing.newPlace(), { ...options, password }));
  expect(told).toMatchObject({ kind: "refused", code: ErrorCode.WRONG_PASSWORD });
}

/** These have no rights any more, and are told so. */
async function ended(changing: Changing, gone: readonly Device[]): Promise<void> {
  changing.devices = changing.devices.filter((device) => !gone.includes(device));
  for (const { client } of gone) {
    await expect.poll(() => client.connection.kind).toBe("ended");
    await client.close();
  }
}

const acts: Readonly<Record<Deed, (changing: Changing, one: Device, others: readonly Device[]) => Promise<void>>> = {
  change: async (changing, one) => {
    const fresh = newPassword();
    expect(await patiently(() => one.client.changePassword(changing.password, fresh))).toEqual({ kind: "changed" });
    await replaced(changing, fresh);
  },
  recover: async (changing) => {
    const { options, words } = changing;
    const [place, fresh] = [changing.newPlace(), newPassword()];
    expect(await patiently(() => recover(place, { ...options, words, password: fresh }))).toMatchObject({ kind: "signed-in" });
    await changing.open(place);
    await replaced(changing, fresh);
  },
  succeed: async (changing, one, others) => {
    const { options, words } = changing;
    const fresh = newPassword();
    const succeeded = await patiently(() => one.client.succeed(changing.password, fresh));
    if (succeeded.kind !== "succeeded") throw new Error(JSON.stringify(succeeded));
    changing.words = succeeded.recoveryWords.join(" ");
    await ended(changing, others);
    const told = await patiently(() => recover(changing.newPlace(), { ...options, words, password: newPassword() }));
    expect(told).toMatchObject({ kind: "refused", code: ErrorCode.WRONG_RECOVERY_WORDS });
    await replaced(changing, fresh);
  },
  "sign-in": async (changing) => {
    const { options, password } = changing;
    const place = changing.newPlace();
    expect(await patiently(() => signIn(place, { ...options, password }))).toMatchObject({ kind: "signed-in" });
    await changing.open(place);
  },
  "sign-out": async (changing, one, others) => {
    if (others.length === 0) return;
    changing.devices = [...others];
    expect(await one.client.signOut()).toEqual({ server: "told" });
  },
  revoke: async (changing, one, others) => {
    if (others.length === 0) return;
    const lost = changing.any(others);
    const revoke = () => one.client.revokeDevices(changing.password, [lost.client.me.device]);
    expect(await patiently(() => revoke().then(() => ({ kind: "revoked" }) as const, refusalOf))).toEqual({ kind: "revoked" });
    await ended(changing, [lost]);
  },
  away: async (_, one) => {
    await one.client.close();
    one.client = (await openClient(one.place, { gateway: system.gatewayUrl }))!;
  },
};

/** Does one thing on one of the devices. */
async function act(changing: Changing, deed: Deed): Promise<void> {
  const one = changing.any(changing.devices);
  const others = changing.devices.filter((device) => device !== one);
  await acts[deed](changing, one, others);
}

const textsOn = async ({ client }: Device, peer: string): Promise<string[]> => {
  const { items } = await client.items(await client.openDirect(peer), { limit: 500 });
  return items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
};

/** Whatever device of theirs it is: it reads all, it writes, it is answered, and it has the same note as all others. */
async function allWorks(changing: Changing, bob: Person, round: number): Promise<void> {
  const one = changing.any(changing.devices);
  const id = await one.client.openDirect(bob.name);
  const [said, answer] = [`round ${round}, from ${one.place.profile}`, `round ${round}, from bob`];
  await one.client.send(id, said);
  await one.client.sent(id, AbortSignal.timeout(20_000));
  await bob.hears(changing.name, said);
  if ((await bob.client.conversation(id))?.blocked === "identity-changed") await bob.client.acceptIdentity(changing.name);
  await bob.say(changing.name, answer);
  changing.said.push(said, answer);
  changing.note = `note of round ${round}`;
  await one.client.setNote(bob.name, changing.note);
  for (const device of changing.devices) {
    await expect.poll(() => textsOn(device, bob.name), { message: device.place.profile }).toEqual(changing.said);
    await expect.poll(async () => (await device.client.conversation(id))?.peer?.note).toBe(changing.note);
    expect(device.client.connection.kind).toBe("online");
  }
}

test.each(seeds)(
  "[P2] [H3] passwords changed, recovered and replaced while devices come and go: nothing is lost, what was replaced is dead (SEED=%i)",
  { timeout: 180_000 },
  async (seed) => {
    const random = randomFrom(seed);
    const name = `una${seed}`;
    await using bob = await person(system, "bob", { profile: `bob-of-${name}` });
    await using changing = await begin(name, random);
    const group = await changing.devices[0]!.client.groups.create({ name: "friends", members: ["bob"] });
    const order = deeds.map((deed) => ({ deed, place: random() })).toSorted((one, other) => one.place - other.place);
    for (const [round, { deed }] of order.entries()) {
      await act(changing, deed);
      await allWorks(changing, bob, round);
    }
    const active = (await changing.devices[0]!.client.devices()).filter(({ state }) => state === "active");
    expect(active.map(({ device }) => device).toSorted()).toEqual(changing.devices.map(({ client }) => client.me.device).toSorted());
    // With nothing but the name and what is good now.
    await act(changing, "sign-in");
    await act(changing, "recover");
    for (const { client } of changing.devices) {
      await client.send(group, `from ${client.me.device}`);
      await client.sent(group, AbortSignal.timeout(20_000));
    }
    await allWorks(changing, bob, order.length);
    const everywhere = changing.devices.map(({ client }) => `from ${client.me.device}`);
    for (const { client } of [...changing.devices, bob]) {
      const read = async () =>
        (await client.items(group, { limit: 100 })).items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
      await expect.poll(read).toEqual(everywhere);
      for (const id of [group, await client.openDirect(client === bob.client ? name : bob.name)]) {
        const kinds = (await client.items(id, { limit: 500 })).items.flatMap((item) => (item.kind === "notice" ? [item.notice] : []));
        expect(
          kinds.filter((kind) => ["unreadable", "contradiction", "fork", "incomplete", "invalid-link", "device-runs-twice"].includes(kind)),
        ).toEqual([]);
      }
    }
  },
);
