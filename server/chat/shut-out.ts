import { shutOutAmong } from "../store/sessions.ts";
import type { ChatContext } from "./context.ts";

/** Closes the sockets of devices that are let in no more, whatever became of the word of it: gateways do not number their hints. */
export async function endShutOut({ database, delivery }: Pick<ChatContext, "database" | "delivery">): Promise<void> {
  const devices = new Set(delivery.devices());
  for (const { device, why } of await shutOutAmong(database, [...devices])) delivery.endDevice(device, why);
}
