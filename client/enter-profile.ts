import type { RecoverOptions, RecoverResult, SignInOptions, SignInResult, SignUpOptions, SignUpResult } from "./api.ts";
import { signIn } from "./new-device.ts";
import { recover } from "./new-password.ts";
import type { Platform } from "./platform.ts";
import { keys } from "./records.ts";
import { signUp } from "./sign-in.ts";
import type { Storage } from "./storage.ts";

/**
 * Runs a sign-up or a sign-in on a profile. One that it made is erased again when nobody is signed in afterwards. The lock
 * keeps a second attempt from standing on what this one erases [S7].
 */
async function enterProfile<Place, Result>(
  platform: Platform<Place>,
  place: Place,
  enter: (storage: Storage) => Promise<Result>,
): Promise<Result> {
  const existed = await platform.exists(place);
  const lock = await platform.lock(place).tryAcquire();
  if (lock === undefined) throw new Error("Another process uses this profile: end it first, or use another profile.");
  let isEmpty = false;
  try {
    const storage = await platform.openStorage(place);
    try {
      return await enter(storage);
    } finally {
      isEmpty = (await storage.get(keys.profile)) === undefined;
      await storage.close();
    }
  } finally {
    if (!existed && isEmpty) await platform.erase(place);
    await lock.release();
  }
}

/** How one comes into a profile, on each platform. */
export const entrances = <Place>(platform: Platform<Place>) => ({
  signUp: (place: Place, options: SignUpOptions): Promise<SignUpResult> =>
    enterProfile(platform, place, (storage) => signUp(storage, options)),
  signIn: (place: Place, options: SignInOptions): Promise<SignInResult> =>
    enterProfile(platform, place, (storage) => signIn(storage, options)),
  recover: (place: Place, options: RecoverOptions): Promise<RecoverResult> =>
    enterProfile(platform, place, (storage) => recover(storage, options)),
});
