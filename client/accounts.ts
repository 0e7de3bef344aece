import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type AccountId, accountId, ErrorCode, FastChatError, idBytes, isHash } from "@fastchat/protocol";
import {
  accountIdOf,
  accountLinkHash,
  type AccountState,
  applyAccountLinks,
  compareHead,
  judgeAccountLinksAhead,
} from "@fastchat/protocol/chain";
import { accountPublicKeyHash, equal } from "@fastchat/protocol/seal";
import { type SignedLink, SignedLinkSchema } from "@fastchat/protocol/wire/account";
import type { Account, AccountKeyOf, FetchAccount } from "@fastchat/protocol/wire/frames";
import { breathe } from "./breathe.ts";
import { keys, put, schemas } from "./records.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot.ts";
import type { Change, Storage } from "./storage.ts";

const LOADED_AT_ONCE = 100;
const FETCHED_AT_ONCE = 32;

/** An account chain as this device knows it. */
export interface KnownAccount {
  readonly state: AccountState;
  /** All of them, the first is link 1. */
  readonly links: readonly SignedLink[];
  /** X-Wing public key of the newest generation; undefined when it was not offered or is another. */
  readonly publicKey: Uint8Array | undefined;
}

/** To be committed; `done` is to be called afterwards. */
export interface Learned {
  readonly changes: readonly Change[];
  readonly done: () => void;
}

/** What was offered is shorter than, different from, or no continuation of the chain known [G5]: it is not used. */
export class AccountForked extends Error {
  readonly account: AccountId;
  readonly accountName: string;

  constructor(known: AccountState) {
    super(`The server showed another history of ${known.name}'s account than the one known here; it was refused.`);
    this.name = "AccountForked";
    this.account = known.account;
    this.accountName = known.name;
  }
}

type Fetch = (request: { by: Exclude<FetchAccount["by"], { case: undefined }>; after: number }) => Promise<Account>;

/**
 * The account chains that this device relies on: verified once, link by link, kept with all their links (they are the
 * evidence for others), never replaced by anything shorter or different [G5].
 */
export class KnownAccounts {
  readonly #storage: Storage;
  readonly #fetch: Fetch;
  readonly #loaded = new Map<AccountId, KnownAccount>();
  #changes = 0;

  readonly #onRefused: (error: AccountForked) => void;
  readonly #onGrown: (before: AccountState, after: AccountState) => void;

  /**
   * @param onRefused the server showed another history of an account that is known; the known one goes on being used
   * @param onGrown links of an account that was known before were learned, whichever way they came
   */
  constructor(
    storage: Storage,
    fetch: Fetch,
    onRefused: (error: AccountForked) => void,
    onGrown: (before: AccountState, after: AccountState) => void = () => undefined,
  ) {
    this.#storage = storage;
    this.#fetch = fetch;
    this.#onRefused = onRefused;
    this.#onGrown = onGrown;
  }

  /** As known here. */
  async get(account: AccountId): Promise<KnownAccount | undefined> {
    const loaded = this.#loaded.get(account);
    if (loaded !== undefined) return loaded;
    const known = await loadKnownAccount(this.#storage, account);
    // Somebody may have learned more while the storage was read.
    const newer = this.#loaded.get(account);
    if (newer !== undefined) return newer;
    if (known !== undefined) this.#loaded.set(account, known);
    return known;
  }

  /** Counts what was learned: as long as it stays the same, so does all that is known here. */
  get changes(): number {
    return this.#changes;
  }

  /** Those of these that are known here. */
  async all(accounts: Iterable<AccountId>): Promise<Map<AccountId, KnownAccount>> {
    const known = new Map<AccountId, KnownAccount>();
    const missing: AccountId[] = [];
    for (const account of accounts) {
      const loaded = this.#loaded.get(account);
      if (loaded !== undefined) known.set(account, loaded);
      else missing.push(account);
    }
    for (let at = 0; at < missing.length; at += LOADED_AT_ONCE) {
      const some = missing.slice(at, at + LOADED_AT_ONCE);
      const values = await this.#storage.getMany(some.map((account) => keys.account(account)));
      for (const [place, account] of some.entries()) {
        const value = values[place];
        const each = this.#loaded.get(account) ?? (value && knownAccountIn(value));
        if (each === undefined) continue;
        this.#loaded.set(account, each);
        known.set(account, each);
      }
      await breathe();
    }
    return known;
  }

  /** Keeps public keys that the server gave: of those accounts whose newest generation they are. */
  async keepKeys(offered: readonly AccountKeyOf[]): Promise<void> {
    const changes: Change[] = [];
    for (const { account: bytes, publicKey } of offered) {
      const known = isHash(bytes) ? await this.get(accountId(bytes)) : undefined;
      if (known === undefined || known.publicKey !== undefined || !isNewestKey(known.state, publicKey)) continue;
      const kept = { ...known, publicKey };
      changes.push(saveKnownAccount(kept));
      this.#keep(kept);
    }
    if (changes.length > 0) await this.#storage.commit(changes);
  }

  /** What a conversation proved meanwhile may be longer: it stays [G5]. */
  async #store(judged: readonly KnownAccount[]): Promise<void> {
    const news = judged.filter((known) => this.#isNews(known));
    if (news.length === 0) return;
    await this.#storage.commit(news.map(saveKnownAccount));
    const overtaken = news.filter((known) => !this.#isNews(known));
    for (const known of news) this.#keep(known);
    if (overtaken.length === 0) return;
    await this.#storage.commit(overtaken.map(({ state }) => saveKnownAccount(this.#loaded.get(state.account)!)));
  }

  #isNews({ state, links, publicKey }: KnownAccount): boolean {
    const loaded = this.#loaded.get(state.account);
    if (loaded === undefined || links.length > loaded.links.length) return true;
    return links.length === loaded.links.length && loaded.publicKey === undefined && publicKey !== undefined;
  }

  #keep(known: KnownAccount): void {
    if (!this.#isNews(known)) return;
    const before = this.#loaded.get(known.state.account)?.state;
    this.#loaded.set(known.state.account, known);
    this.#changes++;
    if (before !== undefined && before.head.index < known.state.head.index) this.#onGrown(before, known.state);
  }

  /** As known here, else from the server. Throws FastChatError NOT_FOUND, ConnectionLost. */
  async need(account: AccountId): Promise<KnownAccount> {
    return (await this.get(account)) ?? this.refresh(account);
  }

  /** Asks the server for links beyond those known. */
  async refresh(account: AccountId): Promise<KnownAccount> {
    const known = await this.get(account);
    const offered = await this.#fetch({ by: { case: "account", value: idBytes(account) }, after: known?.state.head.index ?? 0 });
    const links = [...(known?.links ?? []), ...offered.links];
    return this.#accept(account, links, offered.accountPublicKey, known?.links.length ?? 0);
  }

  /** Whom the server calls by these names; whether that is whom one knows by them is not decided here [A3]. Throws NO_SUCH_USER. */
  async named(names: readonly string[]): Promise<KnownAccount[]> {
    const all: KnownAccount[] = [];
    for (let at = 0; at < names.length; at += FETCHED_AT_ONCE) {
      const some = names.slice(at, at + FETCHED_AT_ONCE);
      const found: KnownAccount[] = [];
      const answers = await Promise.all(some.map((name) => this.#fetchNamed(name)));
      for (const [place, { atLeast, answer }] of answers.entries()) {
        const { links, account: bytes, accountPublicKey } = answer;
        const account = links[0] && accountIdOf(links[0]);
        if (account === undefined || !isHash(bytes) || accountId(bytes) !== account) throw lie();
        const known = await this.#judge(account, links, accountPublicKey, atLeast);
        if (known.state.name !== some[place]) throw lie();
        found.push(known);
      }
      await this.#store(found);
      all.push(...found);
    }
    return all;
  }

  /** Perhaps more was learned while the answer was under way. What is asked for then has at least as many links, or is a lie. */
  async #fetchNamed(name: string): Promise<{ readonly answer: Account; readonly atLeast: number }> {
    const answer = await this.#ask(name);
    const [first] = answer.links;
    const known = first && (await this.get(accountIdOf(first)));
    const atLeast = known?.links.length ?? 0;
    return { answer: answer.links.length < atLeast ? await this.#ask(name) : answer, atLeast };
  }

  #ask(name: string): Promise<Account> {
    return this.#fetch({ by: { case: "name", value: name }, after: 0 }).catch((error: unknown) => {
      if (!(error instanceof FastChatError && error.code === ErrorCode.NOT_FOUND)) throw error;
      throw new FastChatError(ErrorCode.NO_SUCH_USER, { sentence: `No such user: ${name}.` });
    });
  }

  /**
   * Takes in what the chain of a conversation proved: an account's state, and the links up to its head that came as evidence.
   * The changes are to be committed together with that chain, `done` called afterwards.
   */
  async learn(state: AccountState, evidence: readonly SignedLink[]): Promise<Learned> {
    const nothing = { changes: [], done: () => undefined };
    const known = await this.get(state.account);
    if (known !== undefined && compareHead(known.state, state.head) === "different") throw new AccountForked(known.state);
    const from = known?.links.length ?? 0;
    const missing = state.head.index - from;
    if (missing <= 0 || missing > evidence.length) return nothing;
    const added = evidence.slice(evidence.length - missing);
    // The state was verified; here it only matters that these are its links.
    if (!added.every((link, place) => accountLinkHash(link) === state.hashes[from + place])) return nothing;
    if (known !== undefined && state.hashes[from - 1] !== known.state.head.hash) throw new AccountForked(known.state);
    const publicKey = known?.publicKey !== undefined && isNewestKey(state, known.publicKey) ? known.publicKey : undefined;
    const learned: KnownAccount = { state, links: [...(known?.links ?? []), ...added], publicKey };
    return { changes: [saveKnownAccount(learned)], done: () => this.#keep(learned) };
  }

  #refuse(known: KnownAccount): KnownAccount {
    this.#onRefused(new AccountForked(known.state));
    return known;
  }

  async #accept(account: AccountId, links: readonly SignedLink[], publicKey: Uint8Array, atLeast: number): Promise<KnownAccount> {
    const next = await this.#judge(account, links, publicKey, atLeast);
    await this.#store([next]);
    return next;
  }

  /**
   * The account as known when this is taken in: the very one that is known, where there is nothing new.
   *
   * @param atLeast how many links were known when it was asked for
   */
  async #judge(account: AccountId, offered: readonly SignedLink[], publicKey: Uint8Array, atLeast: number): Promise<KnownAccount> {
    const before = await this.get(account);
    await judgeAccountLinksAhead(before?.state, offered.slice(before?.links.length ?? 0));
    await breathe();
    // Again, because evidence may have arrived while the answer was under way.
    const known = await this.get(account);
    const shared = known === undefined ? 0 : Math.min(known.links.length, offered.length);
    const fork = known !== undefined && (offered.length < atLeast || !sameLinks(known.links, offered, shared));
    if (fork) return this.#refuse(known);
    const links = known === undefined || offered.length > known.links.length ? offered : known.links;
    const result = applyAccountLinks(known?.state, offered.slice(shared));
    if (result.kind === "incomplete" && result.reason === "version") throw new FastChatError(ErrorCode.VERSION_TOO_OLD);
    if (result.kind !== "valid") {
      if (known === undefined) throw lie();
      return this.#refuse(known);
    }
    if (result.state.account !== account) throw lie();
    const fits = isNewestKey(result.state, publicKey);
    const next: KnownAccount = { state: result.state, links: [...links], publicKey: fits ? publicKey : undefined };
    const unchanged = known !== undefined && known.links.length === links.length && (known.publicKey !== undefined || !fits);
    return unchanged ? known : next;
  }
}

export async function loadKnownAccount(storage: Storage, account: AccountId): Promise<KnownAccount | undefined> {
  const value = await storage.get(keys.account(account));
  return value && knownAccountIn(value);
}

function knownAccountIn(value: Uint8Array): KnownAccount {
  const record = fromBinary(schemas.account, value);
  const links = record.links.map((link) => fromBinary(SignedLinkSchema, link));
  const state = decodeSnapshot<AccountState>(record.snapshot) ?? verifiedState(links);
  return { state, links, publicKey: record.accountPublicKey.length > 0 ? record.accountPublicKey : undefined };
}

export function saveKnownAccount({ state, links, publicKey }: KnownAccount): Change {
  const record = create(schemas.account, {
    links: links.map((link) => toBinary(SignedLinkSchema, link)),
    accountPublicKey: publicKey ?? new Uint8Array(0),
    snapshot: encodeSnapshot(state),
  });
  return put(keys.account(state.account), schemas.account, record);
}

function verifiedState(links: readonly SignedLink[]): AccountState {
  const result = applyAccountLinks(undefined, links);
  if (result.kind !== "valid") throw new Error("a chain that was stored is not valid");
  return result.state;
}

function isNewestKey(state: AccountState, publicKey: Uint8Array): boolean {
  const newest = state.accountKeys.at(-1);
  return newest !== undefined && publicKey.length > 0 && equal(accountPublicKeyHash(publicKey), newest.publicKeyHash);
}

function sameLinks(one: readonly SignedLink[], other: readonly SignedLink[], count: number): boolean {
  for (let index = 0; index < count; index++) {
    const [a, b] = [one[index]!, other[index]!];
    if (a !== b && !(equal(a.body, b.body) && equal(a.signature, b.signature) && equal(a.cosignature, b.cosignature))) return false;
  }
  return true;
}

const lie = () =>
  new FastChatError(ErrorCode.SIGNATURE_INVALID, { detail: "The server answered with an account that is not the one asked for." });
