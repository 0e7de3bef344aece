import { limits } from "@fastchat/protocol";
import { ourCommand } from "./config.ts";

/** "1 message", "1,000 members". */
export const plural = (count: number, word: string, many = `${word}s`): string =>
  `${count.toLocaleString("en-GB")} ${count === 1 ? word : many}`;

/** "bob", "bob and carol", "bob, carol and dave". */
export function andWords(words: readonly string[]): string {
  const [last = "", ...before] = words.toReversed();
  return before.length === 0 ? last : `${before.toReversed().join(", ")} and ${last}`;
}

/** The first of them, and how many there are more. */
export function fewWords(words: readonly string[], most: number): string {
  if (words.length <= most) return andWords(words);
  return `${words.slice(0, most).join(", ")} and ${(words.length - most).toLocaleString("en-GB")} more`;
}

/** How many are unread: counted up to a limit, and no further. */
export const unreadWords = (count: number): string => (count >= limits.unreadCounted ? `${limits.unreadCounted - 1}+` : String(count));

const SIZES = ["bytes", "kB", "MB", "GB"] as const;

/** "1 byte", "12 kB", "3.5 MB": decimal, as shops and networks count. */
export function sizeWords(bytes: number): string {
  if (bytes < 1_000) return plural(bytes, "byte");
  const power = Math.min(SIZES.length - 1, Math.floor(Math.log10(bytes) / 3));
  const count = bytes / 1_000 ** power;
  return `${count.toLocaleString("en-GB", { maximumFractionDigits: count < 10 ? 1 : 0 })} ${SIZES[power]}`;
}

/** How far something is; never 100 % before it is. */
export const percent = (done: number, total: number): string => `${total === 0 ? 100 : Math.floor((100 * done) / total)} %`;

/** "0:07", "12:34", "1:02:03". */
export function clockWords(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1_000);
  const two = (count: number): string => String(count).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Of a stranger whose request waited. */
export const acceptedWords = (safeName: string): string => `You accepted ${safeName}'s request.`;

/** Who is typing, in a group; "": nobody. */
export function typingWords(names: readonly string[]): string {
  if (names.length === 0) return "";
  if (names.length > 2) return `${names.length} people are typing…`;
  return `${andWords(names)} ${names.length === 1 ? "is" : "are"} typing…`;
}

/** The recovery words, numbered, in rows of four. */
export const recoveryRows = (words: readonly string[]): string[] =>
  [0, 4, 8].map((at) =>
    `    ${words
      .slice(at, at + 4)
      .map((word, index) => `${String(at + index + 1).padStart(2)} ${word.padEnd(10)}`)
      .join(" ")}`.trimEnd(),
  );

/** Beside the words where they are shown. */
export const recoveryNotice = (name: string): string =>
  `These twelve words open your account when the password is forgotten ("${ourCommand} recover ${name}"). They are shown only now: write them down, on paper. Without password and words nobody can open it, not even who runs the server.`;
