import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { type AccountState, applyAccountLink, checkAccountAttachments } from "@fastchat/protocol/chain";
import type { AccountAttachments, SignedLink } from "@fastchat/protocol/wire/account";

/**
 * The account with the link on top, where link and attachments are good [G4]. Throws FastChatError: STALE_HEAD when the link stands on another
 * one than the head, VERSION_TOO_OLD when this server does not know its version, LINK_INVALID otherwise.
 */
export function acceptAccountLink(before: AccountState, link: SignedLink, attachments: AccountAttachments): AccountState {
  const result = applyAccountLink(before, link);
  switch (result.kind) {
    case "valid":
      break;
    case "incomplete":
      throw new FastChatError(result.reason === "version" ? ErrorCode.VERSION_TOO_OLD : ErrorCode.STALE_HEAD);
    case "invalid":
      if (result.stale === true) throw new FastChatError(ErrorCode.STALE_HEAD);
      throw new FastChatError(ErrorCode.LINK_INVALID, { detail: `The change is not allowed: ${result.reason}.` });
    default:
      return result satisfies never;
  }
  const attached = checkAccountAttachments(result.state, link, attachments);
  if (attached.kind === "invalid")
    throw new FastChatError(ErrorCode.LINK_INVALID, { detail: `The keys do not fit the change: ${attached.reason}.` });
  return result.state;
}
