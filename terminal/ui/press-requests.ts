import type { ConversationSummary } from "@fastchat/client";
import type { Command, Key } from "./keys.ts";
import { open } from "./enter.ts";
import { movedIndex } from "./press-members.ts";
import { type State, type Step, step } from "./state.ts";

/** Keys while strangers' conversations are shown. */
export function pressRequests(state: State, key: Key, command: Command | undefined): Step {
  const { overlay, requests } = state;
  if (overlay.kind !== "requests") return step(state);
  const index = movedIndex(overlay.index, requests.conversations.length, key, command);
  if (index !== undefined) return step({ ...state, overlay: { kind: "requests", index } });
  const chosen = requests.conversations[overlay.index];
  if (key.name === "text" && key.text === "D" && requests.count > 0) {
    const question = `Put away all ${requests.count.toLocaleString("en-GB")} requests? Nobody hears of it.`;
    return step({ ...state, overlay: { kind: "confirm", question, effect: { kind: "decline-request", id: undefined } } });
  }
  if (chosen === undefined) return step(state);
  if (key.name === "enter") return open(state, chosen.id);
  if (key.name !== "text") return step(state);
  switch (key.text) {
    case "a":
      return step(state, { kind: "accept-request", id: chosen.id });
    case "d":
      return step(state, { kind: "decline-request", id: chosen.id });
    case "b":
      return block(state, chosen);
    default:
      return step(state);
  }
}

/** Whoever wrote, or added one to a group. */
function block(state: State, request: ConversationSummary): Step {
  const name = request.kind === "group" ? request.group.addedBy : request.peer.name;
  return step(state, { kind: "set-blocked", name, blocked: true }, { kind: "decline-request", id: request.id });
}
