import { usage } from "./failure.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "30s", "2m", "500ms", "30" (seconds); in milliseconds. */
export function readDuration(text: string): number | undefined {
  const [, amount, unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/u.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * UNITS[unit]!;
}

/** The same. Throws Failure. */
export function parseDuration(text: string, option: string): number {
  const duration = readDuration(text);
  if (duration === undefined) throw usage(`--${option} is "${text}": write a time as 30s, 5m or 2h.`);
  return duration;
}

/** A moment, "2026-11-20" or "2026-11-20T14:05", local unless it says otherwise; or how long ago, "2h", "3d". In milliseconds since 1970. */
export function readMoment(text: string, now: number): number | undefined {
  const ago = readDuration(text);
  if (ago !== undefined && /[a-z]$/u.test(text)) return now - ago;
  // A date alone would be read as UTC (ECMAScript, Date Time String Format).
  const moment = Date.parse(/^\d{4}-\d{2}-\d{2}$/u.test(text) ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(moment) ? undefined : moment;
}

/** The same. Throws Failure. */
export function parseMoment(text: string, now: number): number {
  const moment = readMoment(text, now);
  if (moment === undefined) throw usage(`--since is "${text}": write a time as 2026-11-20, 2026-11-20T14:05 or 2h.`);
  return moment;
}

const LENGTHS = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
] as const;

/** "30 days", "36 hours": in the largest unit that fits. */
export function lengthWords(seconds: number): string {
  const [length, unit] = LENGTHS.find(([each]) => seconds % each === 0) ?? LENGTHS[3];
  const count = seconds / length;
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** A whole number from 1. Throws Failure. */
export function parseCount(text: string, option: string): number {
  if (!/^[1-9]\d{0,8}$/u.test(text)) throw usage(`--${option} is "${text}": write a number from 1.`);
  return Number(text);
}
