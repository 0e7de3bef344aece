import { type AccountId, type ConversationId, type LinkHash } from "@fastchat/protocol";
import {
  type AccountState,
  applyAccountLinks,
  applyConversationLink,
  type ConversationState,
  type VerifiedAccounts,
} from "@fastchat/protocol/chain";
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
    const remembered = this.#accounts.get(account);
    const head = (await findAccount(this.#database, { account: Buffer.from(account, "hex") }))?.head;
    if (head === undefined) return undefined;
    const hash = Buffer.from(head.hash).toString("hex");
    if (remembered?.head.hash === hash) return remembered;
    const follows = remembered !== undefined && remembered.head.index < head.index;
    const links = await readAccountLinks(this.#database, account, follows ? remembered.head.index : 0);
    let result = applyAccountLinks(follows ? remembered : undefined, links);
    if (result.kind !== "valid" && follows) result = applyAccountLinks(undefined, await readAccountLinks(this.#database, account));
    if (result.kind !== "valid") throw new BrokenChainError(`an account chain is ${result.kind} at its link ${result.position + 1}`);
    this.#accounts.set(account, result.state);
    return result.state;
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
      const result = applyAccountLinks(undefined, links.slice(0, head.index));
      if (result.kind !== "valid") throw new BrokenChainError(`an account chain is ${result.kind} at its link ${result.position + 1}`);
      this.#verified.set(head.hash, result.state);
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
