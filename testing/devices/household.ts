import { recover, signIn } from "@fastchat/client/node";
import { type AccountId, ErrorCode } from "@fastchat/protocol";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { openClient } from "../../client/node.ts";
import type { Device, Player } from "../model/cast.ts";
import { Divergence } from "../model/simple-group.ts";
import { newPassword, Person, person } from "../person.ts";
import { FrameProxy, type Script } from "../proxy.ts";
import type { System } from "../system.ts";

/** What the account's chain says of a device; `unknown`: it signed out, and the answer was lost. */
type Standing = "active" | "signed-out" | "revoked" | "unknown";

/** `ended`: nobody uses it any more, or nobody can. */
export interface OwnedDevice extends Device {
  standing: Standing;
  /** There is a copy of its profile. */
  hasCopy: boolean;
  /** Its profile is there. */
  hasProfile: boolean;
}

export interface Owner extends Player {
  readonly name: string;
  readonly account: AccountId;
  devices: OwnedDevice[];
  password: string;
  /** Passwords that were replaced. */
  readonly dead: string[];
  /** Undefined: nobody wrote them down at the sign-up. */
  words: string | undefined;
}

const AGAIN_MS = 2_000;

/** People who know each other, with as many devices as they like, all behind one wire. */
export class Household implements AsyncDisposable {
  readonly system: System;
  readonly players: readonly Owner[];
  readonly #proxy: FrameProxy;
  #profiles = 0;

  private constructor(system: System, players: readonly Owner[], proxy: FrameProxy) {
    this.system = system;
    this.players = players;
    this.#proxy = proxy;
  }

  static async assemble(system: System, names: readonly string[]): Promise<Household> {
    const proxy = await FrameProxy.start(system.gatewayUrl);
    const people = await Promise.all(names.map((name) => person(system, name, { gateway: proxy.url })));
    // Nobody is a stranger, whose conversations would wait to be accepted.
    for (const each of people) for (const name of names) if (name !== each.name) await each.client.openDirect(name);
    const players = people.map((each): Owner => {
      const device = { person: each, away: false, ended: false, standing: "active", hasCopy: false, hasProfile: true } as const;
      return { name: each.name, account: each.me.account, devices: [{ ...device }], password: each.password, dead: [], words: undefined };
    });
    return new Household(system, players, proxy);
  }

  set wire(script: Script) {
    this.#proxy.script = script;
  }

  get devices(): OwnedDevice[] {
    return this.players.flatMap(({ devices }) => devices);
  }

  /** With the password, and nothing else. */
  async signIn(owner: Owner): Promise<void> {
    const { name, password } = owner;
    await this.#enter(owner, (place) => signIn(place, { gateway: this.#proxy.url, name, password }));
  }

  /** With the recovery words, which set another password. */
  async recover(owner: Owner, words: string): Promise<void> {
    const { name } = owner;
    const password = newPassword();
    await this.#enter(owner, (place) => recover(place, { gateway: this.#proxy.url, name, words, password }));
    replacePassword(owner, password);
  }

  /** What an old password is told. */
  async tryPassword({ name }: Owner, password: string): Promise<Awaited<ReturnType<typeof signIn>>> {
    const place = { home: this.system.home, profile: `${name}-nobody` };
    return patientlyEntered(() => signIn(place, { gateway: this.#proxy.url, name, password }));
  }

  async #enter(owner: Owner, enter: (place: { home: string; profile: string }) => ReturnType<typeof recover>): Promise<void> {
    const place = { home: this.system.home, profile: `${owner.name}-${++this.#profiles}` };
    const result = await patientlyEntered(() => enter(place));
    if (result.kind !== "signed-in") throw new Divergence(`${owner.name} could not sign in: ${JSON.stringify(result)}`);
    const gateway = this.#proxy.url;
    const client = (await openClient(place, { gateway, agent: "fastchat-test" }))!;
    const { name, password } = owner;
    const device = new Person({ ...place, name, password, me: result.me, gateway, client });
    owner.devices.push({ person: device, away: false, ended: false, standing: "active", hasCopy: false, hasProfile: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { person: each } of this.devices) await each.client.close();
    await this.#proxy[Symbol.asyncDispose]();
  }
}

export function replacePassword(owner: Owner, password: string): void {
  owner.dead.push(owner.password);
  owner.password = password;
}

/** Who signs in too often waits. */
async function patientlyEntered<Result extends { readonly kind: string; readonly code?: ErrorCode }>(
  enter: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    const result = await enter();
    if (result.code !== ErrorCode.RATE_LIMITED) return result;
    await wait(AGAIN_MS);
  }
}

const folderOf = ({ home, profile }: Person): string => join(home, profile);
const copyOf = (device: Person): string => `${folderOf(device)}.copy`;

export async function comeBack(device: OwnedDevice): Promise<void> {
  await device.person.reopen();
  device.away = false;
}

/** As it is at this moment: the profile is closed for it. */
export async function copyProfile(device: OwnedDevice): Promise<void> {
  await device.person.client.close();
  await rm(copyOf(device.person), { recursive: true, force: true });
  await cp(folderOf(device.person), copyOf(device.person), { recursive: true });
  device.hasCopy = true;
  await comeBack(device);
}

/** It lives again, unless it was revoked or signed out. */
export async function restoreProfile(device: OwnedDevice): Promise<void> {
  await device.person.client.close();
  await rm(folderOf(device.person), { recursive: true, force: true });
  await cp(copyOf(device.person), folderOf(device.person), { recursive: true });
  device.hasProfile = true;
  device.ended = device.standing !== "active";
  await comeBack(device);
}

export async function wipeProfile(device: OwnedDevice): Promise<void> {
  device.ended = true;
  device.hasProfile = false;
  await device.person.client.close();
  await rm(folderOf(device.person), { recursive: true, force: true });
}
