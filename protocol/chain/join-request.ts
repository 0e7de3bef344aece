import { create } from "@bufbuild/protobuf";
import { type AccountHead, AccountHeadSchema } from "../generated/fastchat/v1/account_pb.ts";
import { type Addition, AdditionSchema, type JoinRequest, JoinRequestSchema, Role } from "../generated/fastchat/v1/conversation_pb.ts";
import { type ConversationId, type DeviceId, deviceId, idBytes, isHash, linkHash } from "../ids.ts";
import { equal } from "../seal/bytes.ts";
import { labels } from "../seal/labels.ts";
import { publicKeyOf, sign, verifyLink } from "../seal/signature.ts";
import { type AccountState, deviceAt } from "./account.ts";
import type { InvitationState } from "./conversation-state.ts";

/** [C7] What a request signs, under a label for the invitation's key and one for the device. */
export const joinRequestParts = (request: {
  readonly conversation: Uint8Array;
  /** Public key of the invitation; empty for who asks without one. */
  readonly invitation: Uint8Array;
  readonly account: Uint8Array;
  readonly head: Pick<AccountHead, "index" | "hash">;
}) => [request.conversation, request.invitation, request.account, request.head.index, request.head.hash] as const;

/** Days of an invitation are counted in UTC. */
export const invitationDayMs = 86_400_000;

/** [L60] Whether an invitation is good at this time, milliseconds since 1970, after so many uses. */
export function invitationStanding(
  { uses, used, lastDay, revoked }: Pick<InvitationState, "uses" | "used" | "lastDay" | "revoked">,
  now: number,
): "good" | "used-up" | "expired" | "revoked" {
  if (revoked) return "revoked";
  if (used >= uses) return "used-up";
  return lastDay < Math.floor(now / invitationDayMs) ? "expired" : "good";
}

export interface AskingDevice {
  /** The account at its newest head. */
  readonly chain: AccountState;
  readonly device: DeviceId;
  readonly signingSeed: Uint8Array;
}

/** [C7] Asks to be let into a group: with the invitation's secret, 32 bytes, or without one by its public name. */
export async function buildJoinRequest(
  conversation: ConversationId,
  asking: AskingDevice,
  invitationSeed?: Uint8Array,
): Promise<JoinRequest> {
  const { chain, device, signingSeed } = asking;
  const account = idBytes(chain.account);
  const head = create(AccountHeadSchema, { account, index: chain.head.index, hash: idBytes(chain.head.hash) });
  const invitation = invitationSeed === undefined ? new Uint8Array(0) : publicKeyOf(invitationSeed);
  const parts = joinRequestParts({ conversation: idBytes(conversation), invitation, account, head });
  return create(JoinRequestSchema, {
    conversation: idBytes(conversation),
    invitation,
    head,
    device: idBytes(device),
    ...(invitationSeed !== undefined && { invitationSignature: await sign(invitationSeed, labels.signature.invitation, ...parts) }),
    deviceSignature: await sign(signingSeed, labels.signature.invitationByDevice, ...parts),
  });
}

/** What an `add` carries of a request that shows an invitation; of one without, nothing: an admin adds by hand. */
export function additionOf(request: JoinRequest): Addition {
  const member = { account: request.head?.account ?? new Uint8Array(0), role: Role.MEMBER };
  if (request.invitation.length === 0) return create(AdditionSchema, { member });
  const { invitation, head, device, invitationSignature, deviceSignature } = request;
  return create(AdditionSchema, {
    member,
    invitation,
    requestInvitationSignature: invitationSignature,
    requestDeviceSignature: deviceSignature,
    requestDevice: device,
    ...(head !== undefined && { requestHead: head }),
  });
}

/**
 * [C7] Why a request is not the account's own, or undefined: a head on its chain, a device that was active there and is now, and
 * the signatures of that device and, if there is an invitation, of its key.
 */
export function faultOfJoinRequest(request: Omit<JoinRequest, "$typeName" | "$unknown">, chain: AccountState): string | undefined {
  const { conversation, invitation, head } = request;
  if (head === undefined || !isHash(head.account) || !isHash(head.hash)) return "no head in the request";
  if (!equal(head.account, idBytes(chain.account))) return "no head in the request";
  if (chain.hashes[head.index - 1] !== linkHash(head.hash)) return "the request names a head that is not the account's";
  if (!isHash(request.device)) return "no device in the request";
  const device = deviceId(request.device);
  const key = chain.devices.get(device)?.signingKey;
  const active = deviceAt(chain, device, head.index) === "active" && deviceAt(chain, device, chain.head.index) === "active";
  if (key === undefined || !active) return "the request is by no active device of the account";
  const parts = joinRequestParts({ conversation, invitation, account: head.account, head });
  const invited = invitation.length === 0 || verifyLink(invitation, request.invitationSignature, labels.signature.invitation, ...parts);
  const signed = invited && verifyLink(key, request.deviceSignature, labels.signature.invitationByDevice, ...parts);
  return signed ? undefined : "the request is not signed";
}
