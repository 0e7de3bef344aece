// Local times for people. Formatters are made once: making one costs more than a whole frame.

/** The last millisecond that a Date can hold (ECMA-262, Time Values). */
const LAST_TIME = 8.64e15;

/** Any number at all: a time that no calendar holds is shown as its end. */
export const calendarTime = (time: number): number => (Number.isNaN(time) ? 0 : Math.max(-LAST_TIME, Math.min(LAST_TIME, time)));

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const date = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const shortDate = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

const MINUTE = 60_000;
const DAY = 86_400_000;

export const sameMinute = (a: number, b: number): boolean => Math.floor(a / MINUTE) === Math.floor(b / MINUTE);

export function sameDay(a: number, b: number): boolean {
  if (Math.abs(a - b) >= DAY) return false;
  return new Date(calendarTime(a)).getDate() === new Date(calendarTime(b)).getDate();
}

/** "14:05", of this machine's time zone. */
export const timeWords = (time: number): string => clock.format(calendarTime(time));

/** "Today, Friday 20 November". */
export function dayWords(time: number, now: number): string {
  if (sameDay(time, now)) return `Today, ${weekday.format(calendarTime(time))}`;
  if (sameDay(time, now - DAY)) return `Yesterday, ${weekday.format(calendarTime(time))}`;
  return date.format(calendarTime(time));
}

export const exactWords = (time: number): string => exact.format(calendarTime(time));

/** The clock today, else the day: for lists. */
export const listTime = (time: number, now: number): string =>
  sameDay(time, now) ? timeWords(time) : shortDate.format(calendarTime(time));

/** "3 minutes ago". */
export function agoWords(time: number, now: number): string {
  const minutes = Math.floor((now - time) / MINUTE);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return sameDay(time, now) ? `at ${timeWords(time)}` : `on ${shortDate.format(calendarTime(time))}`;
}

/** "2026-11-20 14:05", local: for commands' output. */
export function stampWords(time: number): string {
  const at = new Date(calendarTime(time));
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
