import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { deviceId, ErrorCode, FastChatError, isHash, limits } from "@fastchat/protocol";
import { verifyTicketRequest } from "@fastchat/protocol/seal";
import {
  type Challenge,
  type ChallengeRequest,
  ChallengeSchema,
  type Ticket,
  type TicketRequest,
  TicketSchema,
} from "@fastchat/protocol/wire/gateway";
import { findDevice, type StoredDevice } from "../store/accounts.ts";
import { devicesLetIn } from "../store/sessions.ts";
import { addTicket } from "../store/tickets.ts";
import type { GatewayContext } from "./context.ts";

export async function giveChallenge(gateway: GatewayContext, { device }: ChallengeRequest): Promise<Challenge> {
  if (!isHash(device)) throw new FastChatError(ErrorCode.MALFORMED);
  const content = { device: deviceId(device), nonce: randomBytes(16).toString("hex") };
  return create(ChallengeSchema, { challenge: gateway.states.seal("challenge", limits.challengeMs, content) });
}

/** A ticket for the best chat server, for a device that proves by its signature that it is one of an account. */
export async function giveTicket(gateway: GatewayContext, request: TicketRequest): Promise<Ticket> {
  const { database } = gateway;
  if (!isHash(request.device)) throw new FastChatError(ErrorCode.MALFORMED);
  const id = deviceId(request.device);
  if (gateway.states.open("challenge", request.challenge)?.["device"] !== id) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const device = await findDevice(database, request.device);
  if (device === undefined) throw new FastChatError(ErrorCode.DEVICE_UNKNOWN);
  if (!(await verifyTicketRequest(device.signingKey, id, request.challenge, request.signature))) {
    throw new FastChatError(ErrorCode.SIGNATURE_INVALID);
  }
  await mustBeLetIn(gateway, device);
  gateway.rates.ticketsByDevice.takeOrThrow(id);
  const chosen = await gateway.choice.choose(request.avoid.slice(0, limits.avoidedServers));
  if (chosen === undefined) throw new FastChatError(ErrorCode.NO_SERVER);
  const ticket = randomBytes(32);
  if (!(await addTicket(database, ticket, device, chosen.name))) {
    await mustBeLetIn(gateway, (await findDevice(database, request.device)) ?? device);
    throw new FastChatError(ErrorCode.DEVICE_REVOKED);
  }
  return create(TicketSchema, { ticket, url: chosen.url, server: chosen.name });
}

/** [H8] Where accounts are signed in on one device, that is the newest one: those of a time when they were on many are not asked again. */
async function mustBeLetIn({ database, sessions }: GatewayContext, device: StoredDevice): Promise<void> {
  if (device.shutOut !== undefined) throw new FastChatError(device.shutOut);
  const isOutdated = sessions === "single" && (await devicesLetIn(database, device.account)).at(-1) !== device.device;
  if (isOutdated) throw new FastChatError(ErrorCode.SIGNED_IN_ELSEWHERE);
}
