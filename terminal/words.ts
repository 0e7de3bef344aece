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
