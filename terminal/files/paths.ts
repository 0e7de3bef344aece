import { homedir } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

// Paths as people type them, and as terminals paste them: words as a POSIX shell knows them (quotes, backslashes), and file URLs (RFC 8089).

/** Windows divides folders by backslashes, which hold nothing together there. */
const ESCAPES = process.platform !== "win32";

export interface Word {
  readonly text: string;
  /** Where it begins in what was typed. */
  readonly start: number;
  /** It ends in a quote that is open. */
  readonly isOpen: boolean;
}

/** Quotes and backslashes hold together what has spaces in it. */
export function pathWords(typed: string): readonly Word[] {
  const words: Word[] = [];
  let word: { text: string; start: number } | undefined;
  let quote = "";
  for (let at = 0; at < typed.length; at++) {
    const character = typed[at]!;
    if (quote === "" && /\s/u.test(character)) {
      if (word !== undefined) words.push({ ...word, isOpen: false });
      word = undefined;
      continue;
    }
    word ??= { text: "", start: at };
    if (character === quote) quote = "";
    else if (quote === "" && (character === "'" || character === '"')) quote = character;
    else if (ESCAPES && character === "\\" && quote !== "'" && at + 1 < typed.length) word.text += typed[++at]!;
    else word.text += character;
  }
  if (word !== undefined) words.push({ ...word, isOpen: quote !== "" });
  return words;
}

/** A part of a path as a word that `pathWords` reads again. */
export const escapedPath = (part: string): string => (ESCAPES ? part.replaceAll(/[\s"'\\]/gu, "\\$&") : part);

/** From this folder, or with ~ from the home folder. */
export const absolutePath = (path: string): string => resolve(path.replace(/^~(?=$|[/\\])/u, homedir()));

const isFromRoot = (word: string): boolean => /^(?:\/|~[/\\]|file:\/\/|[a-z]:[/\\])/iu.test(word);

/**
 * What a terminal pastes when files are dropped on it, or a file manager when they are copied: as several words, or as a path on each line, which may
 * have spaces. Best first; none: it is something else.
 */
export function pastedPaths(pasted: string): readonly (readonly string[])[] {
  const text = pasted.trim();
  if (text === "") return [];
  const words = pathWords(text);
  const lines = text.split(/\s*\n\s*/u);
  const areWords = words.every((word) => isFromRoot(word.text) && !word.isOpen);
  const areLines = lines.every(isFromRoot) && !(areWords && words.length === lines.length);
  return [...(areWords ? [words.map((word) => pathOf(word.text))] : []), ...(areLines ? [lines.map(pathOf)] : [])];
}

function pathOf(word: string): string {
  if (!/^file:/iu.test(word)) return absolutePath(word);
  try {
    return fileURLToPath(word);
  } catch {
    return word;
  }
}
