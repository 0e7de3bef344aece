import type { OtherDevice } from "@fastchat/client";
import { safeLine } from "./safe-text.ts";
import { agoWords } from "./time.ts";
import { andWords } from "./words.ts";

/** "Already signed in on Terminal on kitchen-pc, last seen 3 min ago"; of several "on one (last seen …) and another (last seen …)". */
export function elsewhereWords(devices: readonly OtherDevice[], now: number): string {
  const each = devices.map(({ name, lastSeen }) => {
    const called = safeLine(name) || "another device";
    if (lastSeen === undefined) return called;
    const seen = `last seen ${agoWords(lastSeen, now)}`;
    return devices.length === 1 ? `${called}, ${seen}` : `${called} (${seen})`;
  });
  return `Already signed in on ${andWords(each) || "another device"}`;
}

/** When nothing ended the rights of those that were put out. */
export const othersShutOut =
  "The server lets your other devices in no more, but they could not be revoked just now: they may have kept your keys.";
