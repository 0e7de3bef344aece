import { setImmediate as nextTurn } from "node:timers/promises";
import { type AccountId, type ConversationId, type LinkHash } from "@fastchat/protocol";
import {
  type AccountChainResult,
  type AccountState,
  applyAccountLinks,
  applyConversationLink,
  type ConversationState,
  type VerifiedAccounts,
} from "@fastchat/protocol/chain";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { findAccount, readAccountLinks } from "./accounts.ts";
import { conversationLinkHead, type NamedHead, readLinkEntries } from "./conversations.ts";
import type { Database } from "./database.ts";

const REMEMBERED_STATES = 2_000;
const REMEMBERED_VERIFIED = 10_000;

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
  readonly #accounts = new Remembered<AccountId, AccountState>();
  /** Under way, by account and head: many who ask at once cost one verification. */
  readonly #verifying = new Map<string, Promise<AccountState>>();
  readonly #conversations = new Remembered<ConversationId, ConversationState>();
  readonly #verified: VerifiedAccounts = new Map<LinkHash, AccountState>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** For `applyConversationLink`. */
  get verified(): VerifiedAccounts {
    if (this.#verified.size > REMEMBERED_VERIFIED) this.#verified.clear();
    return this.#verified;
  }

  async account(account: AccountId): Promise<AccountState | undefined> {
    const head = (await findAccount(this.#database, { account: Buffer.from(account, "hex") }))?.head;
    if (head === undefined) return undefined;
    const remembered = this.#accounts.get(account);
    const hash = Buffer.from(head.hash).toString("hex");
    if (remembered?.head.hash === hash) return remembered;
    const follows = remembered !== undefined && remembered.head.index < head.index;
    const key = account + hash;
    let verifying = this.#verifying.get(key);
    if (verifying === undefined) {
      verifying = this.#verify(account, follows ? remembered : undefined).finally(() => this.#verifying.delete(key));
      this.#verifying.set(key, verifying);
    }
    return verifying;
  }

  async #verify(account: AccountId, remembered: AccountState | undefined): Promise<AccountState> {
    const links = await readAccountLinks(this.#database, account, remembered?.head.index ?? 0);
    let result = await applyInSlices(remembered, links);
    if (result.kind !== "valid" && remembered !== undefined) {
      result = await applyInSlices(undefined, await readAccountLinks(this.#database, account));
    }
    const state = stateOf(result);
    this.#accounts.set(account, state);
    return state;
  }

  async conversation(conversation: ConversationId): Promise<ConversationState | undefined> {
    const remembered = this.#conversations.get(conversation);
    const head = await conversationLinkHead(this.#database, conversation);
    if (head === undefined) return undefined;
    if (remembered?.head.hash === head.hash) return remembered;
    const follows = remembered !== undefined && remembered.head.index < head.index;
    const state = (follows ? await this.#build(conversation, remembered) : undefined) ?? (await this.#build(conversation, undefined));
    if (state === undefined) throw new BrokenChainError("a conversation chain is broken");
    this.#conversations.set(conversation, state);
    return state;
  }

  /**
   * Whether an account's chain has this link at this place here. Its state is then among the verified ones, so that evidence for it costs no
   * signature: what a stranger offers as evidence is only ever compared with what this server took before.
   */
  async knowsHead(head: NamedHead): Promise<boolean> {
    const state = await this.account(head.account);
    if (state?.hashes[head.index - 1] !== head.hash) return false;
    if (state.head.index === head.index) this.#verified.set(head.hash, state);
    else if (!this.#verified.has(head.hash)) {
      const links = await readAccountLinks(this.#database, head.account);
      this.#verified.set(head.hash, stateOf(await applyInSlices(undefined, links.slice(0, head.index))));
    }
    return true;
  }

  rememberAccount(state: AccountState): void {
    this.#accounts.set(state.account, state);
  }

  rememberConversation(state: ConversationState): void {
    this.#conversations.set(state.conversation, state);
  }

  async #build(conversation: ConversationId, from: ConversationState | undefined): Promise<ConversationState | undefined> {
    let state = from;
    for (const entry of await readLinkEntries(this.#database, conversation, from?.head.index ?? 0)) {
      const result = applyConversationLink(state, entry, this.verified);
      if (result.kind !== "valid") return undefined;
      state = result.state;
    }
    return state;
  }
}

/** Links between two pauses: some 50 ms of verification. */
const SLICE = 16;

/** `applyAccountLinks`, with pauses in which everybody else is served: a chain of `limits.accountLinks` takes seconds. */
export async function applyInSlices(
  state: AccountState | undefined,
  links: readonly SignedLink[],
  pause: () => Promise<unknown> = () => nextTurn(),
): Promise<AccountChainResult> {
  let result = applyAccountLinks(state, links.slice(0, SLICE));
  for (let position = SLICE; result.kind === "valid" && position < links.length; position += SLICE) {
    await pause();
    result = applyAccountLinks(result.state, links.slice(position, position + SLICE));
    if (result.kind !== "valid") result = { ...result, position: result.position + position };
  }
  return result;
}

function stateOf(result: AccountChainResult): AccountState {
  if (result.kind !== "valid") throw new BrokenChainError(`an account chain is ${result.kind} at its link ${result.position + 1}`);
  return result.state;
}

/** The most recently used ones. */
class Remembered<Key, Value> {
  readonly #values = new Map<Key, Value>();

  get(key: Key): Value | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > REMEMBERED_STATES) {
      for (const oldest of this.#values.keys()) {
        this.#values.delete(oldest);
        break;
      }
    }
  }
}
