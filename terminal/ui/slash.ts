import type { Right } from "../group-rights.ts";

/** Whose names Tab completes in an argument. */
export type NamesOf = "list" | "people" | "near" | "members" | "admins" | "no-admins" | "no-members" | "blocked";

interface SlashEntry {
  readonly argument: string;
  readonly help: string;
  /** `whole`: the argument is one name; else words, of which names stand from the one at `from` on: one, many, or many between commas. */
  readonly names?:
    | { readonly how: "whole"; readonly of: NamesOf }
    | { readonly how: "one" | "many" | "commas"; readonly of: NamesOf; readonly from: number };
  readonly isForGroups?: boolean;
  /** Needed in a group. */
  readonly right?: Right;
}

const one = (of: NamesOf) => ({ how: "one", of, from: 0 }) as const;
const many = (of: NamesOf, from = 0) => ({ how: "many", of, from }) as const;

const entries = {
  help: { argument: "", help: "Keys and commands" },
  people: { argument: "[TEXT]", help: "Find people" },
  open: { argument: "NAME", help: "Talk to somebody, or in a group", names: { how: "whole", of: "list" } },
  group: { argument: "NAME MEMBER…", help: 'Make a group: /group "Chess club" bob carol', names: many("people", 1) },
  join: { argument: "LINK|NAME", help: "Join a group by its link or its public name" },
  find: { argument: "[TEXT]", help: "Groups with a public name, to ask to join" },
  image: { argument: "[PATH…]", help: "Send pictures, made anew without place and camera; without a path: choose them" },
  file: { argument: "[PATH…]", help: "Send files as they are; without a path: choose them" },
  add: { argument: "NAME…", help: "Add members", names: many("no-members"), isForGroups: true, right: "add" },
  remove: { argument: "NAME…", help: "Remove members", names: many("members"), isForGroups: true, right: "remove" },
  promote: { argument: "NAME…", help: "Make members admins", names: many("no-admins"), isForGroups: true, right: "role" },
  demote: { argument: "NAME…", help: "Make admins members", names: many("admins"), isForGroups: true, right: "role" },
  rename: { argument: "NAME", help: "Rename the group", isForGroups: true, right: "profile" },
  describe: { argument: "TEXT", help: "Say what the group is about", isForGroups: true, right: "profile" },
  members: { argument: "", help: "Who is in the group", isForGroups: true },
  info: { argument: "", help: "All about the group", isForGroups: true },
  policy: { argument: "[RULE VALUE]", help: "The group's rules: /policy write admins", isForGroups: true },
  link: { argument: "[USES] [DAYS]", help: "Make a link to join by; /link revoke ID takes one back", isForGroups: true, right: "invite" },
  requests: { argument: "", help: "Who asks to be let in; outside a group: strangers who wrote" },
  leave: { argument: "[SUCCESSOR]", help: "Leave the group for good; elsewhere: leave this chat, as --", names: one("members") },
  verify: { argument: "[NAME]", help: "Compare safety numbers", names: one("near") },
  accept: { argument: "[NAME]", help: "Accept a request; go on after an identity or a history changed", names: one("near") },
  decline: { argument: "", help: "Put a request away; nobody hears of it" },
  block: { argument: "[NAME]", help: "See nothing more that somebody writes to you alone", names: one("near") },
  unblock: { argument: "NAME", help: "See it again", names: one("blocked") },
  expire: {
    argument: "[TIME|off] [TEXT]",
    help: "Messages here disappear after 1d, for everybody; /expire mine 1h: what you write, once read; /expire 1h TEXT: one message",
  },
  mute: { argument: "[mentions]", help: "No news from here; with mentions: only when you are mentioned" },
  unmute: { argument: "", help: "News from here again" },
  pin: { argument: "", help: "Keep this chat at the top of the list" },
  unpin: { argument: "", help: "Let it go its way in the list again" },
  broadcast: {
    argument: "LIST|NAME,NAME TEXT",
    help: "Write to several, each by themselves; also: /broadcast make LIST NAME…, /broadcast delete LIST",
    names: { how: "commas", of: "people", from: 0 },
  },
  note: { argument: "TEXT", help: "Your own note about this person" },
  devices: { argument: "", help: "What is signed in to your account" },
  accounts: { argument: "", help: "Other accounts on this machine; sign in to one more" },
  signout: { argument: "", help: "Sign this device out and erase its messages here" },
  quit: { argument: "", help: "Quit" },
} as const satisfies Readonly<Record<string, SlashEntry>>;

/** What can be typed behind a slash. */
export const slashCommands: Readonly<Record<keyof typeof entries, SlashEntry>> = entries;

export type SlashCommand = keyof typeof entries;

export type Slash =
  | { readonly kind: "command"; readonly command: SlashCommand; readonly argument: string }
  | { readonly kind: "unknown"; readonly word: string };

export const isSlashCommand = (word: string): word is SlashCommand => Object.hasOwn(slashCommands, word);

/** Undefined: the text is a message. A message that begins with a slash is written with two. */
export function parseSlash(text: string): Slash | undefined {
  if (!text.startsWith("/") || text.startsWith("//")) return undefined;
  const [, word = "", argument = ""] = /^\/(\S*)\s*([^]*)$/u.exec(text) ?? [];
  return isSlashCommand(word) ? { kind: "command", command: word, argument: argument.trim() } : { kind: "unknown", word };
}

const WORD = /"([^"]*)"|[^\s"]+/gu;

/** The words of an argument, of which quotes hold some together; undefined: a quote is not closed. */
export function splitWords(argument: string): readonly string[] | undefined {
  if (argument.split('"').length % 2 === 0) return undefined;
  return Array.from(argument.matchAll(WORD), ([word, quoted]) => quoted ?? word);
}

/** Names as people type them: "@Bob" is bob. Undefined: a quote is not closed. */
export const namesIn = (argument: string): readonly string[] | undefined =>
  splitWords(argument)?.map((word) => word.replace(/^@/u, "").replace(/,$/u, "").toLowerCase());

export const openQuote = "A quote is not closed.";

const NEAREST = 3;
const MOST_WRONG = 2;
const LONGEST_SHOWN = 20;

/** What other programs, and the commands of the shell, call it. */
const OTHER_WORDS: Readonly<Record<string, SlashCommand>> = {
  kick: "remove",
  delete: "remove",
  invite: "link",
  create: "group",
  approve: "requests",
};

/** Says that there is no such command, and which are spelt nearly so. */
export function unknownCommand(word: string): string {
  if (word.includes("/")) return "This is no command, and no file that can be added: // at the start sends it as a message.";
  if (Object.hasOwn(OTHER_WORDS, word)) return `There is no /${word}: did you mean /${OTHER_WORDS[word]}?`;
  // Also the beginning of a name, while it is being typed.
  const distance = (name: string): number => Math.min(editDistance(word, name), editDistance(word, name.slice(0, word.length)));
  const most = Math.min(MOST_WRONG, word.length / 2);
  const near = Object.keys(slashCommands)
    .filter((name) => word !== "" && distance(name) <= most)
    .toSorted((one, other) => distance(one) - distance(other))
    // What is nearly spelt so makes a distant likeness no answer.
    .filter((name, _, names) => distance(name) <= distance(names[0]!) + 1)
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
