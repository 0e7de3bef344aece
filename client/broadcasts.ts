import { accountId, type ConversationId, ErrorCode, FastChatError, idBytes, isHash, limits, parseName } from "@fastchat/protocol";
import { utf8 } from "@fastchat/protocol/seal";
import type { BroadcastList, Person } from "./api.ts";
import type { Outbox } from "./outbox.ts";
import type { People } from "./people.ts";
import type { Vault } from "./vault.ts";
import type { Views } from "./views.ts";

/** Conversations that are made at the same time. */
const AT_ONCE = 8;

export interface BroadcastsParts {
  readonly vault: Vault;
  readonly people: People;
  readonly outbox: Outbox;
  readonly openDirect: (name: string) => Promise<ConversationId>;
  /** Lifetime of what is written there, in seconds. */
  readonly timerOf: (conversation: ConversationId) => number;
}

/** Lists of people to whom one writes at once, the same on all devices [P4]; each of them gets what is written as a direct message. */
export class Broadcasts {
  readonly #parts: BroadcastsParts;

  constructor(parts: BroadcastsParts) {
    this.#parts = parts;
  }

  /** With nobody in it, the list is gone. Throws NO_SUCH_USER, TOO_LARGE. */
  async setList(givenName: string, people: readonly string[]): Promise<void> {
    const name = givenName.toWellFormed().trim();
    if (name === "") throw new FastChatError(ErrorCode.NAME_INVALID, { sentence: "A list needs a name." });
    if (utf8(name).length > limits.broadcastListNameBytes)
      throw new FastChatError(ErrorCode.TOO_LARGE, { sentence: "That name is too long for a list: choose a shorter one." });
    const { vault } = this.#parts;
    const accounts: Uint8Array[] = [];
    for (const { state } of await this.#parts.people.whoAre(recipientsAmong(people))) {
      await this.#parts.people.pin(state.account);
      accounts.push(idBytes(state.account));
    }
    const isThere = vault.get({ kind: "broadcastList", key: name }) !== undefined;
    if (accounts.length > 0 || isThere)
      await vault.set({ deleted: accounts.length === 0, kind: { case: "broadcastList", value: { name, accounts } } });
  }

  /** Resolves when all messages are durable in the outbox, written there in one commit. Throws NO_SUCH_USER, TOO_LARGE: then none is. */
  async send(people: readonly string[], text: string): Promise<ConversationId[]> {
    const names = recipientsAmong(people);
    if (utf8(text.toWellFormed()).length > limits.messageTextBytes) throw new FastChatError(ErrorCode.TOO_LARGE);
    // Before any conversation is made: a name that is nobody's stops it all.
    await this.#parts.people.whoAre(names);
    const conversations = await inOrder(names, (name) => this.#parts.openDirect(name));
    const { outbox, timerOf } = this.#parts;
    await outbox.add(conversations.map((conversation) => ({ conversation, texts: [text], expiresAfter: timerOf(conversation) })));
    return conversations;
  }
}

/** By name; also for who reads beside the holder. */
export async function broadcastListsIn(vault: Vault, views: Views): Promise<BroadcastList[]> {
  const lists = vault.list("broadcastList").flatMap(({ kind }) => (kind.case === "broadcastList" ? [kind.value] : []));
  const named = lists.map(async ({ name, accounts }) => {
    const people = await Promise.all(accounts.filter(isHash).map((account) => views.person(accountId(account))));
    return { name, people: people.sort(byName) };
  });
  return (await Promise.all(named)).sort(byName);
}

const byName = (one: Pick<Person, "name">, other: Pick<Person, "name">): number => (one.name < other.name ? -1 : 1);

/** Each once. */
function recipientsAmong(people: readonly string[]): string[] {
  const names = people.map((given) => {
    const parsed = parseName(given);
    if (parsed.kind === "invalid") throw new FastChatError(ErrorCode.NO_SUCH_USER, { sentence: `No such user: ${given}.` });
    return parsed.name;
  });
  const once = [...new Set(names)];
  if (once.length <= limits.broadcastRecipients) return once;
  throw new FastChatError(ErrorCode.TOO_LARGE, { sentence: `That are too many people: ${limits.broadcastRecipients} at most.` });
}

/** The results in the order of what they are of; a few are under way at the same time. */
async function inOrder<Of, Result>(all: readonly Of[], work: (one: Of) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  const next = all.entries();
  const worker = async () => {
    for (const [place, each] of next) results[place] = await work(each);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
