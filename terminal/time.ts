// Local times for people. Formatters are made once: making one costs more than a whole frame.

/** The last millisecond that a Date can hold (ECMA-262, Time Values). */
const LAST_TIME = 8.64e15;

/** Any number at all: a time that no calendar holds is shown as its end. */
export const calendarTime = (time: number): number => (Number.isNaN(time) ? 0 : Math.max(-LAST_TIME, Math.min(LAST_TIME, time)));

/** Made when first needed: the first one loads the tables of all calendars, which commands that show no time need not wait for. */
function formatter(options: Intl.DateTimeFormatOptions, locale?: string): (time: number) => string {
  let made: Intl.DateTimeFormat | undefined;
  return (time) => (made ??= new Intl.DateTimeFormat(locale, options)).format(calendarTime(time));
}

/** "14:05", of this machine's time zone. */
export const timeWords = formatter({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const weekday = formatter({ weekday: "long", day: "numeric", month: "long" }, "en-GB");
const date = formatter({ weekday: "long", day: "numeric", month: "long", year: "numeric" }, "en-GB");
export const exactWords = formatter({ dateStyle: "full", timeStyle: "long" }, "en-GB");
const shortDate = formatter({ day: "numeric", month: "short" }, "en-GB");

const MINUTE = 60_000;
const DAY = 86_400_000;

export const sameMinute = (a: number, b: number): boolean => Math.floor(a / MINUTE) === Math.floor(b / MINUTE);

export function sameDay(a: number, b: number): boolean {
  if (Math.abs(a - b) >= DAY) return false;
  return new Date(calendarTime(a)).getDate() === new Date(calendarTime(b)).getDate();
}

/** "Today, Friday 20 November". */
export function dayWords(time: number, now: number): string {
  if (sameDay(time, now)) return `Today, ${weekday(time)}`;
  if (sameDay(time, now - DAY)) return `Yesterday, ${weekday(time)}`;
  return date(time);
}

/** The clock today, else the day: for lists. */
export const listTime = (time: number, now: number): string => (sameDay(time, now) ? timeWords(time) : shortDate(time));

/** "3 minutes ago". */
export function agoWords(time: number, now: number): string {
  const minutes = Math.floor((now - time) / MINUTE);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return sameDay(time, now) ? `at ${timeWords(time)}` : `on ${shortDate(time)}`;
}

/** "2026-11-20 14:05", local: for commands' output. */
export function stampWords(time: number): string {
  const at = new Date(calendarTime(time));
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
