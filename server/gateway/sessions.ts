import type { AccountId } from "@fastchat/protocol";
import { devicesLetIn, wantsSingleSession } from "../store/sessions.ts";
import type { GatewayContext } from "./context.ts";

/** [H7] Whether a device is signed in beside which there may be no other: by the server's policy, or as the account wants it. */
export async function isSignedInAlready({ database, sessions }: GatewayContext, account: AccountId): Promise<boolean> {
  const isSingle = sessions === "single" || (await wantsSingleSession(database, account));
  return isSingle && (await devicesLetIn(database, account)).length > 0;
}
