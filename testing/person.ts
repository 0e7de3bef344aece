import type { ChatItem, ChatMessage, Client, ClientEvent, ConversationSummary, Me } from "@fastchat/client";
import { openClient, signIn, signUp } from "@fastchat/client/node";
import type { ConversationId } from "@fastchat/protocol";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { System } from "./system.ts";

export interface PersonOptions {
  /** Default: the name. A second device of the same person needs another. */
  readonly profile?: string;
  /** A proxy before the gateway; default the system's own. */
  readonly gateway?: string;
  readonly home?: string;
}

/** Where people sign up. */
export type Home = Pick<System, "gatewayUrl" | "home" | "people">;

/** Somebody with a device that runs in this process. */
export class Person implements AsyncDisposable {
  readonly name: string;
  readonly password: string;
  readonly me: Me;
  readonly home: string;
  readonly profile: string;
  readonly gateway: string;
  client: Client;
  /** All events since the client was opened, also over several `reopen`. */
  readonly events: ClientEvent[] = [];

  constructor(parts: Pick<Person, "name" | "password" | "me" | "home" | "profile" | "gateway" | "client">) {
    this.name = parts.name;
    this.password = parts.password;
    this.me = parts.me;
    this.home = parts.home;
    this.profile = parts.profile;
    this.gateway = parts.gateway;
    this.client = parts.client;
    this.client.subscribe((event) => this.events.push(event));
  }

  /** Closes and opens the profile again, as a new process would. */
  async reopen(gateway = this.gateway): Promise<void> {
    await this.client.close();
    this.client = await open(this, gateway);
    this.client.subscribe((event) => this.events.push(event));
  }

  /** Sends a text to somebody and waits until it is on the server. */
  async say(to: string, text: string, patience: AbortSignal = AbortSignal.timeout(30_000)): Promise<ConversationId> {
    const conversation = await this.client.openDirect(to);
    await this.client.send(conversation, text);
    await this.client.sent(conversation, patience);
    return conversation;
  }

  /** The newest items of the conversation with somebody. */
  async items(peer: string, limit = 100): Promise<readonly ChatItem[]> {
    return (await this.client.items(await this.client.openDirect(peer), { limit })).items;
  }

  async messages(peer: string, limit = 100): Promise<readonly ChatMessage[]> {
    return (await this.items(peer, limit)).filter((item) => item.kind === "message");
  }

  /** The texts of the newest messages with somebody, oldest first; none while there is no such conversation here. */
  async texts(peer: string, limit = 100): Promise<string[]> {
    const summary = await this.#directWith(peer);
    if (summary === undefined) return [];
    const { items } = await this.client.items(summary.id, { limit });
    return items.filter((item) => item.kind === "message").map(({ text }) => text);
  }

  /** Also one that is a request. */
  async #directWith(peer: string): Promise<ConversationSummary | undefined> {
    const all = [...(await this.client.conversations()), ...(await this.client.requests()).conversations];
    return all.find((each) => each.peer?.name === peer);
  }

  /** Waits until a text of somebody is there. Whoever waits for somebody wants to know them: a stranger is accepted. */
  async hears(peer: string, text: string, withinMs = 30_000): Promise<void> {
    for (const end = Date.now() + withinMs; !(await this.texts(peer)).includes(text);) {
      if (Date.now() > end) throw new Error(`${this.name} did not hear "${text}" from ${peer} within ${withinMs} ms`);
      const { promise, resolve } = Promise.withResolvers<void>();
      const stop = this.client.subscribe(() => resolve());
      const again = setTimeout(resolve, 100);
      await promise;
      clearTimeout(again);
      stop();
    }
    const summary = await this.#directWith(peer);
    if (summary?.request === true) await this.client.accept(summary.id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
  }
}

async function open(place: { home: string; profile: string; name: string }, gateway: string): Promise<Client> {
  const client = await openClient({ home: place.home, profile: place.profile }, { gateway, agent: "fastchat-test" });
  if (client === undefined) throw new Error(`nobody is signed in as ${place.name}`);
  return client;
}

/** Somebody new in this system, with an open client. */
export async function person(system: Home, name: string, options: PersonOptions = {}): Promise<Person> {
  const place = placeOf(system, name, options);
  const password = await enter(system, name, place);
  const client = await open({ ...place, name }, place.gateway);
  return new Person({ ...place, name, password, me: client.me, client });
}

/**
 * Makes the profile of somebody new; gives the password, which nobody guesses. Who is signed up already brings the profile of that time, made
 * through another gateway.
 */
export async function enter(system: Home, name: string, place: { home: string; profile: string; gateway: string }): Promise<string> {
  const { home, profile, gateway } = place;
  const known = system.people?.passwords.get(name);
  if (known !== undefined) {
    await cp(join(system.people!.home, name), join(home, profile), { recursive: true, errorOnExist: true, force: false });
    return known;
  }
  const password = newPassword();
  const result = await signUp({ home, profile }, { gateway, name, password });
  if (result.kind !== "signed-up")
    throw new Error(`${name} could not sign up: ${result.kind === "refused" ? result.sentence : result.kind}`);
  return password;
}

/** One more device of somebody, signed in with the password. */
export async function anotherDevice(system: Home, of: Person, options: PersonOptions & { readonly profile: string }): Promise<Person> {
  const place = placeOf(system, of.name, options);
  const result = await signIn(
    { home: place.home, profile: place.profile },
    { gateway: place.gateway, name: of.name, password: of.password },
  );
  if (result.kind !== "signed-in")
    throw new Error(`${of.name} could not sign in: ${result.kind === "refused" ? result.sentence : result.kind}`);
  return new Person({
    ...place,
    name: of.name,
    password: of.password,
    me: result.me,
    client: await open({ ...place, name: of.name }, place.gateway),
  });
}

/** So many are worth another process. */
const MANY = 8;

/** Signs up many without opening them, on two processors; gives their passwords. */
export async function signUpPeople(system: System, names: readonly string[], gateway = system.gatewayUrl): Promise<Map<string, string>> {
  const half = names.length < MANY ? names.length : Math.ceil(names.length / 2);
  const parts = [names.slice(0, half), names.slice(half)].filter(({ length }) => length > 0);
  const program = join(import.meta.dirname, "entries", "sign-up.ts");
  const printed = await Promise.all(parts.map((some) => execute(process.execPath, [program, gateway, system.home, ...some])));
  return new Map(printed.flatMap(({ stdout }) => JSON.parse(stdout) as [string, string][]));
}

const execute = promisify(execFile);

export const newPassword = (): string => randomBytes(18).toString("base64url");

function placeOf(system: Home, name: string, options: PersonOptions): { home: string; profile: string; gateway: string } {
  return { home: options.home ?? system.home, profile: options.profile ?? name, gateway: options.gateway ?? system.gatewayUrl };
}
