import { mayDo } from "../group-rights.ts";
import { type Editor, insert } from "./editor.ts";
import { entryName, listEntries } from "./list.ts";
import { type TypedPath, pathCandidates, typedPath } from "./path-completion.ts";
import { type NamesOf, type SlashCommand, isSlashCommand, parseSlash, slashCommands, splitWords, unknownCommand } from "./slash.ts";
import { type State, openConversation } from "./state.ts";

/** What the text could go on as at the cursor. */
export interface Completion {
  /** Where the piece begins that a candidate takes the place of; it ends at the cursor. */
  readonly start: number;
  /** Best first. */
  readonly candidates: readonly string[];
  /** Stands behind a candidate that was taken whole. */
  readonly behind: (candidate: string) => string;
  /** Shown as what could follow a name that is complete: Tab takes none. */
  readonly isOnlyShown?: boolean;
  /** What is said where there is no candidate. */
  readonly otherwise: string;
}

/** Names that the server may know although this list does not. */
const LOOKED_FOR: ReadonlySet<NamesOf> = new Set(["list", "people", "near", "no-members"]);

const MENTION = /(?:^|[\s(])@([a-z0-9._-]*)$/iu;

/** Undefined: Tab means something else here. */
export function completionOf(state: State, { text, cursor }: Editor): Completion | undefined {
  const before = text.slice(0, cursor);
  if (/^\/[a-z]*$/u.test(before)) return cursor === text.length ? commandCompletion(state, before) : undefined;
  const path = typedPath(before);
  if (path !== undefined) return pathCompletion(state, path);
  const slash = parseSlash(before);
  if (slash?.kind === "command") return nameCompletion(state, slash.command, before);
  const mention = slash === undefined ? MENTION.exec(before) : null;
  if (mention === null) return undefined;
  const typed = mention[1]!;
  const candidates = beginning(memberNames(state), typed);
  if (candidates.length === 0) return undefined;
  return { start: cursor - typed.length, candidates, behind: () => " ", otherwise: "" };
}

function pathCompletion(state: State, path: TypedPath): Completion | undefined {
  const candidates = pathCandidates(state, path);
  if (candidates === undefined || (candidates.length === 0 && path.beginning === "")) return undefined;
  return {
    start: path.start,
    candidates,
    behind: (candidate) => (candidate.endsWith("/") ? "" : " "),
    otherwise: path.sentAs === "image" ? "No picture there begins so." : "Nothing there begins so.",
  };
}

function commandCompletion(state: State, typed: string): Completion {
  const candidates = Object.keys(slashCommands)
    .filter(isSlashCommand)
    .filter((command) => `/${command}`.startsWith(typed) && isOffered(state, command))
    .map((command) => `/${command}`);
  const behind = (candidate: string): string => {
    const command = candidate.slice(1);
    return isSlashCommand(command) && slashCommands[command].argument !== "" ? " " : "";
  };
  return { start: 0, candidates, behind, otherwise: candidates.length === 0 ? unknownCommand(typed.slice(1)) : "" };
}

/** Only in a group what is for groups, and only to admins what is for them. */
export function isOffered(state: State, command: SlashCommand): boolean {
  const { right, isForGroups } = slashCommands[command];
  const conversation = openConversation(state);
  if (conversation?.kind !== "group") return !isForGroups;
  return right === undefined || mayDo(conversation.group, right);
}

function nameCompletion(state: State, command: SlashCommand, before: string): Completion | undefined {
  const { names } = slashCommands[command];
  if (names === undefined) return undefined;
  const argument = before.slice(command.length + 1).trimStart();
  if (argument === "" && !before.endsWith(" ")) return undefined;
  const complete = (typed: string, candidates: readonly string[], behind = ""): Completion | undefined => {
    const found = beginning(candidates, typed);
    if (found.length === 0 && typed === "") return undefined;
    const otherwise = LOOKED_FOR.has(names.of) ? "Enter looks for this name." : "Nobody here has this name.";
    return { start: before.length - typed.length, candidates: found, behind: () => behind, otherwise };
  };
  if (names.how === "whole") return complete(argument, namesOf(state, names.of));
  const typed = /\S*$/u.exec(argument)![0];
  const earlier = splitWords(argument.slice(0, argument.length - typed.length));
  if (earlier === undefined || earlier.length < names.from) return undefined;
  const all = namesOf(state, names.of);
  if (names.how === "one") return earlier.length > names.from ? undefined : complete(typed, all);
  if (names.how === "commas") {
    if (earlier.length > names.from) return undefined;
    const parts = typed.split(",");
    return complete(parts.at(-1)!, without(all, parts.slice(0, -1)));
  }
  const completion = complete(typed, without(all, earlier), " ");
  return completion && { ...completion, isOnlyShown: typed === "" && earlier.length > names.from };
}

function without(names: readonly string[], taken: readonly string[]): readonly string[] {
  const left = new Set(taken.map((name) => name.toLowerCase()));
  return names.filter((name) => !left.has(name.toLowerCase()));
}

const beginning = (names: readonly string[], typed: string): readonly string[] => {
  const wanted = typed.toLowerCase();
  return names.filter((name) => name.toLowerCase().startsWith(wanted));
};

const memberNames = (state: State): readonly string[] =>
  (state.group?.info.members ?? []).filter(({ me }) => !me).map(({ person }) => person.name);

function peopleNames(state: State): readonly string[] {
  return listEntries(state).flatMap((entry) => {
    if (entry.kind === "person") return [entry.person.name];
    return entry.kind === "conversation" && entry.conversation.kind === "direct" ? [entry.conversation.peer.name] : [];
  });
}

function namesOf(state: State, of: NamesOf): readonly string[] {
  const members = state.group?.info.members ?? [];
  switch (of) {
    case "list":
      return listEntries(state)
        .filter(({ kind }) => kind !== "requests")
        .map(entryName);
    case "people":
      return peopleNames(state);
    case "near":
      return state.group === undefined ? peopleNames(state) : memberNames(state);
    case "members":
      return memberNames(state);
    case "admins":
      return members.filter(({ me, role }) => !me && role === "admin").map(({ person }) => person.name);
    case "no-admins":
      return members.filter(({ role }) => role === "member").map(({ person }) => person.name);
    case "no-members":
      return without(
        peopleNames(state),
        members.map(({ person }) => person.name),
      );
    case "blocked":
      return state.people.filter(({ blocked }) => blocked).map(({ name }) => name);
    default:
      return of satisfies never;
  }
}

/** After Tab: as far as all candidates agree, or the first of them. */
export function completed(state: State, editor: Editor): Editor {
  const completion = completionOf(state, editor);
  const [first] = completion?.candidates ?? [];
  if (completion === undefined || first === undefined || completion.isOnlyShown === true) return editor;
  const { candidates, start, behind } = completion;
  let common = first;
  for (const candidate of candidates) while (!candidate.startsWith(common)) common = common.slice(0, -1);
  const taken = common.length > editor.cursor - start ? common : first;
  const rest = editor.text.slice(editor.cursor);
  const whole = candidates.includes(taken) && !rest.startsWith(" ") ? `${taken}${behind(taken)}` : taken;
  return insert({ text: editor.text.slice(0, start) + rest, cursor: start, aim: undefined }, whole);
}
