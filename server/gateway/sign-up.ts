import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, limits, parseName } from "@fastchat/protocol";
import { applyAccountLink, checkAccountAttachments } from "@fastchat/protocol/chain";
import { type AccountAttachments, WrapPurpose } from "@fastchat/protocol/wire/account";
import {
  type SignUpFinish,
  type SignUpFinished,
  SignUpFinishedSchema,
  type SignUpStart,
  type SignUpStarted,
  SignUpStartedSchema,
} from "@fastchat/protocol/wire/gateway";
import { server } from "@serenity-kit/opaque";
import { checkNumbers } from "../chat/access.ts";
import { createAccount, findAccount, isInvitationGood } from "../store/accounts.ts";
import { isSignInRecord } from "../sign-in-record.ts";
import { fromText, type GatewayContext, toText } from "./context.ts";

/** The first half of OPAQUE's registration (RFC 9807, 5.1), after all that would make the second half fail. */
export async function startSignUp(gateway: GatewayContext, body: SignUpStart, address: string): Promise<SignUpStarted> {
  gateway.rates.signUpsByAddress.takeOrThrow(address);
  const name = checkName(body.name);
  if (gateway.signUp === "invitation" && !(await isInvitationGood(gateway.database, invitationHash(body.invitation), Date.now()))) {
    throw new FastChatError(ErrorCode.INVITATION_NEEDED);
  }
  if ((await findAccount(gateway.database, { name })) !== undefined) {
    gateway.log.event("info", "sign-up", { outcome: "name-taken" });
    throw new FastChatError(ErrorCode.NAME_TAKEN);
  }
  const { registrationResponse } = understood(() =>
    server.createRegistrationResponse({
      serverSetup: gateway.secrets.setup.setup,
      userIdentifier: name,
      registrationRequest: toText(body.registrationRequest),
    }),
  );
  return create(SignUpStartedSchema, {
    registrationResponse: fromText(registrationResponse),
    state: gateway.states.seal("sign-up", limits.signUpStateMs, { name }),
  });
}

/**
 * Takes account, first device, keys and sign-in record, all or nothing. What `start` gave is good for its name alone, and so for one account: the
 * limit of starts is one of accounts. It names no address: a person's may change in between, from IPv6 to IPv4 for one.
 */
export async function finishSignUp(gateway: GatewayContext, body: SignUpFinish): Promise<SignUpFinished> {
  const name = checkName(body.name);
  if (gateway.states.open("sign-up", body.state)?.["name"] !== name) throw new FastChatError(ErrorCode.SIGN_IN_EXPIRED);
  const { create: link, attachments } = body;
  if (link === undefined || attachments === undefined) throw new FastChatError(ErrorCode.MALFORMED);
  if (!isSignInRecord(body.registrationRecord)) throw new FastChatError(ErrorCode.MALFORMED);
  const result = applyAccountLink(undefined, link);
  if (result.kind === "incomplete") throw new FastChatError(ErrorCode.VERSION_TOO_OLD);
  if (result.kind === "invalid")
    throw new FastChatError(ErrorCode.LINK_INVALID, { detail: `The new account is not valid: ${result.reason}.` });
  const { state } = result;
  if (state.name !== name) throw new FastChatError(ErrorCode.LINK_INVALID, { detail: "The new account has another name." });
  const attached = checkAccountAttachments(state, link, attachments);
  if (attached.kind === "invalid")
    throw new FastChatError(ErrorCode.LINK_INVALID, { detail: `The keys do not fit the account: ${attached.reason}.` });
  checkNumbers(...attachments.wraps.map((wrap) => wrap.version));
  if (!hasAllWraps(attachments)) throw new FastChatError(ErrorCode.LINK_INVALID, { detail: "A wrapped key is missing." });

  const finished = () => create(SignUpFinishedSchema, { receipt: gateway.receipts.of(state.head.hash) });
  const created = await createAccount(gateway.database, {
    state,
    link,
    attachments,
    signInRecord: body.registrationRecord,
    setup: gateway.secrets.setup.id,
    invitation: gateway.signUp === "invitation" ? invitationHash(body.invitation) : undefined,
    now: Date.now(),
  });
  switch (created.kind) {
    case "created":
      gateway.log.event("info", "sign-up", { outcome: "created" });
      return finished();
    case "name-taken": {
      // An answer that got lost, asked for again: the same account is there.
      const stored = await findAccount(gateway.database, { name });
      if (stored?.account === state.account) return finished();
      gateway.log.event("info", "sign-up", { outcome: "name-taken" });
      throw new FastChatError(ErrorCode.NAME_TAKEN);
    }
    case "invitation-needed":
      gateway.log.event("info", "sign-up", { outcome: "refused" });
      throw new FastChatError(ErrorCode.INVITATION_NEEDED);
    default:
      return created satisfies never;
  }
}

/** [P2] One of each, or the account could never be opened again. */
function hasAllWraps({ wraps }: AccountAttachments): boolean {
  const { MASTER_BY_PASSWORD, MASTER_BY_RECOVERY, IDENTITY_BY_MASTER, ACCOUNT_KEY_BY_MASTER } = WrapPurpose;
  const wanted = [MASTER_BY_PASSWORD, MASTER_BY_RECOVERY, IDENTITY_BY_MASTER, ACCOUNT_KEY_BY_MASTER];
  const sized = wraps.every((wrap) => wrap.sealed.length > 0 && wrap.sealed.length <= limits.wrapBytes);
  return sized && wraps.length === wanted.length && wanted.every((purpose) => wraps.some((wrap) => wrap.purpose === purpose));
}

export function checkName(text: string): string {
  const parsed = parseName(text);
  if (parsed.kind === "invalid") throw new FastChatError(ErrorCode.NAME_INVALID);
  return parsed.name;
}

/** An invitation is random: a plain hash suffices. */
export const invitationHash = (invitation: string): Uint8Array => createHash("sha256").update(invitation.trim()).digest();

/** The library throws for bytes that are no OPAQUE message. */
export function understood<Result>(act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw new FastChatError(ErrorCode.MALFORMED, { cause: error });
  }
}
