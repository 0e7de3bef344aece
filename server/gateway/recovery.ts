import { randomBytes, randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { accountId, ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { verifyRecovery } from "@fastchat/protocol/seal";
import {
  type RecoveryFinish,
  type RecoveryStart,
  type RecoveryStarted,
  RecoveryStartedSchema,
  type SignInFinished,
} from "@fastchat/protocol/wire/gateway";
import { findAccount } from "../store/accounts.ts";
import type { GatewayContext } from "./context.ts";
import { signedIn, takeSignIn } from "./sign-in.ts";
import { checkName } from "./sign-up.ts";

/** A nonce for who says to have the recovery words of this name; under `uniform`, also for a name that nobody has. */
export async function startRecovery(gateway: GatewayContext, body: RecoveryStart, address: string): Promise<RecoveryStarted> {
  const name = checkName(body.name);
  await takeSignIn(gateway, name, address);
  const found = await findAccount(gateway.database, { name });
  if ((found === undefined || found.closed) && gateway.signInAnswers === "distinct")
    throw new FastChatError(found?.closed === true ? ErrorCode.ACCOUNT_CLOSED : ErrorCode.NO_SUCH_USER);
  const account = found === undefined ? randomBytes(32) : idBytes(found.account);
  gateway.log.event("info", "recovery", { outcome: "started" });
  return create(RecoveryStartedSchema, {
    account,
    state: gateway.states.seal("recovery", limits.signInStateMs, {
      id: randomUUID(),
      name,
      account: Buffer.from(account).toString("hex"),
      address,
    }),
  });
}

/** [P2] Who signs with the recovery key gets what who knows the password gets: once, from one gateway. */
export async function finishRecovery(gateway: GatewayContext, body: RecoveryFinish): Promise<SignInFinished> {
  const opened = gateway.states.open("recovery", body.state);
  if (opened === undefined) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const account = accountId(Buffer.from(opened["account"] ?? "", "hex"));
  const state = await gateway.chains.account(account);
  const isRight =
    state !== undefined && !state.closed && (await verifyRecovery(state.recoveryKey, { account, state: body.state }, body.signature));
  if (!isRight) {
    gateway.log.event("info", "recovery", { outcome: "wrong-words" });
    throw new FastChatError(ErrorCode.WRONG_RECOVERY_WORDS);
  }
  return signedIn(gateway, account, opened, "recovery");
}
