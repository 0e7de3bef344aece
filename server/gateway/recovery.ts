import { randomBytes, randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { accountId, ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { publicKeyOf, verifyRecovery } from "@fastchat/protocol/seal";
import {
  type RecoveryFinish,
  type RecoveryStart,
  type RecoveryStarted,
  RecoveryStartedSchema,
  type SignInFinished,
} from "@fastchat/protocol/wire/gateway";
import { findSignIn } from "../store/accounts.ts";
import { type GatewayContext, recordTag } from "./context.ts";
import { signedIn, takeSignIn } from "./sign-in.ts";
import { checkName } from "./sign-up.ts";

/** A nonce for who says to have the recovery words of this name; under `uniform`, also for a name that nobody has. */
export async function startRecovery(gateway: GatewayContext, body: RecoveryStart, address: string): Promise<RecoveryStarted> {
  const name = checkName(body.name);
  await takeSignIn(gateway, name, address);
  const found = await findSignIn(gateway.database, name);
  if ((found === undefined || found.closed) && gateway.signInAnswers === "distinct")
    throw new FastChatError(found?.closed === true ? ErrorCode.ACCOUNT_CLOSED : ErrorCode.NO_SUCH_USER);
  gateway.log.event("info", "recovery", { outcome: "started" });
  const content = {
    id: randomUUID(),
    name,
    account: found?.account ?? randomBytes(32).toString("hex"),
    record: recordTag(found?.stored?.record ?? randomBytes(32)),
    address,
    run: gateway.run,
  };
  return create(RecoveryStartedSchema, { state: gateway.states.seal("recovery", limits.signInStateMs, content) });
}

/** Nobody has the secret: what is signed for an account that is not there takes as long to be refused. */
const NOBODYS_KEY = publicKeyOf(randomBytes(32));

/** [P2] Who signs with the recovery key gets what who knows the password gets: one attempt for each start, at one gateway. */
export async function finishRecovery(gateway: GatewayContext, body: RecoveryFinish): Promise<SignInFinished> {
  const opened = gateway.states.open("recovery", body.state);
  if (opened === undefined || !gateway.finishedSignIns.use(opened["id"] ?? "")) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const state = await gateway.chains.account(accountId(Buffer.from(opened["account"] ?? "", "hex")));
  const request = { name: opened["name"] ?? "", state: body.state };
  const isSigned = await verifyRecovery(state?.recoveryKey ?? NOBODYS_KEY, request, body.signature);
  if (state === undefined || state.closed || !isSigned) {
    gateway.log.event("info", "recovery", { outcome: "wrong-words" });
    throw new FastChatError(ErrorCode.WRONG_RECOVERY_WORDS);
  }
  return signedIn(gateway, opened, "recovery");
}
