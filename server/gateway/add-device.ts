import { create, fromBinary } from "@bufbuild/protobuf";
import { type AccountId, ErrorCode, FastChatError } from "@fastchat/protocol";
import { accountLinkHash } from "@fastchat/protocol/chain";
import { toHex } from "@fastchat/protocol/seal";
import { AccountAttachmentsSchema, AccountLinkSchema, type SignedLink } from "@fastchat/protocol/wire/account";
import { type AddDevice, type DeviceAdded, DeviceAddedSchema } from "@fastchat/protocol/wire/gateway";
import { acceptAccountLink } from "../account-link.ts";
import type { Hint } from "../bus/hint.ts";
import { appendAccountLink } from "../store/accounts.ts";
import { tooManyToday } from "../chat/access.ts";
import { hintsOfEnding } from "../chat/account-news.ts";
import type { GatewayContext } from "./context.ts";
import { tellHints } from "./hints.ts";
import { isSignedInAlready } from "./sessions.ts";
import { mustHaveRecord } from "./sign-in.ts";

/**
 * Lets a device into the chain of the account that its grant names; the identity key's signature is what counts [A1]. The grant also names the head
 * that the sign-in gave, which the link must follow. That makes it single-use, with nothing kept: a link that was taken moves the head, after
 * which nothing valid follows the old one, and of two at once the statement that compares and moves the head takes one.
 */
export async function addDevice(gateway: GatewayContext, body: AddDevice): Promise<DeviceAdded> {
  const grant = gateway.states.open("grant", body.grant);
  if (grant === undefined) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const { link, attachments = create(AccountAttachmentsSchema), replacesOthers } = body;
  const previous = link && previousOfAddDevice(link);
  if (link === undefined || previous === undefined) throw new FastChatError(ErrorCode.MALFORMED);
  const before = await gateway.chains.account(grant["account"] as AccountId);
  if (before === undefined) throw new FastChatError(ErrorCode.NO_SUCH_USER);
  const hash = accountLinkHash(link);
  const added = () => create(DeviceAddedSchema, { receipt: gateway.receipts.of(hash) });
  // An answer that got lost, asked for again.
  if (before.hashes.includes(hash)) return added();
  await mustHaveRecord(gateway, before.account, grant["record"]);
  if (toHex(previous) !== grant["head"]) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  if (before.closed) throw new FastChatError(ErrorCode.ACCOUNT_CLOSED);
  const state = acceptAccountLink(before, link, attachments);
  if (attachments.wraps.length > 0) throw new FastChatError(ErrorCode.LINK_INVALID, { detail: "A new device brings no wrapped keys." });
  // After `before`: a device that is added meanwhile moves the head, and this link is stale.
  if (!replacesOthers && (await isSignedInAlready(gateway, state.account))) throw new FastChatError(ErrorCode.ALREADY_SIGNED_IN);
  const stored = await appendAccountLink(gateway.database, {
    before,
    state,
    link,
    attachments,
    now: Date.now(),
    vault: { revision: 0, entries: [] },
    replacesOthers,
  });
  if (stored.kind === "stale") throw new FastChatError(ErrorCode.STALE_HEAD);
  if (stored.kind === "too-many") throw tooManyToday();
  gateway.chains.rememberAccount(state);
  const hints: Hint[] = [
    ["account", state.account, state.head.index, state.head.hash],
    // No link that adds a device touches the vault.
    ...(stored.kind === "appended" ? hintsOfEnding(state, stored) : []),
  ];
  await tellHints(gateway, hints);
  return added();
}

/** The hash of the link before, if it is one that adds a device. */
function previousOfAddDevice(link: SignedLink): Uint8Array | undefined {
  try {
    const { change, previous } = fromBinary(AccountLinkSchema, link.body);
    return change.case === "addDevice" ? previous : undefined;
  } catch {
    return undefined;
  }
}
