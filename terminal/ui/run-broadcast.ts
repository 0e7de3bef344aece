import { isListName } from "../broadcast-lists.ts";
import type { Typed } from "./run-group.ts";
import { namesIn, openQuote, splitWords } from "./slash.ts";
import { type State, type Step, said, step } from "./state.ts";

/**
 * `/broadcast family hello`, `/broadcast "old friends" hello`, `/broadcast bob,carol hello`; `/broadcast make family bob carol`,
 * `/broadcast delete family`. A list that is called like one of these two words is written to in quotes.
 */
export function runBroadcast(state: State, { argument, line }: Typed): Step {
  if (argument === "") return step(state, { kind: "broadcast-lists" });
  const [, verb, rest = ""] = /^(make|delete)(?:\s+([^]*))?$/u.exec(argument) ?? [];
  if (verb === "make") return makeList(state, rest, line);
  if (verb === "delete") return deleteList(state, rest, line);
  const [, quoted, word, text = ""] = /^(?:"([^"]*)"|(\S+))\s*([^]*)$/u.exec(argument) ?? [];
  const to = quoted ?? word ?? "";
  if (text === "") return step(said(state, "Say to whom and what: /broadcast LIST TEXT, or /broadcast bob,carol TEXT.", "error"));
  return step(state, { kind: "broadcast", to, text, line });
}

function makeList(state: State, argument: string, line: string): Step {
  const words = splitWords(argument);
  if (words === undefined) return step(said(state, openQuote, "error"));
  const [name = "", ...people] = words;
  if (people.length === 0) return step(said(state, "Say how it is called and who is on it: /broadcast make friends bob carol.", "error"));
  if (!isListName(name)) return step(said(state, `"${name}" cannot be a list's name: leave out commas.`, "error"));
  return step(state, { kind: "set-broadcast-list", name: name.trim(), people: namesIn(people.join(" ")) ?? [], line });
}

function deleteList(state: State, argument: string, line: string): Step {
  const words = splitWords(argument);
  if (words === undefined) return step(said(state, openQuote, "error"));
  const [name, ...more] = words;
  if (name === undefined || more.length > 0)
    return step(said(state, 'Say which: /broadcast delete friends, or "old friends" in quotes.', "error"));
  return step(state, { kind: "set-broadcast-list", name, people: [], line });
}
