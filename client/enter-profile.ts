import type { Platform } from "./platform.ts";
import { keys } from "./records.ts";
import type { Storage } from "./storage.ts";

/**
 * Runs a sign-up or a sign-in on a profile. One that it made is erased again when nobody is signed in afterwards. The lock
 * keeps a second attempt from standing on what this one erases [S7].
 */
export async function enterProfile<Place, Result>(
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
