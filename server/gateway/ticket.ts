import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { verifyTicketRequest } from "@fastchat/protocol/seal";
import { type Ticket, type TicketRequest, TicketSchema } from "@fastchat/protocol/wire/gateway";
import { mustBeLetIn, provenDevice } from "./challenge.ts";
import type { GatewayContext } from "./context.ts";

/** A ticket for the best chat server, for a device that proves that it is one of an account. */
export async function giveTicket(gateway: GatewayContext, request: TicketRequest): Promise<Ticket> {
  const device = await provenDevice(gateway, request, verifyTicketRequest);
  const chosen = await gateway.choice.choose(request.avoid.slice(0, limits.avoidedServers));
  if (chosen === undefined) throw new FastChatError(ErrorCode.NO_SERVER);
  const ticket = randomBytes(32);
  if (!(await gateway.tickets.add({ ticket, device: device.device, server: chosen.name }))) {
    await mustBeLetIn(gateway, (await gateway.devices.find(request.device)) ?? device);
    throw new FastChatError(ErrorCode.DEVICE_REVOKED);
  }
  return create(TicketSchema, { ticket, url: chosen.url, server: chosen.name });
}
