import { ErrorCode, FastChatError, parseName } from "@fastchat/protocol";
import { saveKnownAccount } from "./accounts.ts";
import type { AlreadySignedIn, Me, SignedIn, SignInOptions, SignInResult } from "./api.ts";
import { Gateway } from "./gateway.ts";
import { alreadySignedIn, mustBeFree, revokeOthers } from "./other-devices.ts";
import { eraseAll, loadProfile, type LocalProfile, saveProfile } from "./profile.ts";
import { addDevice, asLongAsItHolds, loadOpaque, mustKnowSuite, openAccount, type OpenedAccount, refusing } from "./sign-in.ts";
import type { Storage } from "./storage.ts";

/** Another device came first: what is there now is looked at anew. */
const MOVED_MEANWHILE: ReadonlySet<ErrorCode> = new Set([ErrorCode.STALE_HEAD, ErrorCode.ALREADY_SIGNED_IN]);

/** [H1] Adds this device to an account, by name and password alone. */
export async function signIn(storage: Storage, options: SignInOptions): Promise<SignInResult> {
  return refusing(async () => {
    const parsed = parseName(options.name);
    if (parsed.kind === "invalid") throw new FastChatError(ErrorCode.NO_SUCH_USER);
    const gateway = new Gateway(options.gateway);
    await mustBeFree(storage, gateway, parsed.name);
    const [info] = await Promise.all([gateway.info(), loadOpaque()]);
    mustKnowSuite(info.passwordSuite);
    return asLongAsItHolds(async () => {
      const account = await openAccount(gateway, parsed.name, options.password);
      return enter(storage, gateway, account, options);
    }, MOVED_MEANWHILE);
  });
}

/**
 * Adds this device to an account that was opened, unless another one is signed in beside which there may be none [H8]. A device of the same account
 * that is let in no more gives way, with what is stored of it, as soon as this one is there.
 */
export async function enter(
  storage: Storage,
  gateway: Gateway,
  account: OpenedAccount,
  { signOutOthers = false }: Pick<SignInOptions, "signOutOthers">,
): Promise<SignedIn | AlreadySignedIn> {
  const before = await loadProfile(storage);
  if (before !== undefined && before.me.account !== account.state.account)
    throw new Error("Another account was signed in in this profile.");
  if (account.alreadySignedIn && !signOutOthers) return alreadySignedIn(gateway, account);
  const added = await addDevice(gateway, account, signOutOthers);
  const me: Me = { name: account.state.name, account: account.state.account, device: added.device, gateway: gateway.url };
  const { accountKeys, publicKey, passwordServerKey } = account;
  const profile: LocalProfile = { ...added, me, accountKeys, passwordServerKey };
  const own = { state: added.state, links: added.links, publicKey };
  await storage.commit([...(await eraseAll(storage)), ...saveProfile(profile), saveKnownAccount(own)]);
  if (before !== undefined) await storage.scrub();
  if (!signOutOthers) return { kind: "signed-in", me };
  const others = await revokeOthers(storage, gateway, { ...account, state: added.state, links: added.links });
  return { kind: "signed-in", me, others };
}
