import { createHmac, timingSafeEqual } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { idBytes, type LinkHash } from "@fastchat/protocol";
import { accountLinkHash, conversationLinkHash, type VerifiedAccounts } from "@fastchat/protocol/chain";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import type { LinkEntry } from "@fastchat/protocol/wire/conversation";
import type { Database } from "./store/database.ts";

const LABEL = "fastchat/1/receipt/link";
/** Between two pauses; one takes some 30 microseconds, and a link may bring 20,000 as evidence. */
const LINKS_AT_ONCE = 64;

/**
 * [H6] By its receipt this installation knows a link again that it took, should it be put back from a copy that is older: a signature alone does not
 * tell that, for who once had the account's password signs as well as its owner. It is an HMAC-SHA-256 over the link's hash, which differs between
 * the chains and commits to account or conversation, index and all links before it. Every link that a server hands out bears it.
 */
export class Receipts {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Only for links that are in the log or chain, or will be before anybody gets the receipt. */
  of(link: LinkHash): Uint8Array {
    return createHmac("sha256", this.#key).update(LABEL).update(idBytes(link)).digest();
  }

  isRight(link: LinkHash, receipt: Uint8Array): boolean {
    const right = this.of(link);
    return receipt.length === right.length && timingSafeEqual(receipt, right);
  }

  /** On links of an account's chain, as they are stored. */
  putOnAccountLinks(links: readonly SignedLink[]): Promise<void> {
    return this.#put(links, () => true);
  }

  /**
   * On a conversation's link that is about to be stored, and on the evidence beside it. There, whatever is not of the chains that this installation
   * has is its author's word, and bears none.
   *
   * @param accounts of this installation, at the heads that the link names
   */
  async putOnEntry({ link, evidence }: LinkEntry, accounts: VerifiedAccounts): Promise<void> {
    if (link !== undefined) link.receipt = this.of(conversationLinkHash(link));
    const taken = new Set([...accounts.values()].flatMap(({ hashes }) => hashes));
    await this.#put(
      evidence.flatMap(({ links }) => links),
      (hash) => taken.has(hash),
    );
  }

  async #put(links: readonly SignedLink[], isTaken: (hash: LinkHash) => boolean): Promise<void> {
    for (const [place, link] of links.entries()) {
      if (place > 0 && place % LINKS_AT_ONCE === 0) await nextTurn();
      const hash = accountLinkHash(link);
      link.receipt = isTaken(hash) ? this.of(hash) : new Uint8Array(0);
    }
  }
}

/** What all servers of an installation know, and nobody else: 32 bytes. */
export async function readInstallationKey({ query }: Database): Promise<Uint8Array> {
  return (await query.selectFrom("installation").select("receipt_key").executeTakeFirstOrThrow()).receipt_key;
}

export const readReceipts = async (database: Database): Promise<Receipts> => new Receipts(await readInstallationKey(database));
