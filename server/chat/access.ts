import { type AccountId, accountId, ErrorCode, FastChatError, isHash, limits } from "@fastchat/protocol";
import { findAccount, type StoredAccount } from "../store/accounts.ts";
import { findConversationOf, findLogOf, type ReadableLog, type StoredConversation } from "../store/conversations.ts";
import { largestInteger } from "../store/database.ts";
import type { ChatContext } from "./context.ts";
import type { Session } from "./session.ts";

// The doors to what the server keeps. A request gets a conversation only through the first one, and its log through the second; what belongs to
// one account alone (vault, sealed keys) is asked for with the session's own account and no other.

/**
 * A conversation of which the session's account is a member. Throws NOT_FOUND for any other, whether it exists or not, and when the device has lost
 * its rights.
 */
export async function accessConversation(chat: ChatContext, session: Session, conversation: Uint8Array): Promise<StoredConversation> {
  if (!isHash(conversation)) throw malformed("a conversation's id has 32 bytes");
  const found = await findConversationOf(chat.database, conversation, session.account, session.device);
  if (found === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  return found;
}

/**
 * The log of a conversation of which the session's account is a member, or was one: then it ends with the link that ended that. Reads nothing
 * beyond `upTo`. Otherwise throws as above.
 */
export async function accessLog(chat: ChatContext, session: Session, conversation: Uint8Array): Promise<ReadableLog> {
  if (!isHash(conversation)) throw malformed("a conversation's id has 32 bytes");
  const found = await findLogOf(chat.database, conversation, session.account, session.device);
  if (found === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  return found;
}

/**
 * The same as `accessConversation` for who seals something for the members that is no message: as for messages, the device is one that the conversation has recorded, and
 * the epoch one that is still good [S5]. Otherwise throws STALE_HEAD or STALE_EPOCH.
 */
export async function accessForSealing(
  chat: ChatContext,
  session: Session,
  conversation: Uint8Array,
  epoch: number,
): Promise<StoredConversation> {
  const found = await accessConversation(chat, session, conversation);
  if (!found.deviceRecorded) throw deviceNotRecorded();
  if (epoch < found.goodEpochs.from || epoch > found.goodEpochs.to) throw new FastChatError(ErrorCode.STALE_EPOCH);
  return found;
}

/** The device brings its own head up to date, then asks again [C1]. */
const deviceNotRecorded = (): FastChatError =>
  new FastChatError(ErrorCode.STALE_HEAD, { detail: "The conversation has not recorded this device yet: write its heads first." });

/** Any account: chains and public keys are for everybody who is signed in. Throws NOT_FOUND. */
export async function accessAccount(chat: ChatContext, by: { account: Uint8Array } | { name: string }): Promise<StoredAccount> {
  const found = await findAccount(chat.database, by);
  if (found === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  return found;
}

/** What claims to come from somebody must come from the session's own account and device. */
export function checkAuthor(session: Session, claimed: { readonly account: Uint8Array; readonly device: Uint8Array }): void {
  const same =
    isHash(claimed.account) && isHash(claimed.device) && sameId(claimed.account, session.account) && sameId(claimed.device, session.device);
  if (!same) throw new FastChatError(ErrorCode.FORBIDDEN, { detail: "It names another author than this device." });
}

/** An account's links of a day are used up. */
export const tooManyToday = (): FastChatError =>
  new FastChatError(ErrorCode.RATE_LIMITED, {
    detail: "This account was changed too often today: try again tomorrow.",
    retryAfterMs: 3_600_000,
  });

export const malformed = (detail: string): FastChatError => new FastChatError(ErrorCode.MALFORMED, { detail });

/**
 * Indexes, epochs, generations, versions and revisions on their way to the tables, which keep them in 31 bits: nothing that is there comes near.
 * Throws MALFORMED for what the database would refuse.
 */
export function checkNumbers(...numbers: readonly number[]): void {
  if (numbers.some((number) => number > largestInteger)) throw malformed(`a number above ${largestInteger}`);
}

/** What names are searched for. Throws MALFORMED for a text that the database would refuse. */
export function searchText(text: string): string {
  if (text.includes("\0")) throw malformed("a text with a NUL");
  return text.slice(0, limits.nameMaximumLength + 1).toLowerCase();
}

export function accountIds(ids: readonly Uint8Array[]): AccountId[] {
  if (!ids.every(isHash)) throw malformed("an account's id has 32 bytes");
  return ids.map(accountId);
}

const sameId = (bytes: Uint8Array, id: string): boolean => Buffer.from(bytes).toString("hex") === id;
