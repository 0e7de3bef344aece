import { type AccountId, ErrorCode, FastChatError, limits, type LinkHash } from "@fastchat/protocol";
import { verifySuccessionRecord } from "@fastchat/protocol/seal";
import { type Wrap, WrapPurpose } from "@fastchat/protocol/wire/account";
import type { SuccessionRecord } from "@fastchat/protocol/wire/frames";
import { checkNumbers, malformed } from "./chat/access.ts";
import { isSignInRecord } from "./sign-in-record.ts";

/** What a `succeed` brings besides the account key's wraps: one of each, in this order. */
export const wrapsOfSuccession: readonly WrapPurpose[] = [
  WrapPurpose.MASTER_BY_PASSWORD,
  WrapPurpose.MASTER_BY_RECOVERY,
  WrapPurpose.IDENTITY_BY_MASTER,
];

/** A `succeed` that was found valid, and the identity key that it brought. */
export interface Succession {
  readonly account: AccountId;
  readonly identityKey: Uint8Array;
  readonly link: LinkHash;
}

/** [P2] The password that comes with a `succeed`, and what the new master key wraps. Throws FastChatError. */
export async function checkSuccession(
  { account, identityKey, link }: Succession,
  wraps: readonly Wrap[],
  record: SuccessionRecord | undefined,
): Promise<void> {
  const areAll = wraps.length === wrapsOfSuccession.length && wraps.every(({ purpose }, place) => purpose === wrapsOfSuccession[place]);
  if (record === undefined || !areAll)
    throw new FastChatError(ErrorCode.LINK_INVALID, { detail: "The keys do not fit the change: a succession comes with a password." });
  for (const { version, sealed } of wraps) {
    checkNumbers(version);
    if (sealed.length === 0 || sealed.length > limits.wrapBytes) throw malformed("a wrapped key");
  }
  const { registrationRecord, signature } = record;
  if (!isSignInRecord(registrationRecord)) throw malformed("a sign-in record");
  const signed = { account, link, record: registrationRecord, wraps };
  if (!(await verifySuccessionRecord(identityKey, signed, signature))) throw new FastChatError(ErrorCode.SIGNATURE_INVALID);
}
