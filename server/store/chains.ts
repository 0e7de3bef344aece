import { setImmediate as nextTurn } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { type AccountId, accountId, type ConversationId, limits, type LinkHash, linkHash } from "@fastchat/protocol";
import {
  type AccountChainResult,
  type AccountState,
  applyAccountLinks,
  applyConversationLink,
  judgeAccountLinksAhead,
  type ConversationState,
  type VerifiedAccounts,
} from "@fastchat/protocol/chain";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { ConversationLinkSchema, LinkEntrySchema } from "@fastchat/protocol/wire/conversation";
import { findAccount, readAccountLinks, readAccountLinksOf } from "./accounts.ts";
import { hasHeads, type NamedHead } from "./append-link.ts";
import { conversationLinkHead } from "./conversations.ts";
import type { Database } from "./database.ts";
import { readLinks } from "./entries.ts";

/** Some kilobytes each. */
const REMEMBERED_ACCOUNTS = 20_000;
/** In what one member takes, some hundred bytes. */
const REMEMBERED_CONVERSATIONS = 200_000;
/** What a conversation takes besides its members and epochs. */
const CONVERSATION_WEIGHT = 50;
/** Account links that are read at once. */
const LINKS_AT_ONCE = 2_000;
/** Links of a conversation that are read at once; a page's bytes bound them, too. */
const CONVERSATION_LINKS_AT_ONCE = 64;

/** The stored links of a chain do not follow each other: the database was changed by something else than this server. */
export class BrokenChainError extends Error {
  override readonly name = "BrokenChainError";
}

/**
 * The states of chains, computed from the stored links. The newest used ones are remembered; before every use the head in the database is
 * compared, so that links of other servers are seen.
 */
export class ChainStates {
  readonly #database: Database;
  /** The newest known state of each. */
  readonly #accounts = new Remembered<AccountId, AccountState>(REMEMBERED_ACCOUNTS);
  /** The same states and older ones, as conversations name them. */
  readonly #byHead = new Remembered<LinkHash, AccountState>(REMEMBERED_ACCOUNTS);
  readonly #conversations = new Remembered<ConversationId, ConversationState>(
    REMEMBERED_CONVERSATIONS,
    ({ members, epochs }) => CONVERSATION_WEIGHT + members.size + epochs.length,
  );
  /** Under way, by chain and head: many who ask at once cost one verification. */
  readonly #verifying = new Map<string, Promise<AccountState>>();
  readonly #building = new Map<string, Promise<ConversationState>>();

  constructor(database: Database) {
    this.#database = database;
  }

  async account(account: AccountId): Promise<AccountState | undefined> {
    const head = (await findAccount(this.#database, { account: Buffer.from(account, "hex") }))?.head;
    if (head === undefined) return undefined;
    const remembered = this.#accounts.get(account);
    const hash = Buffer.from(head.hash).toString("hex");
    if (remembered?.head.hash === hash) return remembered;
    const follows = remembered !== undefined && remembered.head.index < head.index;
    return once(this.#verifying, account + hash, () => this.#verify(account, follows ? remembered : undefined));
  }

  async #verify(account: AccountId, remembered: AccountState | undefined): Promise<AccountState> {
    const links = await readAccountLinks(this.#database, account, remembered?.head.index ?? 0);
    let result = await applyInSlices(remembered, links);
    if (result.kind !== "valid" && remembered !== undefined) {
      result = await applyInSlices(undefined, await readAccountLinks(this.#database, account));
    }
    const state = stateOf(result);
    this.rememberAccount(state);
    return state;
  }

  async conversation(conversation: ConversationId): Promise<ConversationState | undefined> {
    const head = await conversationLinkHead(this.#database, conversation);
    if (head === undefined) return undefined;
    const remembered = this.#conversations.get(conversation);
    if (remembered?.head.hash === head.hash) return remembered;
    const follows = remembered !== undefined && remembered.head.index < head.index;
    return once(this.#building, conversation + head.hash, async () => {
      const state = (follows ? await this.#build(conversation, remembered) : undefined) ?? (await this.#build(conversation, undefined));
      if (state === undefined) throw new BrokenChainError("a conversation chain is broken");
      this.#conversations.set(conversation, state);
      return state;
    });
  }

  /**
   * The accounts at heads that a link names, for `applyConversationLink`: evidence for them costs no signature, and what a stranger offers as
   * evidence is only ever compared with what this server took before. All are verified before, in slices, so that `apply` is short whatever the
   * number of members. Undefined: one of them is no head that an account's chain has or had here. Each account may be named once.
   */
  async knownHeads(heads: readonly NamedHead[]): Promise<VerifiedAccounts | undefined> {
    if (!(await hasHeads(this.#database.query, heads))) return undefined;
    return this.#verifiedHeads(heads);
  }

  rememberAccount(state: AccountState): void {
    this.#accounts.set(state.account, state);
    this.#byHead.set(state.head.hash, state);
  }

  rememberConversation(state: ConversationState): void {
    this.#conversations.set(state.conversation, state);
  }

  /** Of these heads those that the database proves. */
  async #verifiedHeads(heads: readonly NamedHead[]): Promise<VerifiedAccounts> {
    const verified: VerifiedAccounts = new Map<LinkHash, AccountState>();
    const unknown = new Map<AccountId, NamedHead[]>();
    for (const head of heads) {
      const state = this.#byHead.get(head.hash);
      if (state?.account === head.account) verified.set(head.hash, state);
      else unknown.set(head.account, [...(unknown.get(head.account) ?? []), head]);
    }
    const stretches = [...unknown].map(([account, named]) => this.#stretch(account, named));
    let unpaused = 0;
    for (const some of gathered(stretches)) {
      const links = await readAccountLinksOf(this.#database, some);
      for (const stretch of some) {
        const read = links.get(stretch.account) ?? [];
        for (const state of await statesAt(stretch, read)) {
          verified.set(state.head.hash, state);
          this.#byHead.set(state.head.hash, state);
          if ((this.#accounts.get(state.account)?.head.index ?? 0) < state.head.index) this.#accounts.set(state.account, state);
        }
        unpaused += read.length;
        if (unpaused < SLICE) continue;
        unpaused = 0;
        await nextTurn();
      }
    }
    return verified;
  }

  #stretch(account: AccountId, named: readonly NamedHead[]): Stretch {
    const heads = named.toSorted((one, other) => one.index - other.index);
    const remembered = this.#accounts.get(account);
    const from = remembered !== undefined && remembered.head.index < (heads[0]?.index ?? 0) ? remembered : undefined;
    return { account, from, heads, after: from?.head.index ?? 0, upTo: heads.at(-1)?.index ?? 0 };
  }

  async #build(conversation: ConversationId, from: ConversationState | undefined): Promise<ConversationState | undefined> {
    const bounds = { limit: CONVERSATION_LINKS_AT_ONCE, upTo: limits.largestNumber };
    let state = from;
    for (;;) {
      const page = await readLinks(this.#database, conversation, state?.head.index ?? 0, bounds);
      if (page.length === 0) return state;
      const entries = page.map(({ body }) => fromBinary(LinkEntrySchema, body));
      const verified = await this.#verifiedHeads(entries.flatMap(({ link }) => (link === undefined ? [] : namedHeads(link))));
      for (const entry of entries) {
        const result = applyConversationLink(state, entry, verified);
        if (result.kind !== "valid") return undefined;
        state = result.state;
      }
      await nextTurn();
    }
  }
}

/** The heads that a stored link names. */
const namedHeads = ({ body }: SignedLink): NamedHead[] =>
  fromBinary(ConversationLinkSchema, body).heads.map(({ account, index, hash }) => ({
    account: accountId(account),
    index,
    hash: linkHash(hash),
  }));

/** Links of an account's chain, and the heads among them that are asked for, ascending. */
interface Stretch {
  readonly account: AccountId;
  /** The state after link number `after`. */
  readonly from: AccountState | undefined;
  readonly heads: readonly NamedHead[];
  readonly after: number;
  readonly upTo: number;
}

/** As many together as have about so many links as are read at once. */
function* gathered(stretches: readonly Stretch[]): Generator<Stretch[]> {
  let some: Stretch[] = [];
  let links = 0;
  for (const stretch of stretches) {
    const count = stretch.upTo - stretch.after;
    if (links > 0 && links + count > LINKS_AT_ONCE) {
      yield some;
      some = [];
      links = 0;
    }
    some.push(stretch);
    links += count;
  }
  if (some.length > 0) yield some;
}

/** The account at each of the heads that these links, which follow `after`, come to. */
async function statesAt({ from, heads, after }: Stretch, links: readonly SignedLink[]): Promise<AccountState[]> {
  const states: AccountState[] = [];
  let state = from;
  for (const head of heads) {
    const reached = state?.head.index ?? 0;
    if (head.index > reached) {
      const result = await applyInSlices(state, links.slice(reached - after, head.index - after));
      if (result.kind !== "valid") break;
      ({ state } = result);
    }
    if (state?.head.hash === head.hash) states.push(state);
  }
  return states;
}

/** Links between two pauses: some 50 ms of verification. */
const SLICE = 16;

/** `applyAccountLinks`, with pauses in which everybody else is served: a chain of `limits.accountLinks` takes seconds. */
export async function applyInSlices(
  state: AccountState | undefined,
  links: readonly SignedLink[],
  pause: () => Promise<unknown> = () => nextTurn(),
): Promise<AccountChainResult> {
  const first = links.slice(0, SLICE);
  await judgeAccountLinksAhead(state, first);
  let result = applyAccountLinks(state, first);
  for (let position = SLICE; result.kind === "valid" && position < links.length; position += SLICE) {
    await pause();
    const next = links.slice(position, position + SLICE);
    await judgeAccountLinksAhead(result.state, next);
    result = applyAccountLinks(result.state, next);
    if (result.kind !== "valid") result = { ...result, position: result.position + position };
  }
  return result;
}

function stateOf(result: AccountChainResult): AccountState {
  if (result.kind !== "valid") throw new BrokenChainError(`an account chain is ${result.kind} at its link ${result.position + 1}`);
  return result.state;
}

/** What is under way already, or this work. */
function once<Value>(underWay: Map<string, Promise<Value>>, key: string, work: () => Promise<Value>): Promise<Value> {
  let working = underWay.get(key);
  if (working === undefined) {
    working = work().finally(() => underWay.delete(key));
    underWay.set(key, working);
  }
  return working;
}

/** The most recently used ones. */
class Remembered<Key, Value> {
  readonly #most: number;
  readonly #weigh: (value: Value) => number;
  readonly #values = new Map<Key, Value>();
  #weight = 0;

  /** @param most what those that are kept may weigh together */
  constructor(most: number, weigh: (value: Value) => number = () => 1) {
    this.#most = most;
    this.#weigh = weigh;
  }

  get(key: Key): Value | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, value);
    }
    return value;
  }

  set(key: Key, value: Value): void {
    this.#forget(key);
    this.#values.set(key, value);
    this.#weight += this.#weigh(value);
    for (const oldest of this.#values.keys()) {
      if (this.#weight <= this.#most) break;
      this.#forget(oldest);
    }
  }

  #forget(key: Key): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#weight -= this.#weigh(value);
  }
}
