import type { ChatNotice, ClientEvent, NoticeKind } from "@fastchat/client";
import type { ConversationId } from "@fastchat/protocol";
import { type Person, person } from "../person.ts";
import { FrameProxy, type ProxiedConnection } from "../proxy.ts";
import type { System } from "../system.ts";

/** One thing that somebody who owns the server may try. */
export interface EvilCase {
  /** As the literature and cryptography.md, section 8, call it. */
  readonly attack: string;
  /** The rules that stop it. */
  readonly rules: string;
  /** Plays the script and throws when the honest clients do not refuse or show it, or cannot talk afterwards. */
  readonly run: (stage: Stage) => Promise<void>;
}

/** People whom nobody deceives, and who are the same in all cases. */
export class HonestPeople implements AsyncDisposable {
  readonly #system: System;
  readonly #people = new Map<string, Promise<Person>>();

  constructor(system: System) {
    this.#system = system;
  }

  get(name: string): Promise<Person> {
    const known = this.#people.get(name) ?? person(this.#system, name);
    this.#people.set(name, known);
    return known;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#people.values()) await (await each)[Symbol.asyncDispose]();
  }
}

/** Where a case is played: alice is behind the evil server, bob is not. */
export class Stage implements AsyncDisposable {
  readonly system: System;
  readonly proxy: FrameProxy;
  readonly #number: number;
  readonly #honest: HonestPeople;
  readonly #people = new AsyncDisposableStack();

  private constructor(system: System, honest: HonestPeople, proxy: FrameProxy, number: number) {
    this.system = system;
    this.#honest = honest;
    this.proxy = proxy;
    this.#number = number;
  }

  static async open(system: System, honest: HonestPeople, number: number): Promise<Stage> {
    return new Stage(system, honest, await FrameProxy.start(system.gatewayUrl), number);
  }

  /** Somebody behind the evil server. Names are never given twice, so each case has its own. */
  async victim(name: string): Promise<Person> {
    return this.#people.use(await person(this.system, `${name}${this.#number}`, { gateway: this.proxy.url }));
  }

  /** Somebody whom nobody deceives; shared with other cases, so nothing that lasts may happen to them. */
  honest(name: string): Promise<Person> {
    return this.#honest.get(name);
  }

  /** The same, for this case alone. */
  async ownHonest(name: string): Promise<Person> {
    return this.#people.use(await person(this.system, `${name}${this.#number}`));
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
