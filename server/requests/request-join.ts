import { create } from "@bufbuild/protobuf";
import { conversationId, ErrorCode, FastChatError, isHash, limits } from "@fastchat/protocol";
import { deviceAt, faultOfJoinRequest, invitationStanding } from "@fastchat/protocol/chain";
import { signatureLength, toHex } from "@fastchat/protocol/seal";
import type { JoinRequest } from "@fastchat/protocol/wire/conversation";
import { JoinRequestedSchema } from "@fastchat/protocol/wire/frames";
import { checkAuthor, malformed } from "../chat/access.ts";
import type { ChatContext, Handler } from "../chat/context.ts";
import { tellJoinAsked } from "../chat/join-news.ts";
import type { Session } from "../chat/session.ts";
import { keepJoinRequest } from "../store/join-requests.ts";
import { isMember } from "../store/members.ts";
import { hasPublicName } from "../store/public-groups.ts";

/**
 * [C7] Keeps a request until an admin's device adds the account. What is said of a request that is not good follows from the request alone, so that
 * nobody learns whether there is such a group: INVITATION_INVALID where it shows an invitation, otherwise NOT_FOUND.
 */
export const requestJoin: Handler<"requestJoin"> = async (chat, session, { request }) => {
  if (request === undefined) throw malformed("no request to join");
  checkForm(session, request);
  await chat.rates.joinRequests.takeOrThrow(session.device);
  const conversation = conversationId(request.conversation);
  const answer = (member: boolean) => ({ case: "joinRequested", value: create(JoinRequestedSchema, { member }) }) as const;
  if (await isMember(chat.database, conversation, session.account)) return answer(true);
  if (!(await isOwn(chat, session, request)) || !(await isWelcome(chat, session, request))) {
    throw new FastChatError(request.invitation.length > 0 ? ErrorCode.INVITATION_INVALID : ErrorCode.NOT_FOUND);
  }
  const { account } = session;
  const kept = await keepJoinRequest(chat.database, {
    conversation,
    account,
    request,
    most: limits.joinRequestsPerGroup,
    now: chat.now(),
  });
  switch (kept.kind) {
    case "kept":
      await tellJoinAsked(chat, conversation);
      chat.hints.tell(["join-asked", conversation]);
      return answer(false);
    case "member":
      return answer(true);
    case "full":
      throw new FastChatError(ErrorCode.RATE_LIMITED, {
        detail: "Too many people wait to be let into this group: try again later.",
        retryAfterMs: 600_000,
      });
    default:
      return kept satisfies never;
  }
};

function checkForm(session: Session, request: JoinRequest): void {
  const { conversation, invitation, head, device, invitationSignature, deviceSignature } = request;
  if (!isHash(conversation)) throw malformed("a conversation's id has 32 bytes");
  if (head === undefined || !isHash(head.hash)) throw malformed("a request to join without a head");
  const signatures = invitation.length === 0 ? invitationSignature.length === 0 : invitationSignature.length === signatureLength;
  if (!(invitation.length === 0 || isHash(invitation)) || !signatures || deviceSignature.length !== signatureLength) {
    throw malformed("no request to join");
  }
  checkAuthor(session, { account: head.account, device });
}

/** Head and signatures, before anything is asked about the group. */
async function isOwn(chat: ChatContext, { account, device }: Session, request: JoinRequest): Promise<boolean> {
  const chain = await chat.chains.account(account);
  if (chain === undefined || deviceAt(chain, device, chain.head.index) !== "active") throw new FastChatError(ErrorCode.DEVICE_REVOKED);
  return faultOfJoinRequest(request, chain) === undefined;
}

/** Whether the group takes such requests of this account: by an invitation that is good today, or by its public name. */
async function isWelcome(chat: ChatContext, { account }: Session, { conversation, invitation }: JoinRequest): Promise<boolean> {
  const id = conversationId(conversation);
  const shows = invitation.length > 0;
  if (!shows && !(await hasPublicName(chat.database, id))) return false;
  const state = await chat.chains.conversation(id);
  if (state?.kind !== "group" || state.members.size === 0 || state.removed.has(account)) return false;
  if (!shows) return true;
  const announced = state.invitations.get(toHex(invitation));
  return announced !== undefined && invitationStanding(announced, chat.now()) === "good";
}
