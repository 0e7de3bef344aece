import { mayDo, refusal } from "../group-rights.ts";
import type { GroupChange } from "./group-change.ts";
import type { Command, Key } from "./keys.ts";
import { type MemberEntry, memberEntryAt, memberEntryCount } from "./members.ts";
import { safeName } from "../safe-text.ts";
import { type OpenGroup, type State, type Step, said, step } from "./state.ts";

const PAGE = 10;

/** Where a key moves to in a list of so many; undefined: it does not move. */
export function movedIndex(index: number, count: number, key: Key, command: Command | undefined): number | undefined {
  const within = (to: number): number => Math.max(0, Math.min(to, count - 1));
  if (key.name === "up") return within(index - 1);
  if (key.name === "down") return within(index + 1);
  if (command === "page-up") return within(index - PAGE);
  if (command === "page-down") return within(index + PAGE);
  if (key.name === "home") return 0;
  return key.name === "end" ? within(count - 1) : undefined;
}

/** Shows the panel and gives it the keys, or hides it when it has them. */
export function toggleMembers(state: State): Step {
  if (state.overlay.kind === "members") return step({ ...state, membersBeside: false, overlay: { kind: "none" } });
  return step({ ...state, membersBeside: true, overlay: { kind: "members", index: 0 } });
}

/** What can be done with an entry of the panel. */
type MemberAct = "chat" | "let in" | "refuse" | "promote" | "demote" | "remove" | "verify";

const KEYS: Readonly<Record<MemberAct, string>> = {
  chat: "enter",
  "let in": "a",
  refuse: "x",
  promote: "p",
  demote: "d",
  remove: "x",
  verify: "v",
};

function actsOn({ info }: OpenGroup, entry: MemberEntry): readonly MemberAct[] {
  if (entry.kind === "asker") {
    const answers = [...(mayDo(info, "add") ? (["let in"] as const) : []), ...(mayDo(info, "turn-down") ? (["refuse"] as const) : [])];
    return [...answers, "chat"];
  }
  const { member } = entry;
  const roles = mayDo(info, "role") ? [member.role === "admin" ? ("demote" as const) : ("promote" as const)] : [];
  if (member.me) return [...roles];
  return ["chat", ...roles, ...(mayDo(info, "remove") ? (["remove"] as const) : []), "verify"];
}

/** The keys that mean something for the chosen entry. */
export function memberHints(state: State): readonly (readonly [key: string, words: string])[] {
  const entry = state.group && state.overlay.kind === "members" ? memberEntryAt(state.group, state.overlay.index) : undefined;
  if (entry === undefined) return [];
  return actsOn(state.group!, entry).map((act) => [act === "chat" ? "Enter" : KEYS[act], act]);
}

/** Keys while the members' panel has them. */
export function pressMembers(state: State, key: Key, command: Command | undefined): Step {
  const { overlay, group } = state;
  if (command === "members") return toggleMembers(state);
  if (overlay.kind !== "members" || group === undefined) return step(state);
  const index = movedIndex(overlay.index, memberEntryCount(group), key, command);
  if (index !== undefined) return step({ ...state, overlay: { kind: "members", index } });
  const entry = memberEntryAt(group, overlay.index);
  const pressed = key.name === "text" ? key.text.toLowerCase() : key.name;
  const act = entry && actsOn(group, entry).find((possible) => KEYS[possible] === pressed);
  return entry === undefined || act === undefined ? step(state) : doTo(state, group, entry, act);
}

function doTo(state: State, { info }: OpenGroup, entry: MemberEntry, act: MemberAct): Step {
  const { name } = entry.kind === "asker" ? entry.asker.person : entry.member.person;
  const { id } = info;
  const asking = (question: string, change: GroupChange): Step => {
    const effect = { kind: "change-group", id, change } as const;
    return step({ ...state, overlay: { kind: "confirm", question, effect, back: state.overlay } });
  };
  switch (act) {
    case "chat":
      return step({ ...state, overlay: { kind: "none" } }, { kind: "open-direct", name });
    case "verify":
      return step({ ...state, overlay: { kind: "verify", name, number: undefined } }, { kind: "safety-number", name });
    case "let in":
      return step(state, { kind: "change-group", id, change: { kind: "approve", names: [name] } });
    case "refuse":
      return step(state, { kind: "change-group", id, change: { kind: "reject", names: [name] } });
    case "promote":
      return asking(`Make ${safeName(name)} an admin?`, { kind: "role", names: [name], role: "admin" });
    case "demote": {
      const question =
        name === state.me.name
          ? "Be a member like the others, and no admin any more?"
          : `Make ${safeName(name)} a member like the others, and no admin any more?`;
      return asking(question, { kind: "role", names: [name], role: "member" });
    }
    case "remove":
      return asking(`Remove ${safeName(name)} from ${info.name === "" ? "this group" : info.name}?`, { kind: "remove", names: [name] });
    default:
      return act satisfies never;
  }
}

/** The keys that mean something for who asks to be let in. */
export const askerHints = (state: State): readonly (readonly [key: string, words: string])[] =>
  state.group !== undefined && mayDo(state.group.info, "turn-down")
    ? [
        ["a", "let in"],
        ["x", "refuse"],
      ]
    : [["a", "let in"]];

/** Keys while those who ask to be let in are shown. */
export function pressAskers(state: State, key: Key, command: Command | undefined): Step {
  const { overlay, group } = state;
  if (overlay.kind !== "askers" || group === undefined) return step(state);
  const index = movedIndex(overlay.index, group.askers.length, key, command);
  if (index !== undefined) return step({ ...state, overlay: { kind: "askers", index } });
  const asker = group.askers[overlay.index];
  if (asker === undefined || key.name !== "text") return step(state);
  const entry = { kind: "asker", asker } as const;
  if (key.text === "a") return doTo(state, group, entry, "let in");
  if (key.text !== "x") return step(state);
  const why = refusal(group.info, "turn-down");
  return why === undefined ? doTo(state, group, entry, "refuse") : step(said(state, why, "error"));
}
