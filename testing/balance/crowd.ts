import { setTimeout as wait } from "node:timers/promises";
import type { ConnectionState } from "@fastchat/client";
import { clientMessageId } from "@fastchat/protocol";
import { random } from "@fastchat/protocol/seal";
import { Connection, isWorthRetrying } from "../../client/connection.ts";
import { Gateway } from "../../client/gateway.ts";
import { signUp, TestConversation, type TestPerson, TestSocket } from "../../server/test-client.ts";

/** Several at a time. */
const AT_ONCE = 8;

export async function forEach<T>(all: Iterable<T>, work: (each: T) => Promise<unknown>, atOnce = AT_ONCE): Promise<void> {
  const left = Iterator.from(all);
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const each of left) await work(each);
    }),
  );
}

/** People with real keys and cheap passwords, each with a conversation of their own. */
export async function signUpCrowd(gateway: string, count: number): Promise<TestConversation[]> {
  const crowd: TestConversation[] = [];
  await forEach(Array(count).keys(), async (number) => {
    const person = await signUp(gateway, `crowd${number}`);
    const conversation = new TestConversation(person);
    await using socket = await TestSocket.welcome(gateway, person.devices[0]!);
    await conversation.open(socket, person);
    crowd.push(conversation);
  });
  return crowd;
}

/** When the connection changed, by `performance.now()`. */
export interface Change {
  readonly at: number;
  readonly state: ConnectionState;
}

/** The connection of the real client, and nothing behind it: hundreds of them fit into a process. */
export class Member implements AsyncDisposable {
  readonly person: TestPerson;
  readonly changes: Change[] = [];
  /** From asking until the server had it, of each message; however often it had to be asked. */
  readonly sendMs: number[] = [];
  readonly sequences: number[] = [];
  readonly #conversation: TestConversation;
  readonly #connection: Connection;
  #stop = false;
  #sending: Promise<void> | undefined;

  constructor(gateway: string, conversation: TestConversation) {
    this.#conversation = conversation;
    this.person = conversation.people[0]!;
    const { device, signingSeed } = this.person.devices[0]!;
    const options = { gateway: new Gateway(gateway), device, signingSeed, agent: "crowd/1", onWake: () => () => undefined };
    this.#connection = new Connection(options, {
      onState: (state) => this.changes.push({ at: performance.now(), state }),
      onOnline: () => undefined,
      isBeginning: () => false,
      onUnknown: async () => undefined,
      onPush: () => undefined,
      onTime: () => undefined,
    });
    this.#connection.start();
  }

  get server(): string | undefined {
    const { state } = this.#connection;
    return state.kind === "online" ? state.server : undefined;
  }

  online(): Promise<void> {
    return this.#connection.online();
  }

  /** One message after the other, with so much between an answer and the next one, until `quiet`. */
  send(everyMs: number): void {
    this.#sending = this.#keepSending(everyMs);
  }

  async quiet(): Promise<void> {
    this.#stop = true;
    await this.#sending;
  }

  async #keepSending(everyMs: number): Promise<void> {
    for (let number = 0; !this.#stop; number++) {
      const id = clientMessageId(random(16));
      const message = await this.#conversation.message(`number ${number}`, this.person, { id });
      const since = performance.now();
      for (let sent = false; !sent;) {
        try {
          const { sequence } = await this.#connection.request(this.#conversation.send(message, true), "sent");
          this.sequences.push(sequence);
          sent = true;
        } catch (error) {
          if (!isWorthRetrying(error)) throw error;
          await wait(2);
        }
      }
      this.sendMs.push(performance.now() - since);
      await wait(everyMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.quiet();
    await this.#connection.close();
  }
}

/** Milliseconds for which it had no session since then, the longest of several times; 0: one followed upon the other. */
export function longestGap(changes: readonly Change[], since: number): number {
  const online = (at: number): boolean => changes[at]!.state.kind === "online";
  let longest = 0;
  for (const [place, { at }] of changes.entries()) {
    if (at < since || online(place)) continue;
    if (place > 0 && !online(place - 1)) continue;
    const back = changes.slice(place).find(({ state }) => state.kind === "online");
    longest = Math.max(longest, (back?.at ?? Infinity) - at);
  }
  return longest;
}
