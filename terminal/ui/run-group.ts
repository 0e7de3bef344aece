import type { GroupSummary } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import { isRule, ruleChange, ruleNames, rules } from "../group-policy.ts";
import { type Right, refusal } from "../group-rights.ts";
import { safeName } from "../safe-text.ts";
import { fewWords } from "../words.ts";
import type { GroupChange } from "./group-change.ts";
import { titleOf } from "./list.ts";
import { toggleMembers } from "./press-members.ts";
import { type SlashCommand, namesIn, openQuote, slashCommands, splitWords } from "./slash.ts";
import { type Effect, type State, type Step, openConversation, said, step } from "./state.ts";

/** Commands that mean something in a group alone. */
export type GroupCommand = Extract<
  SlashCommand,
  "add" | "remove" | "promote" | "demote" | "rename" | "describe" | "members" | "info" | "policy" | "link"
>;

export interface Typed {
  readonly argument: string;
  /** The whole line, which comes back when the server refuses it. */
  readonly line: string;
}

/** What to say where no group's chat is open. */
export function needsGroup(state: State, command: string): State {
  const conversation = openConversation(state);
  if (conversation === undefined) return said(state, `/${command} is for groups: open one first.`, "error");
  const other = conversation.kind === "direct" ? ` ${safeName(conversation.peer.name)}` : "";
  return said(state, `/${command} is for groups, and this is none. /group NAME${other} MEMBER… makes one.`, "error");
}

export function runGroup(state: State, group: GroupSummary, command: GroupCommand, typed: Typed): Step {
  const { argument, line } = typed;
  const change = (right: Right, made: GroupChange): Step => {
    const why = refusal(group.group, right);
    if (why !== undefined) return step(said(state, why, "error"));
    return step(state, { kind: "change-group", id: group.id, change: made, line });
  };
  switch (command) {
    case "add":
      return withNames(state, command, argument, (names) => {
        const there = names.filter((name) => isMember(state, name) === true);
        if (there.length > 0)
          return step(said(state, `${fewWords(there, 3)} ${there.length === 1 ? "is" : "are"} in this group already.`, "error"));
        return change("add", { kind: "add", names });
      });
    case "remove":
      return withMembers(state, command, argument, (names) => {
        if (names.includes(state.me.name)) return step(said(state, "/leave leaves the group.", "error"));
        return change("remove", { kind: "remove", names });
      });
    case "promote":
    case "demote":
      return withMembers(state, command, argument, (names) =>
        change("role", { kind: "role", names, role: command === "promote" ? "admin" : "member" }),
      );
    case "rename": {
      const name = unquoted(argument);
      return name === "" ? step(said(state, "Say how: /rename NAME.", "error")) : change("profile", { kind: "profile", name });
    }
    case "describe":
      if (argument === "") return step(said(state, 'Say what it is about: /describe TEXT; /describe "" takes it away.', "error"));
      return change("profile", { kind: "profile", description: unquoted(argument) });
    case "members":
      return state.overlay.kind === "members" ? step(state) : toggleMembers(state);
    case "info":
      return step({ ...state, overlay: { kind: "info", top: 0 } }, { kind: "load-group", id: group.id });
    case "policy":
      return policy(state, group, typed);
    case "link":
      return link(state, group, argument, change);
    default:
      return command satisfies never;
  }
}

/** `"Chess club"` is Chess club. */
const unquoted = (text: string): string => /^"([^"]*)"$/u.exec(text)?.[1]?.trim() ?? text;

function withNames(state: State, command: SlashCommand, argument: string, go: (names: readonly string[]) => Step): Step {
  const names = namesIn(argument);
  if (names === undefined) return step(said(state, openQuote, "error"));
  return names.length === 0 ? step(said(state, `Say who: /${command} NAME….`, "error")) : go(names);
}

function withMembers(state: State, command: SlashCommand, argument: string, go: (names: readonly string[]) => Step): Step {
  return withNames(state, command, argument, (names) => {
    const strangers = names.filter((name) => isMember(state, name) === false);
    if (strangers.length === 0) return go(names);
    const who = fewWords(strangers.map(safeName), 3);
    return step(said(state, `${who} ${strangers.length === 1 ? "is" : "are"} not in this group: /members shows who is.`, "error"));
  });
}

/** Undefined: not known yet. */
function isMember(state: State, name: string): boolean | undefined {
  return state.group?.info.members.some(({ person }) => person.name === name);
}

function policy(state: State, group: GroupSummary, { argument, line }: Typed): Step {
  if (argument === "") return step({ ...state, overlay: { kind: "policy", top: 0 } }, { kind: "load-group", id: group.id });
  const [, word = "", value = ""] = /^(\S+)\s*([^]*)$/u.exec(argument) ?? [];
  const rule = word.toLowerCase();
  if (!isRule(rule)) return step(said(state, `There is no rule "${word}": ${ruleNames.join(", ")}.`, "error"));
  const made = value === "" ? undefined : ruleChange(rule, value, state.now);
  if (made === undefined) return step(said(state, `/policy ${rule} takes ${rules[rule].takes}.`, "error"));
  const why = refusal(group.group, "policy");
  if (why !== undefined) return step(said(state, why, "error"));
  const effect: Effect = { kind: "change-group", id: group.id, change: { kind: "policy", policy: made }, line };
  if (made.publicName === undefined || made.publicName === "") return step(state, effect);
  const question = `Publish this group as "${made.publicName}"? The server and everybody on it can read that name and ask to join. The group's own name stays sealed.`;
  return step({ ...state, overlay: { kind: "confirm", question, effect } });
}

const isCount = (text: string | undefined): boolean => text === undefined || /^[1-9]\d{0,8}$/u.test(text);

function link(state: State, group: GroupSummary, argument: string, change: (right: Right, made: GroupChange) => Step): Step {
  const [first, second, ...rest] = argument.split(/\s+/u).filter((word) => word !== "");
  if (first === "revoke") return revoke(state, second, change);
  const why = refusal(group.group, "invite");
  if (why !== undefined) return step(said(state, why, "error"));
  if (!isCount(first) || !isCount(second) || rest.length > 0)
    return step(said(state, "Write /link, or with how many may join and for how many days: /link 5 7.", "error"));
  return step(state, {
    kind: "invite",
    id: group.id,
    ...(first !== undefined && { uses: Number(first) }),
    ...(second !== undefined && { days: Number(second) }),
  });
}

function revoke(state: State, id: string | undefined, change: (right: Right, made: GroupChange) => Step): Step {
  if (id === undefined) return step(said(state, "Say which: /link revoke ID, as /info shows it.", "error"));
  const found = state.group?.info.invitations.filter(({ publicKey }) => publicKey.startsWith(id.toLowerCase())) ?? [];
  if (found.length !== 1)
    return step(said(state, `${found.length === 0 ? "No" : "More than one"} invitation begins with ${id}: /info shows them.`, "error"));
  return change("invite", { kind: "revoke-invitation", publicKey: found[0]!.publicKey });
}

/** Leaves for good, once it is confirmed. */
export function leaveGroup(state: State, group: GroupSummary, argument: string): Step {
  const [successor] = namesIn(argument) ?? [];
  if (group.group.ended !== undefined) return step(said(state, "You are not in this group any more. -- goes back to the list.", "error"));
  if (successor !== undefined && isMember(state, successor) === false)
    return step(said(state, `${safeName(successor)} is not in this group.`, "error"));
  const admins = state.group?.info.members.filter(({ role }) => role === "admin") ?? [];
  const isLast = admins.length === 1 && admins[0]!.me && group.group.memberCount > 1;
  const heir =
    successor === undefined
      ? "who was added first becomes admin, unless you name somebody: /leave NAME"
      : `${safeName(successor)} becomes admin`;
  const question = `Leave ${titleOf(group)} for good? You keep what you have, and read nothing new.${isLast ? ` You are its last admin: ${heir}.` : ""} (-- goes back to the list.)`;
  const change = { kind: "leave", ...(successor !== undefined && { successor }) } as const;
  return step({ ...state, overlay: { kind: "confirm", question, effect: { kind: "change-group", id: group.id, change } } });
}

/** What the commands of `fastchat group` are on the screen. */
export const onScreen: Readonly<Record<string, SlashCommand>> = {
  create: "group",
  list: "open",
  info: "info",
  add: "add",
  remove: "remove",
  promote: "promote",
  demote: "demote",
  rename: "rename",
  describe: "describe",
  picture: "info",
  policy: "policy",
  link: "link",
  join: "join",
  find: "find",
  requests: "requests",
  approve: "requests",
  reject: "requests",
  leave: "leave",
};

/** Whoever types here what the shell takes would make a group that is called "join". */
function shellWords(argument: string): string | undefined {
  const word = /^[^\s"]+/u.exec(argument)?.[0] ?? "";
  if (!Object.hasOwn(onScreen, word)) return undefined;
  if (word === "create") return 'On the screen it is /group "Chess club" bob carol.';
  if (word === "picture") return `A picture is given by command: ${ourCommand} group picture.`;
  const command = onScreen[word]!;
  return `On the screen it is ${`/${command} ${slashCommands[command].argument}`.trim()}. A group of that name needs quotes: /group "${word}" bob.`;
}

/** `/group "Chess club" bob carol`. */
export function makeGroup(state: State, { argument, line }: Typed): Step {
  const words = splitWords(argument);
  if (words === undefined) return step(said(state, openQuote, "error"));
  const hint = shellWords(argument);
  if (hint !== undefined) return step(said(state, hint, "error"));
  const [name, ...members] = words;
  if (name === undefined || members.length === 0)
    return step(said(state, 'Say how it is called and who is in it: /group "Chess club" bob carol.', "error"));
  return step(state, { kind: "create-group", name, members: namesIn(members.join(" ")) ?? [], line });
}
