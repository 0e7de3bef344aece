import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { verifyTicketRequest } from "@fastchat/protocol/seal";
import { type Ticket, type TicketRequest, TicketSchema } from "@fastchat/protocol/wire/gateway";
import { findDevice } from "../store/accounts.ts";
import { addTicket } from "../store/tickets.ts";
import { mustBeLetIn, provenDevice } from "./challenge.ts";
import type { GatewayContext } from "./context.ts";

/** A ticket for the best chat server, for a device that proves that it is one of an account. */
export async function giveTicket(gateway: GatewayContext, request: TicketRequest): Promise<Ticket> {
  const { database } = gateway;
  const device = await provenDevice(gateway, request, verifyTicketRequest);
  const chosen = await gateway.choice.choose(request.avoid.slice(0, limits.avoidedServers));
  if (chosen === undefined) throw new FastChatError(ErrorCode.NO_SERVER);
  const ticket = randomBytes(32);
  if (!(await addTicket(database, ticket, device, chosen.name))) {
    await mustBeLetIn(gateway, (await findDevice(database, request.device)) ?? device);
    throw new FastChatError(ErrorCode.DEVICE_REVOKED);
  }
  return create(TicketSchema, { ticket, url: chosen.url, server: chosen.name });
}
