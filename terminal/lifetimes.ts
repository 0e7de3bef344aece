import type { ChatMessage } from "@fastchat/client";
import { limits } from "@fastchat/protocol";
import { lengthWords, readDuration } from "./durations.ts";

// How long messages live, as people read and write it: "1h", "off", "1 hour".

/** The longest times of a policy and of one message, seconds. */
export const longestRetention = limits.largestNumber;
export const longestLifetime = limits.messageLifetimeSeconds;

const DAY_SECONDS = 86_400;

/** What can be written for it, for a sentence. */
export const lifetimeValues = (longestSeconds: number): string =>
  `a time from 1s to ${Math.floor(longestSeconds / DAY_SECONDS)}d, as 1h, or off`;

/** Seconds; 0: off. Undefined: it is no such time. Not without a unit: 30 that was meant as days would delete what is older than half a minute. */
export function readLifetime(text: string, longestSeconds: number): number | undefined {
  const word = text.toLowerCase();
  if (word === "off" || word === "never") return 0;
  const seconds = /[a-z]$/u.test(word) ? Math.round((readDuration(word) ?? 0) / 1_000) : 0;
  return seconds >= 1 && seconds <= longestSeconds ? seconds : undefined;
}

/** What everybody should know who relies on it [H4]. */
export const lifetimeLimits =
  "Messages that disappear protect from people who look later: not from who copies them, nor from a server that keeps them sealed.";

/** What becomes of what one writes in a chat. */
export const timerSentence = (seconds: number): string => `What you write here disappears ${lengthWords(seconds)} after it was read.`;

/** What becomes of all messages of a chat. */
export const retentionSentence = (seconds: number): string =>
  seconds === 0 ? "Messages here are kept." : `Messages here disappear ${lengthWords(seconds)} after they were sent, for everybody.`;

const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "m"],
  [1, "s"],
] as const;

/** "59m": for a mark beside a message; rounded down. */
export function shortLength(seconds: number): string {
  const [size, letter] = UNITS.find(([each]) => seconds >= each) ?? UNITS[3];
  return `${Math.max(1, Math.floor(seconds / size))}${letter}`;
}

/** Whether an end is near that counts: a lifetime of its own begins when a message is read, whatever the chat's policy says until then. */
export const isEnding = ({ expiresAfter, expires }: Pick<ChatMessage, "expiresAfter" | "expires">, now: number): boolean =>
  expires !== undefined && (expiresAfter === 0 || expires - now <= expiresAfter * 1_000);
