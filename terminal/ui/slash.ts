import { entryName, listEntries } from "./list.ts";
import type { State } from "./state.ts";

/** What can be typed behind a slash. */
export const slashCommands = {
  help: { argument: "", help: "Keys and commands" },
  people: { argument: "[TEXT]", help: "Find people" },
  open: { argument: "NAME", help: "Talk to somebody" },
  leave: { argument: "", help: "Leave this chat (also -- )" },
  verify: { argument: "[NAME]", help: "Compare safety numbers" },
  accept: { argument: "[NAME]", help: "Go on after an identity or a history changed" },
  note: { argument: "TEXT", help: "Your own note about this person" },
  signout: { argument: "", help: "Sign this device out and erase its messages here" },
  quit: { argument: "", help: "Quit" },
} as const;

export type SlashCommand = keyof typeof slashCommands;

export type Slash =
  | { readonly kind: "command"; readonly command: SlashCommand; readonly argument: string }
  | { readonly kind: "unknown"; readonly word: string };

const isSlashCommand = (word: string): word is SlashCommand => Object.hasOwn(slashCommands, word);

/** Undefined: the text is a message. A message that begins with a slash is written with two. */
export function parseSlash(text: string): Slash | undefined {
  if (!text.startsWith("/") || text.startsWith("//")) return undefined;
  const [, word = "", argument = ""] = /^\/(\S*)\s*([^]*)$/u.exec(text) ?? [];
  return isSlashCommand(word) ? { kind: "command", command: word, argument: argument.trim() } : { kind: "unknown", word };
}

const NEAREST = 3;
const MOST_WRONG = 2;
const LONGEST_SHOWN = 20;

/** Says that there is no such command, and which are spelt nearly so. */
export function unknownCommand(word: string): string {
  // Also the beginning of a name, while it is being typed.
  const distance = (name: string): number => Math.min(editDistance(word, name), editDistance(word, name.slice(0, word.length)));
  const most = Math.min(MOST_WRONG, word.length / 2);
  const near = Object.keys(slashCommands)
    .filter((name) => word !== "" && distance(name) <= most)
    .toSorted((one, other) => distance(one) - distance(other))
    .slice(0, NEAREST)
    .map((name) => `/${name}`);
  const shown = word.length > LONGEST_SHOWN ? `${word.slice(0, LONGEST_SHOWN)}…` : word;
  return `There is no /${shown}: ${near.length === 0 ? "/help lists what there is." : `did you mean ${near.join(" or ")}?`}`;
}

/** Levenshtein's: how many letters to insert, delete or replace. */
function editDistance(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let at = 1; at <= other.length; at++) {
      const replaced = above[at - 1]! + (one[row - 1] === other[at - 1] ? 0 : 1);
      current.push(Math.min(replaced, above[at]! + 1, current[at - 1]! + 1));
    }
    above = current;
  }
  return above[other.length]!;
}

/** What the text could go on as, whole texts, best first. */
export function completionsOf(state: State, text: string): readonly string[] {
  const open = /^\/open (\S*)$/u.exec(text);
  if (open !== null) {
    return listEntries(state)
      .map(entryName)
      .filter((name) => name.startsWith(open[1]!))
      .map((name) => `/open ${name}`);
  }
  if (!/^\/[a-z]*$/u.test(text)) return [];
  return Object.keys(slashCommands)
    .filter((command) => `/${command}`.startsWith(text))
    .map((command) => `/${command}`);
}

/** The text after Tab: as far as all candidates agree, or the first of them; with a space where an argument follows. */
export function completed(state: State, text: string): string {
  const candidates = completionsOf(state, text);
  const [first] = candidates;
  if (first === undefined) return text;
  let common = first;
  for (const candidate of candidates) while (!candidate.startsWith(common)) common = common.slice(0, -1);
  const result = common.length > text.length ? common : first;
  const word = result.slice(1);
  return candidates.includes(result) && isSlashCommand(word) && slashCommands[word].argument !== "" ? `${result} ` : result;
}
