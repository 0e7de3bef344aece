import type { AccountId } from "@fastchat/protocol";
import { devicesLetIn, isSingleSession } from "../store/sessions.ts";
import type { GatewayContext } from "./context.ts";

/** [H8] Whether a device is signed in beside which there may be no other: by the server's policy, or as the account wants it. */
export async function isSignedInAlready(gateway: GatewayContext, account: AccountId): Promise<boolean> {
  return (await isSingleSession(gateway, account)) && (await devicesLetIn(gateway.database, account)).length > 0;
}
