import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { accountLinkHash, type AccountState } from "@fastchat/protocol/chain";
import { AccountAttachmentsSchema, type Wrap, WrapPurpose } from "@fastchat/protocol/wire/account";
import { AppendedSchema, type SuccessionRecord } from "@fastchat/protocol/wire/frames";
import { acceptAccountLink } from "../account-link.ts";
import { checkSuccession } from "../succession.ts";
import { malformed, tooManyToday } from "../chat/access.ts";
import { endSessions, hintsOfEnding, tellAccountMoved } from "../chat/account-news.ts";
import type { Handler } from "../chat/context.ts";
import type { AnswerBody } from "../chat/wire.ts";
import { appendAccountLink as storeLink } from "../store/accounts.ts";
import { checkVaultEntries } from "./write-vault.ts";

/** The wraps that a link can name; those were compared with it. */
const ofAccountKeys: ReadonlySet<WrapPurpose> = new Set([WrapPurpose.ACCOUNT_KEY_BY_MASTER, WrapPurpose.ACCOUNT_KEY_BY_NEXT]);

/**
 * [P2] Everything that opens the account goes with a `succeed`, and with nothing else: a stolen device must not take from the account what its
 * password opens. Throws FastChatError.
 */
async function checkSignIn(before: AccountState, after: AccountState, wraps: readonly Wrap[], record: SuccessionRecord | undefined) {
  const others = wraps.filter(({ purpose }) => !ofAccountKeys.has(purpose));
  if (after.identityKeys.length > before.identityKeys.length) return checkSuccession({ ...after, link: after.head.hash }, others, record);
  if (others.length > 0 || record !== undefined)
    throw new FastChatError(ErrorCode.LINK_INVALID, { detail: "The keys do not fit the change: a password comes with a succession only." });
}

/** The session's own chain only. The answer's sequence is the link's index. */
export const appendAccountLink: Handler<"appendAccountLink"> = async (chat, session, body) => {
  const { link, vault, vaultRevision, signInRecord } = body;
  const attachments = body.attachments ?? create(AccountAttachmentsSchema);
  if (link === undefined) throw malformed("no account link");
  chat.rates.links.takeOrThrow(session.device);
  checkVaultEntries(vault);
  const before = await chat.chains.account(session.account);
  if (before === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  const device = before.devices.get(session.device);
  const hash = accountLinkHash(link);
  const answer = (index: number): AnswerBody => ({
    case: "appended",
    value: create(AppendedSchema, { sequence: index, time: BigInt(chat.now()), receipt: chat.receipts.of(hash) }),
  });
  // A retry of a link that was stored is answered as then; the device may be the one that it ended.
  const place = before.hashes.indexOf(hash);
  if (place !== -1) return answer(place + 1);
  if (device?.status.kind !== "active") throw new FastChatError(ErrorCode.DEVICE_REVOKED);
  const state = acceptAccountLink(before, link, attachments);
  const newest = state.accountKeys.at(-1)?.generation;
  const turns = state.accountKeys.length > before.accountKeys.length;
  if (turns ? vault.some((entry) => entry.generation !== newest) : vault.length > 0) {
    throw new FastChatError(ErrorCode.LINK_INVALID, { detail: "The vault is sealed again with a new account key, and only then." });
  }
  await checkSignIn(before, state, attachments.wraps, signInRecord);
  const stored = await storeLink(chat.database, {
    before,
    state,
    link,
    attachments,
    now: chat.now(),
    vault: { revision: vaultRevision, entries: vault },
    ...(signInRecord !== undefined && { signInRecord: signInRecord.registrationRecord }),
  });
  if (stored.kind === "stale") throw new FastChatError(ErrorCode.STALE_HEAD);
  if (stored.kind === "vault-moved") throw new FastChatError(ErrorCode.VERSION_CONFLICT);
  if (stored.kind === "too-many") throw tooManyToday();
  chat.chains.rememberAccount(state);
  for (const hint of hintsOfEnding(state, stored)) chat.hints.tell(hint);
  chat.hints.tell(["account", state.account, state.head.index, state.head.hash]);
  await tellAccountMoved(chat, { account: state.account, ...state.head });
  endSessions(chat.delivery, state, stored);
  return answer(state.head.index);
};
