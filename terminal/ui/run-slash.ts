import { showAccounts } from "./accounts.ts";
import type { GroupSummary } from "@fastchat/client";
import { parseName } from "@fastchat/protocol";
import { GROUP, PERSON, groupsMeant } from "../commands/destination.ts";
import { mayDo } from "../group-rights.ts";
import * as editing from "./editor.ts";
import { leave, open } from "./enter.ts";
import { titleOf } from "./list.ts";
import { runBroadcast } from "./run-broadcast.ts";
import { runExpire } from "./run-expire.ts";
import { type Typed, leaveGroup, makeGroup, needsGroup, runGroup } from "./run-group.ts";
import type { SlashCommand } from "./slash.ts";
import { type Effect, type State, type Step, openConversation, said, step } from "./state.ts";

/** What a slash command does; `cleared` is what taking the line away leaves. A line that is wrong stays, to be mended. */
export function runSlash(before: State, cleared: Step, name: SlashCommand, typed: Typed): Step {
  const done = run(cleared.state, name, typed);
  const { flash } = done.state;
  if (flash !== before.flash && flash?.tone === "error") return step({ ...before, flash });
  return step(done.state, ...cleared.effects, ...done.effects);
}

function run(state: State, name: SlashCommand, typed: Typed): Step {
  const { argument } = typed;
  const conversation = openConversation(state);
  switch (name) {
    case "help":
      return step({ ...state, overlay: { kind: "help", top: 0 } });
    case "people":
      return find(state, argument);
    case "open":
      return argument === "" ? step(said(state, "Say who: /open NAME.", "error")) : openNamed(state, argument);
    case "group":
      return makeGroup(state, typed);
    case "join":
      if (argument === "") return step(said(state, "Say where: /join LINK, or /join NAME of a group that is public.", "error"));
      return step(state, { kind: "join", to: argument, line: typed.line });
    case "find":
      return step(state, { kind: "find-groups", text: argument, line: typed.line });
    case "add":
    case "remove":
    case "promote":
    case "demote":
    case "rename":
    case "describe":
    case "members":
    case "info":
    case "policy":
    case "link":
      return conversation?.kind === "group" ? runGroup(state, conversation, name, typed) : step(needsGroup(state, name));
    case "requests":
      return showRequests(state);
    case "leave":
      return conversation?.kind === "group" ? leaveGroup(state, conversation, argument) : leave(state);
    case "verify":
      return aboutPerson(state, name, argument, (person) =>
        step({ ...state, overlay: { kind: "verify", name: person, number: undefined } }, { kind: "safety-number", name: person }),
      );
    case "accept":
      return accept(state, argument);
    case "decline":
      if (conversation?.request !== true)
        return step(said(state, "This is no request: nothing to decline. /requests shows those that wait.", "error"));
      return step(state, { kind: "decline-request", id: conversation.id });
    case "block":
      return aboutPerson(state, name, argument, (person) => {
        const effect = { kind: "set-blocked", name: person, blocked: true } as const;
        const isRequest = conversation?.request === true && conversation.peer?.name === person;
        return isRequest ? step(state, effect, { kind: "decline-request", id: conversation.id }) : step(state, effect);
      });
    case "unblock":
      return aboutPerson(state, name, argument, (person) => step(state, { kind: "set-blocked", name: person, blocked: false }));
    case "expire":
      return runExpire(state, typed);
    case "mute":
    case "unmute": {
      if (conversation === undefined) return step(said(state, `Open a chat first: /${name} is about the one that is open.`, "error"));
      if (argument !== "" && (name === "unmute" || argument !== "mentions"))
        return step(said(state, "Write /mute, /mute mentions or /unmute.", "error"));
      const mute = name === "unmute" ? "none" : argument === "mentions" ? "except-mentions" : "all";
      return step(state, { kind: "set-mute", id: conversation.id, mute });
    }
    case "pin":
    case "unpin":
      if (conversation === undefined) return step(said(state, `Open a chat first: /${name} is about the one that is open.`, "error"));
      return step(state, { kind: "set-pinned", id: conversation.id, pinned: name === "pin" });
    case "broadcast":
      return runBroadcast(state, typed);
    case "note":
      if (conversation?.peer === undefined)
        return step(said(state, "Open the chat with somebody first: the note is about that person.", "error"));
      return step(state, { kind: "set-note", name: conversation.peer.name, note: argument });
    case "devices":
      return step(state, { kind: "list-devices", line: typed.line });
    case "accounts":
      return showAccounts(state);
    case "signout": {
      const question = "Sign this device out and erase its messages here? Your account keeps them.";
      return step({ ...state, overlay: { kind: "confirm", question, effect: { kind: "sign-out" } } });
    }
    case "quit":
      return step(state, { kind: "quit" });
    default:
      return name satisfies never;
  }
}

/**
 * A person, or a group that is called so; "person:bob" and "group:Chess club" as in commands. Names of groups are chosen by others: none
 * takes the place of a person whom the server knows by that name, nor of another group.
 */
export function openNamed(state: State, typed: string): Step {
  if (PERSON.test(typed)) return step(state, { kind: "open-direct", name: typed.replace(PERSON, "") });
  if (GROUP.test(typed)) {
    const text = typed.replace(GROUP, "");
    const [group, ...others] = groupsMeant(text, { conversations: state.conversations, requests: state.requests.conversations });
    if (group === undefined) return step(said(state, `There is no group "${text}" here.`, "error"));
    return others.length === 0 ? open(state, group.id) : find(state, text);
  }
  const [group, ...others] = groupsTitled(state, typed);
  if (others.length > 0) return find(state, typed);
  if (group !== undefined && parseName(typed).kind === "invalid") return open(state, group.id);
  return step(state, { kind: "open-direct", name: typed.replace(/^@/u, ""), ...(group !== undefined && { orGroup: group.id }) });
}

/** Those that one is in, if there are any. */
function groupsTitled(state: State, typed: string): readonly GroupSummary[] {
  const wanted = typed.toLowerCase();
  const all = state.conversations.filter((each): each is GroupSummary => each.kind === "group" && titleOf(each).toLowerCase() === wanted);
  const own = all.filter(({ group }) => group.ended === undefined);
  return own.length > 0 ? own : all;
}

/** The switcher, with a text in it. */
const find = (state: State, text: string): Step =>
  step({ ...state, overlay: { kind: "switcher", editor: editing.editorOf(text), index: 0 } }, { kind: "load-people", text });

function aboutPerson(state: State, command: SlashCommand, argument: string, go: (person: string) => Step): Step {
  const conversation = openConversation(state);
  const about = argument === "" ? conversation?.peer?.name : argument.replace(/^@/u, "").toLowerCase();
  if (about !== undefined) return go(about);
  const where = conversation === undefined ? `/${command} NAME, or open a chat first` : `/${command} NAME`;
  return step(said(state, `Say who: ${where}.`, "error"));
}

/** Of a group for who may let people in; else strangers'. */
function showRequests(state: State): Step {
  const conversation = openConversation(state);
  if (conversation?.kind !== "group" || conversation.request || !mayDo(conversation.group, "add"))
    return step({ ...state, overlay: { kind: "requests", index: 0 } }, { kind: "load-requests" });
  return step({ ...state, overlay: { kind: "askers", index: 0 } }, { kind: "load-group", id: conversation.id });
}

/** A request; or one goes on after two histories, or another identity. */
function accept(state: State, argument: string): Step {
  const conversation = openConversation(state);
  const confirm = (question: string, effect: Effect): Step => step({ ...state, overlay: { kind: "confirm", question, effect } });
  const peer = conversation?.peer?.name;
  const isAboutThis = argument === "" || argument === peer;
  if (conversation?.request === true && isAboutThis) return step(state, { kind: "accept-request", id: conversation.id });
  if (conversation?.blocked === "forked" && isAboutThis) {
    const [whose, who] = peer === undefined ? ["a member", "them"] : [peer, peer];
    const question = `Go on with the history of ${whose}'s account that this device knows? Ask ${who} first which devices are theirs.`;
    return confirm(question, { kind: "accept-fork", id: conversation.id });
  }
  if (conversation !== undefined && isAboutThis && conversation.blocked !== "identity-changed")
    return step(said(state, "There is nothing to accept here."));
  return aboutPerson(state, "accept", argument, (person) =>
    confirm(`Go on with ${person}'s new identity? Compare it first with /verify if you can.`, { kind: "accept-identity", name: person }),
  );
}
