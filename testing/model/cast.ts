import type { AccountId } from "@fastchat/protocol";
import { anotherDevice, type Person, person } from "../person.ts";
import { FrameProxy, type Script } from "../proxy.ts";
import type { System } from "../system.ts";

/** A device of somebody; its client is closed while it is away. */
export interface Device {
  readonly person: Person;
  away: boolean;
  /** It was revoked, and does nothing any more. */
  ended: boolean;
}

export interface Player {
  readonly name: string;
  readonly account: AccountId;
  /** The first one is never revoked. */
  devices: Device[];
}

/** People who know each other and stay signed in from one run to the next, all behind one wire. */
export class Cast implements AsyncDisposable {
  readonly system: System;
  readonly players: readonly Player[];
  readonly #proxy: FrameProxy;
  #devices = 0;

  private constructor(system: System, players: readonly Player[], proxy: FrameProxy) {
    this.system = system;
    this.players = players;
    this.#proxy = proxy;
  }

  static async assemble(system: System, names: readonly string[]): Promise<Cast> {
    const proxy = await FrameProxy.start(system.gatewayUrl);
    const people = await Promise.all(names.map((name) => person(system, name, { gateway: proxy.url })));
    // Nobody is a stranger, whose groups would wait to be accepted.
    for (const each of people) for (const name of names) if (name !== each.name) await each.client.openDirect(name);
    const players = people.map((each) => ({
      name: each.name,
      account: each.me.account,
      devices: [{ person: each, away: false, ended: false }],
    }));
    return new Cast(system, players, proxy);
  }

  set wire(script: Script) {
    this.#proxy.script = script;
  }

  get devices(): Device[] {
    return this.players.flatMap(({ devices }) => devices);
  }

  async addDevice(player: Player): Promise<void> {
    const profile = `${player.name}-${++this.#devices}`;
    const device = await anotherDevice(this.system, player.devices[0]!.person, { profile, gateway: this.#proxy.url });
    player.devices.push({ person: device, away: false, ended: false });
  }

  /** Every run begins with one device each, present. */
  async reset(): Promise<void> {
    for (const player of this.players) {
      const [first, ...others] = player.devices;
      for (const { person: each } of others) await each.client.close();
      player.devices = [first!];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { person: each } of this.devices) await each.client.close();
    await this.#proxy[Symbol.asyncDispose]();
  }
}
