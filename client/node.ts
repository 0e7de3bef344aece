import { existsSync, rmSync } from "node:fs";
import { uptime } from "node:os";
import { join, resolve } from "node:path";
import type { Client, OpenOptions } from "./api.ts";
import { openClientOn } from "./client.ts";
import { entrances } from "./enter-profile.ts";
import { nodeStaging } from "./files/staging-node.ts";
import { nodeLock } from "./lock-node.ts";
import type { Platform } from "./platform.ts";
import { quickEntrance } from "./quick.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

/** A profile in Node: the folder `home/profile`. */
export interface Place {
  readonly home: string;
  readonly profile: string;
}

export { takeName } from "./files/disk-node.ts";
export { FileInUse, fileSink, fileSource, freeFileSink, namesFor } from "./files/files-node.ts";
export { findGateway, listProfiles } from "./local.ts";

const WAKE_LOOK_MS = 1_000;
/** A timer this much late: the machine slept. */
const SLEPT_MS = 5_000;

const folderOf = ({ home, profile }: Place): string => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(profile)) {
    throw new RangeError("A profile's name has letters, digits, and . _ - after the first character.");
  }
  return join(resolve(home), profile);
};

const platform: Platform<Place> = {
  exists: async (place) => existsSync(folderOf(place)),
  openStorage: async (place) => openSqliteStorage(folderOf(place)),
  lock: (place) => nodeLock(folderOf(place)),
  staging: (place) => nodeStaging(folderOf(place)),
  erase: async (place) => rmSync(folderOf(place), { recursive: true, force: true }),
  clocks: { wall: () => Date.now(), steady: () => 1_000 * uptime() },
  onWake(listener) {
    let last = Date.now();
    const timer = setInterval(() => {
      const now = Date.now();
      if (now - last > SLEPT_MS) listener();
      last = now;
    }, WAKE_LOOK_MS);
    timer.unref();
    return () => clearInterval(timer);
  },
};

export const { signUp, signIn, recover } = entrances(platform);
export const openQuick = quickEntrance(platform);
/** Undefined: nobody is signed in here. */
export const openClient = (place: Place, options?: OpenOptions): Promise<Client | undefined> => openClientOn(platform, place, options);
