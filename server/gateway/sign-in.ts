import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import {
  type AccountId,
  accountId,
  ErrorCode,
  FastChatError,
  idBytes,
  limits,
  passwordIdentifiers,
  passwordSuite,
} from "@fastchat/protocol";
import { accountLinkHash } from "@fastchat/protocol/chain";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import {
  type SignInFinish,
  type SignInFinished,
  SignInFinishedSchema,
  type SignInStart,
  type SignInStarted,
  SignInStartedSchema,
} from "@fastchat/protocol/wire/gateway";
import { server } from "@serenity-kit/opaque";
import { findSignIn, newestAccountKey, readAccountLinks, readSignInRecord, readWraps } from "../store/accounts.ts";
import { readRecordedLinks } from "../store/conversations.ts";
import { giveBackSignInAttempt, type SignInAttempt, takeSignInAttempt } from "../store/sign-in-attempts.ts";
import { fromText, type GatewayContext, recordTag, setupOf, toText } from "./context.ts";
import { isSignedInAlready } from "./sessions.ts";
import { checkName, understood } from "./sign-up.ts";

/** Counts an attempt to sign in: by address at this gateway, by name at all of them together. Throws RATE_LIMITED. */
export async function takeSignIn(gateway: GatewayContext, name: string, address: string): Promise<void> {
  gateway.rates.signInsByAddress.takeOrThrow(address);
  const taken = await takeSignInAttempt(gateway.database, attemptOf(gateway, name, address));
  switch (taken.kind) {
    case "taken":
      return undefined;
    case "taken-late":
      // By the name alone nobody is refused: whoever knows it could lock its owner out.
      return wait(limits.signInDelayMs, undefined, { ref: false });
    case "refused":
      throw new FastChatError(ErrorCode.RATE_LIMITED, { retryAfterMs: taken.retryAfterMs });
    default:
      return taken satisfies never;
  }
}

/** Who reads the database learns no addresses. */
const attemptOf = ({ secrets }: GatewayContext, name: string, address: string): SignInAttempt => ({
  name,
  who: createHmac("sha256", secrets.key).update(`fastchat/1/sign-in-address ${address}`).digest().subarray(0, 16),
});

/** KE1 in, KE2 out (RFC 9807, 6). The server's own state goes to the client, sealed, so that any gateway can finish. */
export async function startSignIn(gateway: GatewayContext, body: SignInStart, address: string): Promise<SignInStarted> {
  const name = checkName(body.name);
  await takeSignIn(gateway, name, address);
  const account = await findSignIn(gateway.database, name);
  const stored = account?.stored;
  if (stored === undefined && gateway.signInAnswers === "distinct") {
    gateway.log.event("info", "sign-in", { outcome: "no-such-user" });
    throw new FastChatError(account?.closed === true ? ErrorCode.ACCOUNT_CLOSED : ErrorCode.NO_SUCH_USER);
  }
  const serverSetup = stored === undefined ? gateway.secrets.setup.setup : setupOf(gateway, stored);
  // Without a record the library answers with a fake one (RFC 9807, 6.3.2.2), which no password fits.
  const { serverLoginState, loginResponse } = understood(() =>
    server.startLogin({
      serverSetup,
      registrationRecord: stored === undefined ? null : toText(stored.record),
      startLoginRequest: toText(body.loginRequest),
      userIdentifier: name,
      identifiers: passwordIdentifiers(name),
    }),
  );
  gateway.log.event("info", "sign-in", { outcome: "started" });
  // Whether there is an account must not show in the length of what seals it; a made-up one opens nothing.
  const content = {
    id: randomUUID(),
    name,
    account: account?.account ?? randomBytes(32).toString("hex"),
    login: serverLoginState,
    record: recordTag(stored?.record ?? randomBytes(32)),
    address,
    run: gateway.run,
  };
  return create(SignInStartedSchema, {
    loginResponse: fromText(loginResponse),
    state: gateway.states.seal("sign-in", limits.signInStateMs, content),
    passwordSuite: passwordSuite,
  });
}

/** KE3 in: who sends the right one knows the password, and gets the account's chain and wrapped keys; once, from one gateway. */
export async function finishSignIn(gateway: GatewayContext, body: SignInFinish): Promise<SignInFinished> {
  const state = gateway.states.open("sign-in", body.state);
  if (state === undefined) {
    gateway.log.event("info", "sign-in", { outcome: "expired" });
    throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  }
  try {
    server.finishLogin({
      serverLoginState: state["login"] ?? "",
      finishLoginRequest: toText(body.loginFinish),
      identifiers: passwordIdentifiers(state["name"] ?? ""),
    });
  } catch (error) {
    gateway.log.event("info", "sign-in", { outcome: "wrong-password" });
    throw new FastChatError(ErrorCode.WRONG_PASSWORD, { cause: error });
  }
  // Or one right answer, repeated, would pay for any number of guesses.
  if (!gateway.finishedSignIns.use(state["id"] ?? "")) {
    gateway.log.event("info", "sign-in", { outcome: "expired" });
    throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  }
  return signedIn(gateway, state, "sign-in");
}

/** What who proved to be an account's owner gets. @param state of the start: `name`, `account` in hex, `record`, `address`, `run` */
export async function signedIn(
  gateway: GatewayContext,
  { name = "", account: hex = "", record = "", address = "", run = "" }: Readonly<Record<string, string>>,
  how: "sign-in" | "recovery",
): Promise<SignInFinished> {
  const { database } = gateway;
  const account = accountId(Buffer.from(hex, "hex"));
  // It was no guess. Who repeats the answer at each other gateway gains guesses at a password that they know.
  if (run === gateway.run) gateway.rates.signInsByAddress.giveBack(address);
  await giveBackSignInAttempt(database, attemptOf(gateway, name, address));
  // Before the chain: what is recorded anywhere by now is in it.
  const recorded = await readRecordedLinks(database, account);
  const links = await readAccountLinks(database, account);
  await gateway.receipts.putOnAccountLinks(links);
  const wraps = await readWraps(database, account);
  const key = await newestAccountKey(database, account);
  // The password may have been changed since the start: then these wraps are not those of the one that was given.
  await mustHaveRecord(gateway, account, record);
  gateway.log.event("info", how, { outcome: "finished" });
  return create(SignInFinishedSchema, {
    account: idBytes(account),
    links,
    recorded,
    wraps,
    accountPublicKey: key?.publicKey ?? new Uint8Array(0),
    grant: makeGrant(gateway, { account, head: headOf(links), record }),
    alreadySignedIn: await isSignedInAlready(gateway, account),
  });
}

/** @param record tag of the sign-in record with which it was gained, and with which it ends */
export const makeGrant = (
  { states }: GatewayContext,
  content: { readonly account: AccountId; readonly head: string; readonly record: string },
): Uint8Array => states.seal("grant", limits.grantMs, content);

/** Throws when another sign-in record stands there than the one with this tag. */
export async function mustHaveRecord({ database }: GatewayContext, account: AccountId, tag: string | undefined): Promise<void> {
  const stored = await readSignInRecord(database, account);
  if (stored === undefined || recordTag(stored.record) !== tag) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
}

/** Hash of the last link that the client gets; empty: none, and the grant is good for nothing. */
function headOf(links: readonly SignedLink[]): string {
  const last = links.at(-1);
  return last === undefined ? "" : accountLinkHash(last);
}
