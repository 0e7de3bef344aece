import { ErrorCode, FastChatError, parseName } from "@fastchat/protocol";
import { parseRecoveryWords, signNewRecord, wrapKey } from "@fastchat/protocol/seal";
import { WrapPurpose } from "@fastchat/protocol/wire/account";
import { AccountForked } from "./accounts.ts";
import type { PasswordChangeResult, RecoverOptions, RecoverResult } from "./api.ts";
import { Gateway, GatewayUnreachable } from "./gateway.ts";
import { enter } from "./new-device.ts";
import { alreadySignedIn, mustBeFree } from "./other-devices.ts";
import { weaknessOf } from "./password.ts";
import {
  asLongAsItHolds,
  insist,
  type KnownOwnAccount,
  loadOpaque,
  mustKnowSuite,
  openAccount,
  openByRecovery,
  type OpenedKeys,
  places,
  refusing,
  serverLied,
  registerNewPassword,
} from "./sign-in.ts";
import type { Storage } from "./storage.ts";

/** [P2] Sets a new password with the recovery words, and adds this device. What was signed in before stays so. */
export async function recover(storage: Storage, options: RecoverOptions): Promise<RecoverResult> {
  return refusing(async () => {
    const parsed = parseName(options.name);
    if (parsed.kind === "invalid") throw new FastChatError(ErrorCode.NO_SUCH_USER);
    const { name } = parsed;
    const gateway = new Gateway(options.gateway);
    await mustBeFree(storage, gateway, name);
    const entropy = entropyIn(options.words);
    const weak = await weaknessOf(options.password.normalize("NFKC"), name);
    if (weak !== undefined) return weak;
    const [info] = await Promise.all([gateway.info(), loadOpaque()]);
    mustKnowSuite(info.passwordSuite);
    const { account, set } = await asLongAsItHolds(async () => {
      const opened = await openByRecovery(gateway, name, entropy);
      // Asked before anything is changed.
      const asks = opened.alreadySignedIn && options.signOutOthers !== true;
      return { account: opened, set: asks ? undefined : await setPassword(gateway, opened, options.password) };
    });
    if (set === undefined) return alreadySignedIn(gateway, account);
    return enter(storage, gateway, { ...account, ...set }, options).catch((error: unknown) => {
      if (!(error instanceof FastChatError || error instanceof GatewayUnreachable)) throw error;
      const code = error instanceof FastChatError ? error.code : ErrorCode.NO_SERVER;
      const why = error instanceof FastChatError ? error.row.sentence : "No server answers.";
      const sentence = `The new password is set, but this device could not be added: sign in with it. ${why}`;
      throw new FastChatError(code, { sentence, cause: error });
    });
  });
}

/** What the words say, by themselves. Throws FastChatError WRONG_RECOVERY_WORDS, with what is wrong with them. */
function entropyIn(words: string): Uint8Array {
  const parsed = parseRecoveryWords(words);
  if (parsed.kind === "entropy") return parsed.entropy;
  const wrong = (sentence: string) => new FastChatError(ErrorCode.WRONG_RECOVERY_WORDS, { sentence });
  switch (parsed.kind) {
    case "wrong-count":
      throw wrong(`There are twelve recovery words, and these are ${parsed.count}.`);
    case "unknown-words": {
      const these = parsed.places.length === 1 ? "This is no recovery word: number" : "These are no recovery words: numbers";
      throw wrong(`${these} ${parsed.places.join(", ")}. Check how each is written.`);
    }
    case "wrong-checksum":
      throw wrong("These words do not belong together: check each word and their order.");
    default:
      return parsed satisfies never;
  }
}

/** [P2] Changes the password: the old one signs nobody in any more, and everything else stays as it is. */
export async function changePassword(
  gateway: Gateway,
  name: string,
  { old, fresh, known }: { readonly old: string; readonly fresh: string; readonly known: KnownOwnAccount },
): Promise<PasswordChangeResult> {
  return refusing(async () => {
    const weak = await weaknessOf(fresh.normalize("NFKC"), name);
    if (weak !== undefined) return weak;
    await asLongAsItHolds(async () => {
      const account = await openAccount(gateway, name, old, known).catch((error: unknown) => {
        throw error instanceof AccountForked ? serverLied("another history of this account") : error;
      });
      await setPassword(gateway, account, fresh, known.passwordServerKey);
    });
    return { kind: "changed" };
  });
}

/**
 * Registers a password and wraps the master key under it, in the place of the one before.
 *
 * @param expectedServerKey of the password server, as this account's devices know it; undefined: not known here
 */
async function setPassword(
  gateway: Gateway,
  account: OpenedKeys,
  givenPassword: string,
  expectedServerKey?: string,
): Promise<{ readonly passwordServerKey: string; readonly grant: Uint8Array }> {
  const { state, identitySeed, masterKey, wrapVersions } = account;
  const password = givenPassword.normalize("NFKC");
  const registered = await registerNewPassword(gateway, account, password, expectedServerKey);
  const { state: sealedState, record, exportKey, passwordServerKey } = registered;
  const version = (wrapVersions.get(WrapPurpose.MASTER_BY_PASSWORD) ?? 0) + 1;
  const place = { account: state.nonce, record: places.password, version };
  const wrap = { version, sealed: wrapKey("masterUnderExportKey", exportKey, place, masterKey) };
  const signature = await signNewRecord(identitySeed, { account: state.account, state: sealedState, record, wrap });
  const body = { state: sealedState, registrationRecord: record, wrap: { purpose: WrapPurpose.MASTER_BY_PASSWORD, ...wrap }, signature };
  const { grant } = await insist(
    () => gateway.finishPassword(body),
    // Another record stands there: ours, if the answer to an earlier attempt was lost.
    ErrorCode.VERSION_CONFLICT,
    () => openAccount(gateway, state.name, password),
  ).catch((error: unknown) => {
    if (error instanceof GatewayUnreachable) {
      const sentence =
        "The server did not answer any more: either the new password counts, or the old one still does. Try the new one first.";
      throw new FastChatError(ErrorCode.NO_SERVER, { sentence, cause: error });
    }
    if (!(error instanceof FastChatError && error.code === ErrorCode.VERSION_CONFLICT)) throw error;
    const sentence = "The password was changed somewhere else at the same time: that one counts.";
    throw new FastChatError(ErrorCode.VERSION_CONFLICT, { sentence, cause: error });
  });
  return { passwordServerKey, grant };
}
