import type { ChatNotice, ClientEvent, NoticeKind } from "@fastchat/client";
import type { ConversationId } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, type Person, person } from "../person.ts";
import { FrameProxy, type ProxiedConnection } from "../proxy.ts";
import { startSystem, type System } from "../system.ts";

/** One thing that somebody who owns the server may try. */
export interface EvilCase {
  /** As the literature and cryptography.md, section 8, call it. */
  readonly attack: string;
  /** The rules that stop it. */
  readonly rules: string;
  /** Plays the script and throws when the honest clients do not refuse or show it, or cannot talk afterwards. */
  readonly run: (stage: Stage) => Promise<void>;
}

/** Who plays in all cases of a system. */
class Cast implements AsyncDisposable {
  readonly #system: System;
  readonly #honest = new Map<string, Promise<Person>>();
  /** Names of people who are signed up already and have not played. */
  readonly #unused: string[];
  #newcomers = 0;

  constructor(system: System) {
    this.#system = system;
    this.#unused = [...(system.people?.passwords.keys() ?? [])];
  }

  /** Somebody whom nobody deceives, the same in all cases. */
  honest(role: string): Promise<Person> {
    const known = this.#honest.get(role) ?? this.unused(role);
    this.#honest.set(role, known);
    return known;
  }

  /** Somebody who has not played yet. */
  unused(role: string, gateway = this.#system.gatewayUrl): Promise<Person> {
    const name = this.#unused.shift();
    return name === undefined ? this.newcomer(role, gateway) : person(this.#system, name, { gateway });
  }

  /** Somebody who signs up now. */
  newcomer(role: string, gateway: string): Promise<Person> {
    return person(this.#system, `${role}${++this.#newcomers}`, { gateway });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#honest.values()) await (await each)[Symbol.asyncDispose]();
  }
}

/** Where a case is played: alice is behind the evil server, bob is not. */
export class Stage implements AsyncDisposable {
  readonly system: System;
  readonly proxy: FrameProxy;
  readonly #cast: Cast;
  readonly #people = new AsyncDisposableStack();

  private constructor(system: System, cast: Cast, proxy: FrameProxy) {
    this.system = system;
    this.#cast = cast;
    this.proxy = proxy;
  }

  static async open(system: System, cast: Cast): Promise<Stage> {
    return new Stage(system, cast, await FrameProxy.start(system.gatewayUrl));
  }

  /** Somebody behind the evil server, for this case alone. */
  async victim(role: string): Promise<Person> {
    return this.#people.use(await this.#cast.unused(role, this.proxy.url));
  }

  /** The same, who signs up through the evil server. */
  async newVictim(role: string): Promise<Person> {
    return this.#people.use(await this.#cast.newcomer(role, this.proxy.url));
  }

  /** Somebody whom nobody deceives; shared with other cases, so nothing that lasts may happen to them. */
  honest(role: string): Promise<Person> {
    return this.#cast.honest(role);
  }

  /** The same, for this case alone. */
  async ownHonest(role: string): Promise<Person> {
    return this.#people.use(await this.#cast.unused(role));
  }

  /** One more device of a person's, under this name; nobody deceives it, unless it comes in elsewhere than the others. */
  async deviceOf(person: Person, name: string, gateway = this.system.gatewayUrl): Promise<Person> {
    return this.use(await anotherDevice(this.system, person, { profile: `${person.profile}-${name}`, gateway }));
  }

  /** Ends with the stage. */
  use<Value extends AsyncDisposable>(value: Value): Value {
    return this.#people.use(value);
  }

  /** Alice, who is behind the evil server, and bob, who have already talked. */
  async acquaintances(options: { readonly ownBob?: boolean } = {}): Promise<{ alice: Person; bob: Person; conversation: ConversationId }> {
    const alice = await this.victim("alice");
    const bob = await (options.ownBob === true ? this.ownHonest("bob") : this.honest("bob"));
    const conversation = await alice.say(bob.name, "hello bob");
    await bob.hears(alice.name, "hello bob");
    await bob.say(alice.name, "hello alice");
    await alice.hears(bob.name, "hello alice");
    return { alice, bob, conversation };
  }

  /** The evil server's hold on this person's newest connection. */
  connectionOf(person: Person): ProxiedConnection {
    const found = [...this.proxy.connections].findLast((connection) => connection.account === person.me.account && connection.open);
    if (found === undefined) throw new Error(`${person.name} has no connection through the proxy`);
    return found;
  }

  /** The server is honest from now on: what the two say to each other must arrive. */
  async honestTalk(one: Person, other: Person): Promise<void> {
    this.proxy.script = {};
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const text = `afterwards, from ${from.name}`;
      await from.say(to.name, text);
      await to.hears(from.name, text);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#people.disposeAsync();
    await this.proxy[Symbol.asyncDispose]();
  }
}

const PATIENCE_MS = 15_000;

/** Waits until the predicate gives something, looking again after every event. Throws with what was waited for. */
export async function until<Value>(
  person: Person,
  what: string,
  look: () => Promise<Value | undefined> | Value | undefined,
  withinMs = PATIENCE_MS,
): Promise<Value> {
  for (const end = Date.now() + withinMs; ;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${person.name} never saw ${what}`);
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = person.client.subscribe(() => resolve());
    const again = setTimeout(resolve, 100);
    await promise;
    clearTimeout(again);
    stop();
  }
}

export async function notices(person: Person, conversation: ConversationId): Promise<ChatNotice[]> {
  const { items } = await person.client.items(conversation, { limit: 200 });
  return items.filter((item) => item.kind === "notice");
}

/** Waits for a notice of one of these kinds in the conversation. */
export function noticed(person: Person, conversation: ConversationId, kinds: readonly NoticeKind[]): Promise<ChatNotice> {
  return until(person, `a notice ${kinds.join(" or ")}`, async () =>
    (await notices(person, conversation)).find(({ notice }) => kinds.includes(notice)),
  );
}

export function warned(person: Person, warning: Extract<ClientEvent, { kind: "warning" }>["warning"]): Promise<ClientEvent> {
  return until(person, `a warning ${warning}`, () => person.events.find((event) => event.kind === "warning" && event.warning === warning));
}

/** Makes a test of each case, all in one system. */
export function play(cases: readonly EvilCase[]): void {
  const shared = new AsyncDisposableStack();
  let system: System;
  let cast: Cast;
  beforeAll(async () => {
    system = shared.use(await startSystem({ servers: 1 }));
    cast = shared.use(new Cast(system));
  });
  afterAll(() => shared.disposeAsync());

  test.each(cases.map((each) => [each.rules, each.attack, each] as const))("%s %s", async (_, __, evil) => {
    await using stage = await Stage.open(system, cast);
    await evil.run(stage);
    expect(system.processes.filter(({ running }) => !running)).toEqual([]);
  });
}
