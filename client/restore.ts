import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  accountId,
  type AccountId,
  conversationId,
  type ConversationId,
  ErrorCode,
  FastChatError,
  idBytes,
  limits,
} from "@fastchat/protocol";
import { newestEpoch } from "@fastchat/protocol/chain";
import { equal } from "@fastchat/protocol/seal";
import { AccountHeadSchema } from "@fastchat/protocol/wire/account";
import { type LogTip, LogTipSchema, type PutBackAccountSchema } from "@fastchat/protocol/wire/frames";
import type { KnownAccount, KnownAccounts } from "./accounts.ts";
import type { ClientEvent } from "./api.ts";
import type { Connection } from "./connection.ts";
import type { ConversationLinks } from "./conversation-links.ts";
import type { Conversation } from "./conversation.ts";
import type { Conversations } from "./conversations.ts";
import type { Running } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { pause } from "./pause.ts";
import { keys, prefixes, put, read, schemas } from "./records.ts";
import { prefixRange, type Storage } from "./storage.ts";
import type { Vault } from "./vault.ts";

/** How often something is tried again that is refused for the moment. */
const ATTEMPTS = 20;
/** Nothing is sent or read meanwhile: what takes longer is left as it is. */
const LONGEST_WAIT_MS = 60_000;
/** Others put the same back at the same time. */
const LOST_RACE_MS = 250;

/** What lies beside the links of this account, as far as this device has it. */
export type BesideOwn = Pick<
  MessageInitShape<typeof PutBackAccountSchema>,
  "accountPublicKeys" | "copies" | "wraps" | "deviceSealingKeys" | "signInRecord"
>;

export interface RestoreParts {
  readonly account: AccountId;
  readonly storage: Storage;
  readonly accounts: KnownAccounts;
  readonly conversations: Conversations;
  readonly links: ConversationLinks;
  readonly connection: Pick<Connection, "request">;
  readonly vault: Vault;
  /** What lay beside the links of the own account, as far as it is here. */
  readonly besideOwn: () => Promise<BesideOwn>;
  readonly emit: (event: ClientEvent) => void;
}

/**
 * [H6] Once for each time that the server's data were started or put in place: holds what this device knows against what the server has, and puts
 * back what it lost. A server cannot know by itself that it was restored from a backup.
 */
export class Restore {
  readonly #parts: RestoreParts;
  /** All but the vault was looked at. */
  #unfinished: { readonly record: Running; readonly isTold: boolean } | undefined;

  constructor(parts: RestoreParts) {
    this.#parts = parts;
  }

  /** Resolves when the server has what it can have again of accounts and conversations: until then nothing is written. Throws ConnectionLost. */
  async look(running: Uint8Array, session: AbortSignal): Promise<void> {
    const { storage } = this.#parts;
    this.#unfinished = undefined;
    const known = await read(storage, keys.running, schemas.running);
    if (known !== undefined && equal(known.running, running)) return;
    const record = create(schemas.running, { running });
    // A device that begins knows nothing that could have been lost.
    if (known === undefined) return storage.commit([put(keys.running, schemas.running, record)]);
    // Until all is done, every session begins with it.
    await storage.commit([put(keys.running, schemas.running, create(schemas.running))]);
    // Accounts first: conversations name their heads, and nothing may be sealed to a key that was replaced.
    const accounts = await this.#putBackAccounts(session);
    const conversations = await this.#putBackConversations(session);
    if (session.aborted) return;
    const isLess = accounts > 0 || conversations.length > 0;
    if (isLess) this.#tell(conversations);
    this.#unfinished = { record, isTold: isLess };
  }

  /** Before the vault is read in a session. Throws FastChatError, ConnectionLost. */
  async lookAtVault(): Promise<void> {
    const { storage, vault } = this.#parts;
    const unfinished = this.#unfinished;
    if (unfinished === undefined) return;
    if ((await vault.putBack()) && !unfinished.isTold) this.#tell([]);
    this.#unfinished = undefined;
    await storage.commit([put(keys.running, schemas.running, unfinished.record)]);
  }

  /** How many the server had less of. */
  async #putBackAccounts(session: AbortSignal): Promise<number> {
    const { account: own, accounts, connection, storage, besideOwn } = this.#parts;
    const stored = (await storage.range(prefixRange(prefixes.accounts))).map(({ key }) => key.slice(prefixes.accounts.length) as AccountId);
    // The own one first: others may be concerned by it.
    const ids = [own, ...stored.filter((id) => id !== own)];
    let lost = 0;
    for (let at = 0; at < ids.length; at += limits.comparedAtOnce) {
      const known = await accounts.all(ids.slice(at, at + limits.comparedAtOnce));
      const heads = [...known.values()].map(({ state: { account, head } }) =>
        create(AccountHeadSchema, { account: idBytes(account), index: head.index, hash: idBytes(head.hash) }),
      );
      const { shorter } = await patiently(session, () =>
        connection.request({ case: "compare", value: { tips: [], accounts: heads } }, "compared"),
      );
      for (const { account, index } of shorter) {
        const each = known.get(accountId(account));
        if (each === undefined || index >= each.links.length || session.aborted) continue;
        lost++;
        await this.#putBack(each, index, {}, session);
      }
      const mine = known.get(own);
      // Others may have put back the links: what lay beside them nobody else has.
      if (mine !== undefined && !session.aborted)
        await this.#putBack(mine, Math.max(0, mine.state.lastTurn - 1), await besideOwn(), session);
    }
    return lost;
  }

  async #putBack({ links, publicKey }: KnownAccount, index: number, beside: BesideOwn, session: AbortSignal): Promise<void> {
    const accountPublicKeys = [...(beside.accountPublicKeys ?? []), ...(publicKey === undefined ? [] : [publicKey])];
    const value = { ...beside, accountPublicKeys, links: links.slice(index) };
    await patiently(session, () => this.#parts.connection.request({ case: "putBackAccount", value }, "accountPutBack")).catch(
      ignoreRefusal,
    );
  }

  /** Those of which the server had other entries, or fewer. */
  async #putBackConversations(session: AbortSignal): Promise<Conversation[]> {
    const { conversations, connection } = this.#parts;
    const tips: LogTip[] = [];
    for (const conversation of conversations.all) {
      const tip = await this.#tipOf(conversation);
      if (tip !== undefined) tips.push(tip);
    }
    const restored: Conversation[] = [];
    for (let at = 0; at < tips.length; at += limits.comparedAtOnce) {
      const some = tips.slice(at, at + limits.comparedAtOnce);
      const { different } = await patiently(session, () =>
        connection.request({ case: "compare", value: { tips: some, accounts: [] } }, "compared"),
      );
      const asked = new Set(some.map(({ conversation }) => conversationId(conversation)));
      for (const tip of different) {
        const id: ConversationId = conversationId(tip.conversation);
        const conversation = asked.has(id) ? conversations.get(id) : undefined;
        if (conversation === undefined || session.aborted) continue;
        await patiently(session, () => this.#restore(conversation)).catch(ignoreRefusal);
        restored.push(conversation);
      }
    }
    return restored;
  }

  /** The newest entry that is here; undefined: none, or this account has no part in it any more. */
  async #tipOf({ id, record, chain }: Conversation): Promise<LogTip | undefined> {
    const { account, storage } = this.#parts;
    if (record.high < record.low || chain.state?.members.has(account) !== true) return undefined;
    const entry = await read(storage, keys.entry(id, record.high), schemas.entry);
    return entry && create(LogTipSchema, { conversation: idBytes(id), sequence: record.high, entryHash: entry.entryHash });
  }

  /** Nobody has the copies of an epoch that was put back: another one opens. */
  async #restore(conversation: Conversation): Promise<void> {
    const repair = await conversation.restore();
    // Its log moved while it was read.
    if (repair.kind === "refused") throw new FastChatError(ErrorCode.STALE_HEAD);
    const { state } = conversation.chain;
    if (repair.kind !== "repaired" || !repair.rekeys || state === undefined) return;
    const lost = newestEpoch(state).epoch;
    await this.#parts.links.change(conversation, async (now) => {
      if (newestEpoch(now).epoch > lost) return { kind: "done" };
      return { kind: "change", change: { case: "rekey", value: { reason: "the server lost the sealed keys" } } };
    });
  }

  #tell(conversations: readonly Conversation[]): void {
    const { emit } = this.#parts;
    const text =
      "The server was restored from a backup. What it lost and this device has was put back, or is kept here and marked; what it lost before you received it is gone.";
    emit({ kind: "warning", warning: "incarnation", text });
    if (conversations.length > 0) emit({ kind: "conversations", conversations: conversations.map(({ id }) => id) });
  }
}

/** What is refused for the moment, by the server's limits or because others were faster, is tried again. */
async function patiently<Result>(session: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const isForNow = error instanceof FastChatError && (error.code === ErrorCode.RATE_LIMITED || error.code === ErrorCode.STALE_HEAD);
      if (!isForNow || error.retryAfterMs > LONGEST_WAIT_MS || attempt === ATTEMPTS || session.aborted) throw error;
      await pause(error.retryAfterMs + Math.random() * LOST_RACE_MS, session);
    }
  }
}

/** What the server does not take back stays as it is here, and is shown where it matters. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof FastChatError)) throw error;
}
