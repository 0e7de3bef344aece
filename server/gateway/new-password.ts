import { create } from "@bufbuild/protobuf";
import { type AccountId, ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { verifyNewRecord } from "@fastchat/protocol/seal";
import { WrapPurpose } from "@fastchat/protocol/wire/account";
import {
  type PasswordFinish,
  type PasswordFinished,
  PasswordFinishedSchema,
  type PasswordStart,
  type PasswordStarted,
  PasswordStartedSchema,
} from "@fastchat/protocol/wire/gateway";
import { server } from "@serenity-kit/opaque";
import { checkNumbers } from "../chat/access.ts";
import { readSignInRecord, readWraps, replacePassword } from "../store/accounts.ts";
import { fromText, type GatewayContext, recordTag, setupOf, toText } from "./context.ts";
import { makeGrant } from "./sign-in.ts";
import { isSignInRecord } from "../sign-in-record.ts";
import { understood } from "./sign-up.ts";

/** The first half of a registration (RFC 9807, 5.1) for an account that is there, under the setup that it has: devices know that one's key. */
export async function startPassword(gateway: GatewayContext, body: PasswordStart): Promise<PasswordStarted> {
  const { database, states } = gateway;
  const grant = states.open("grant", body.grant);
  if (grant === undefined) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const account = grant["account"] as AccountId;
  const state = await gateway.chains.account(account);
  // Before the record: whoever changes the password in between makes this version an old one.
  const wraps = await readWraps(database, account);
  const stored = await readSignInRecord(database, account);
  if (state === undefined || stored === undefined) throw new FastChatError(ErrorCode.NO_SUCH_USER);
  // Gained with a password that is another one by now, or before somebody was put out: it is worth nothing any more.
  if (grant["record"] !== recordTag(stored.record) || grant["head"] !== state.head.hash) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  if (state.closed) throw new FastChatError(ErrorCode.ACCOUNT_CLOSED);
  const serverSetup = setupOf(gateway, stored);
  const { registrationResponse } = understood(() =>
    server.createRegistrationResponse({
      serverSetup,
      userIdentifier: state.name,
      registrationRequest: toText(body.registrationRequest),
    }),
  );
  const version = Math.max(0, ...wraps.filter(({ purpose }) => purpose === WrapPurpose.MASTER_BY_PASSWORD).map((wrap) => wrap.version));
  return create(PasswordStartedSchema, {
    registrationResponse: fromText(registrationResponse),
    state: states.seal("password", limits.signUpStateMs, {
      account,
      record: recordTag(stored.record),
      setup: stored.setup,
      version: String(version),
    }),
  });
}

/** [P2] Takes a record that the identity key signed, in the place of the one that was there at the start and of no other one. */
export async function finishPassword(gateway: GatewayContext, body: PasswordFinish): Promise<PasswordFinished> {
  const opened = gateway.states.open("password", body.state);
  if (opened === undefined) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const { registrationRecord: record, wrap, state: sealedState, signature } = body;
  const isFormed = wrap?.purpose === WrapPurpose.MASTER_BY_PASSWORD && wrap.sealed.length > 0 && wrap.sealed.length <= limits.wrapBytes;
  if (!isSignInRecord(record) || !isFormed) throw new FastChatError(ErrorCode.MALFORMED);
  checkNumbers(wrap.version);
  const account = opened["account"] as AccountId;
  const state = await gateway.chains.account(account);
  if (state === undefined) throw new FastChatError(ErrorCode.NO_SUCH_USER);
  if (state.closed) throw new FastChatError(ErrorCode.ACCOUNT_CLOSED);
  if (!(await verifyNewRecord(state.identityKey, { account, state: sealedState, record, wrap }, signature)))
    throw new FastChatError(ErrorCode.SIGNATURE_INVALID);
  if (wrap.version !== Number(opened["version"]) + 1) throw new FastChatError(ErrorCode.VERSION_CONFLICT);
  const isReplaced = await replacePassword(gateway.database, {
    account,
    before: Buffer.from(opened["record"] ?? "", "hex"),
    record,
    setup: opened["setup"] ?? "",
    wrap,
  });
  gateway.log.event("info", "password", { outcome: isReplaced ? "changed" : "conflict" });
  if (!isReplaced) throw new FastChatError(ErrorCode.VERSION_CONFLICT);
  return create(PasswordFinishedSchema, { grant: makeGrant(gateway, { account, head: state.head.hash, record: recordTag(record) }) });
}
