import { type AccountId, type DeviceId, ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import {
  accountIdIn,
  accountLinkHash,
  type AccountState,
  applyAccountLink,
  attachmentsNamed,
  offeredBeside,
} from "@fastchat/protocol/chain";
import type { AccountAttachments } from "@fastchat/protocol/wire/account";
import type { PutBackAccount } from "@fastchat/protocol/wire/frames";
import { checkNumbers, malformed, tooManyToday } from "./chat/access.ts";
import type { PutOut } from "./chat/account-news.ts";
import type { Sessions } from "./config.ts";
import type { Receipts } from "./receipts.ts";
import { appendAccountLink, fillAttachments, type NewSignIn } from "./store/accounts.ts";
import type { ChainStates } from "./store/chains.ts";
import type { Database } from "./store/database.ts";
import { isSingleSession } from "./store/sessions.ts";
import { checkSuccession, wrapsOfSuccession } from "./succession.ts";

export interface PutBack {
  readonly state: AccountState;
  readonly putOut: PutOut;
  readonly isLonger: boolean;
}

/**
 * [H6] Appends links of an account's chain that this server lost, and keeps what lay beside them as far as it comes with them, perhaps later than
 * they. A device that comes back where one at a time may be takes the place of the older ones, as it did when it was added [H8]. Nobody has shown
 * who asks, and who signed a link need not have been its owner: what this server took it knows by its receipt alone. A link costs one look at what
 * lies beside it, and each counts once. Throws FastChatError: NO_RECEIPT for a link without its own, NOT_FOUND for an account that is not here at all
 * (its password is lost with it), LINK_INVALID for another chain, MALFORMED for links in another order than that of the chain.
 */
export async function putBackLinks(
  context: { readonly database: Database; readonly chains: ChainStates; readonly receipts: Receipts; readonly sessions?: Sessions },
  body: PutBackAccount,
  now: number,
): Promise<PutBack> {
  const { database, chains, receipts } = context;
  const { links } = body;
  const account = links[0] && accountIdIn(links[0]);
  if (account === undefined || links.length > limits.accountLinks) throw new FastChatError(ErrorCode.MALFORMED);
  const beside = [body.accountPublicKeys, body.deviceSealingKeys, body.copies, body.wraps];
  if (beside.some(({ length }) => length > limits.putBackBesideLinks)) throw new FastChatError(ErrorCode.TOO_LARGE);
  checkNumbers(...body.copies.map(({ generation }) => generation), ...body.wraps.map(({ version }) => version));
  let state = await known(chains, account);
  const from = state.head.index;
  const isSingle = await isSingleSession(context, account);
  const ended: DeviceId[] = [];
  const replaced: DeviceId[] = [];
  const offered = offeredBeside(body);
  let last = 0;
  for (const link of links) {
    const hash = accountLinkHash(link);
    const index = state.hashes.indexOf(hash) + 1;
    if (index > 0) {
      if (index <= last) throw malformed("links in another order than that of the chain");
      last = index;
      const attachments = attachmentsNamed(state, link, offered);
      if (!isEmpty(attachments)) await fillAttachments(database, state, { index, attachments });
      continue;
    }
    if (!receipts.isRight(hash, link.receipt)) throw new FastChatError(ErrorCode.NO_RECEIPT);
    const result = applyAccountLink(state, link);
    if (result.kind === "incomplete")
      throw new FastChatError(result.reason === "version" ? ErrorCode.VERSION_TOO_OLD : ErrorCode.STALE_HEAD);
    if (result.kind === "invalid")
      throw new FastChatError(ErrorCode.LINK_INVALID, { detail: `The change is not allowed: ${result.reason}.` });
    const attachments = attachmentsNamed(result.state, link, offered);
    const replacesOthers = isSingle && result.state.devices.size > state.devices.size;
    const append = { before: state, state: result.state, link, attachments, now, vault: "lost", replacesOthers } as const;
    const stored = await appendAccountLink(database, append);
    if (stored.kind === "stale" || stored.kind === "vault-moved") throw new FastChatError(ErrorCode.STALE_HEAD);
    if (stored.kind === "too-many") throw tooManyToday();
    ended.push(...stored.ended);
    replaced.push(...stored.replaced);
    ({ state } = result);
    last = state.head.index;
    chains.rememberAccount(state);
  }
  const signIn = await signInOf(state, body);
  if (signIn !== undefined) await fillAttachments(database, state, { signIn });
  return { state, putOut: { ended, replaced }, isLonger: state.head.index > from };
}

const isEmpty = ({ accountPublicKey, deviceSealingKey, copies, wraps }: AccountAttachments): boolean =>
  accountPublicKey.length + deviceSealingKey.length + copies.length + wraps.length === 0;

async function known(chains: ChainStates, account: AccountId): Promise<AccountState> {
  const state = await chains.account(account);
  if (state === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  return state;
}

/** [P2] What opens the account since its newest succession, if that comes along. Without it, what opened it before opens nothing any more. */
async function signInOf(state: AccountState, { links, wraps, signInRecord }: PutBackAccount): Promise<NewSignIn | undefined> {
  const since = state.identityKeys.at(-1)!.from;
  const hash = state.hashes[since - 1]!;
  if (since === 1 || signInRecord === undefined || !links.some((link) => accountLinkHash(link) === hash)) return undefined;
  const ofMaster = wrapsOfSuccession.flatMap((purpose) => wraps.filter((wrap) => wrap.purpose === purpose));
  await checkSuccession({ account: state.account, identityKey: state.identityKey, link: hash }, ofMaster, signInRecord);
  return { record: signInRecord.registrationRecord, wraps: ofMaster };
}
