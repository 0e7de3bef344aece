import { ErrorCode, FastChatError, parseName } from "@fastchat/protocol";
import { saveKnownAccount } from "./accounts.ts";
import type { AlreadySignedIn, Me, SignedIn, SignInOptions, SignInResult } from "./api.ts";
import { Gateway } from "./gateway.ts";
import { alreadySignedIn, revokeOthers } from "./other-devices.ts";
import { type LocalProfile, saveProfile } from "./profile.ts";
import { addDevice, loadOpaque, mustBeEmpty, mustKnowSuite, openAccount, type OpenedAccount, refusing } from "./sign-in.ts";
import type { Storage } from "./storage.ts";

/** How often a sign-in begins anew when another device came first. */
const ADD_ATTEMPTS = 3;
const MOVED_MEANWHILE: ReadonlySet<ErrorCode> = new Set([ErrorCode.STALE_HEAD, ErrorCode.ALREADY_SIGNED_IN]);

/** [H1] Adds this device to an account, by name and password alone. */
export async function signIn(storage: Storage, options: SignInOptions): Promise<SignInResult> {
  return refusing(async () => {
    await mustBeEmpty(storage);
    const parsed = parseName(options.name);
    if (parsed.kind === "invalid") throw new FastChatError(ErrorCode.NO_SUCH_USER);
    const gateway = new Gateway(options.gateway);
    const [info] = await Promise.all([gateway.info(), loadOpaque()]);
    mustKnowSuite(info.passwordSuite);
    for (let attempt = 1; ; attempt++) {
      const account = await openAccount(gateway, parsed.name, options.password);
      try {
        return await enter(storage, gateway, account, options);
      } catch (error) {
        // Another device came first: what is there now is looked at anew.
        const moved = error instanceof FastChatError && MOVED_MEANWHILE.has(error.code);
        if (!moved || attempt === ADD_ATTEMPTS) throw error;
      }
    }
  });
}

/** Adds this device to an account that was opened, unless another one is signed in beside which there may be none [H8]. */
export async function enter(
  storage: Storage,
  gateway: Gateway,
  account: OpenedAccount,
  { signOutOthers = false }: Pick<SignInOptions, "signOutOthers">,
): Promise<SignedIn | AlreadySignedIn> {
  if (account.alreadySignedIn && !signOutOthers) return alreadySignedIn(gateway, account);
  const added = await addDevice(gateway, account, signOutOthers);
  const me: Me = { name: account.state.name, account: account.state.account, device: added.device, gateway: gateway.url };
  const { accountKeys, publicKey, passwordServerKey } = account;
  const profile: LocalProfile = { ...added, me, accountKeys, passwordServerKey };
  const own = { state: added.state, links: added.links, publicKey };
  await storage.commit([...saveProfile(profile), saveKnownAccount(own)]);
  if (!signOutOthers) return { kind: "signed-in", me };
  const others = await revokeOthers(storage, gateway, { ...account, state: added.state, links: added.links });
  return { kind: "signed-in", me, others };
}
