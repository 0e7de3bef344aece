import type { ConversationSummary } from "@fastchat/client";
import { lengthWords } from "../durations.ts";
import { refusal } from "../group-rights.ts";
import {
  lifetimeLimits,
  lifetimeValues,
  longestLifetime,
  longestRetention,
  readLifetime,
  retentionSentence,
  timerSentence,
} from "../lifetimes.ts";
import { heldWords, sendStep } from "./attach.ts";
import { hindranceOf } from "./hindrance.ts";
import type { Typed } from "./run-group.ts";
import { type State, type Step, openConversation, said, step } from "./state.ts";

/** `/expire`, `/expire 1d`, `/expire mine 1h`, `/expire 1h TEXT`. */
export function runExpire(state: State, { argument, line }: Typed): Step {
  const conversation = openConversation(state);
  if (conversation === undefined) return step(said(state, "Open a chat first: /expire is about the one that is open.", "error"));
  if (argument === "") return step(said(state, statusSentence(conversation)));
  const [, first = "", rest = ""] = /^(\S+)\s*([^]*)$/u.exec(argument) ?? [];
  const { id } = conversation;
  if (first.toLowerCase() === "mine") {
    const seconds = readLifetime(rest, longestLifetime);
    if (seconds === undefined) return step(said(state, `/expire mine takes ${lifetimeValues(longestLifetime)}.`, "error"));
    return step({ ...state, lifetimesTold: true }, { kind: "set-timer", id, seconds, line });
  }
  const hindrance = hindranceOf(conversation);
  if (hindrance !== undefined) return step(said(state, hindrance, "error"));
  const seconds = readLifetime(first, rest === "" ? longestRetention : longestLifetime);
  if (seconds === undefined) {
    const values = lifetimeValues(rest === "" ? longestRetention : longestLifetime);
    return step(said(state, `/expire takes ${values}; or mine before it, or a message behind it.`, "error"));
  }
  const held = rest === "" ? undefined : heldWords(state, id);
  if (held !== undefined) return step(said(state, held, "error"));
  if (rest !== "") return sendStep(told(state, seconds), id, { text: rest, expiresAfter: seconds, line });
  return setRetention(state, conversation, seconds, line);
}

/** Who relies on it for the first time hears how far that goes. */
const told = (state: State, seconds: number): State =>
  seconds === 0 || state.lifetimesTold ? state : { ...said(state, lifetimeLimits), lifetimesTold: true };

/** What is older than that goes at once: that is asked about. */
function setRetention(state: State, conversation: ConversationSummary, seconds: number, line: string): Step {
  const why = conversation.kind === "group" ? refusal(conversation.group, "policy") : undefined;
  if (why !== undefined) return step(said(state, why, "error"));
  const effect = { kind: "set-retention", id: conversation.id, seconds, line } as const;
  if (seconds === 0) return step(state, effect);
  const question = `${lifetimeLimits} Delete messages here ${lengthWords(seconds)} after they were sent, for everybody and on the server, also those that are older now?`;
  return step({ ...state, lifetimesTold: true, overlay: { kind: "confirm", question, effect } });
}

function statusSentence({ retentionSeconds, timerSeconds }: ConversationSummary): string {
  const sentences = [retentionSentence(retentionSeconds), ...(timerSeconds === 0 ? [] : [timerSentence(timerSeconds)])];
  return `${sentences.join(" ")} /expire 1d, /expire mine 1h or off changes it.`;
}
