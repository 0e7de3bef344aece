import type { Staging } from "./files/staging.ts";
import type { ProfileLock } from "./lock.ts";
import type { Clocks } from "./server-clock.ts";
import type { Storage } from "./storage.ts";

/** What a place to run on gives: the rest of the SDK knows neither Node nor browsers. */
export interface Platform<Place> {
  /** Whether there is anything of this profile, signed in or not. */
  exists(place: Place): Promise<boolean>;
  openStorage(place: Place): Promise<Storage>;
  lock(place: Place): ProfileLock;
  staging(place: Place): Staging;
  /** Erases all of a profile; its storage is closed. */
  erase(place: Place): Promise<void>;
  readonly clocks: Clocks;
  /** Hints that the network may be back or that this machine slept. Returns the function that ends the subscription. */
  onWake(listener: () => void): () => void;
}
