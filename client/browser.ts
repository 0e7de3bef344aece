import type { Client, OpenOptions } from "./api.ts";
import { openClientOn } from "./client.ts";
import { entrances } from "./enter-profile.ts";
import { eraseOpfsStaging, opfsStaging } from "./files/staging-opfs.ts";
import { webLock } from "./lock-web.ts";
import type { Platform } from "./platform.ts";
import { quickEntrance } from "./quick.ts";
import { eraseIndexedDbStorage, existsIndexedDbStorage, openIndexedDbStorage } from "./storage-indexeddb.ts";

/** A profile in a browser: databases of the page's origin. */
export interface Place {
  readonly profile: string;
}

const platform: Platform<Place> = {
  exists: ({ profile }) => existsIndexedDbStorage(profile),
  openStorage: ({ profile }) => openIndexedDbStorage(profile),
  lock: ({ profile }) => webLock(profile),
  staging: ({ profile }) => opfsStaging(profile),
  async erase({ profile }) {
    await eraseIndexedDbStorage(profile);
    await eraseOpfsStaging(profile);
  },
  clocks: { wall: () => Date.now(), steady: () => performance.now() },
  onWake(listener) {
    const shown = () => {
      if (document.visibilityState === "visible") listener();
    };
    window.addEventListener("online", listener);
    window.addEventListener("focus", listener);
    document.addEventListener("visibilitychange", shown);
    return () => {
      window.removeEventListener("online", listener);
      window.removeEventListener("focus", listener);
      document.removeEventListener("visibilitychange", shown);
    };
  },
};

export const { signUp, signIn, recover } = entrances(platform);
export const openQuick = quickEntrance(platform);
/** Undefined: nobody is signed in here. */
export const openClient = (place: Place, options?: OpenOptions): Promise<Client | undefined> => openClientOn(platform, place, options);
