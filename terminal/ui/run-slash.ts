import * as editing from "./editor.ts";
import { leave } from "./enter.ts";
import type { SlashCommand } from "./slash.ts";
import { type Step, openConversation, said, step } from "./state.ts";

/** What a slash command does; `state` and `effects` are what clearing the line left. */
export function runSlash({ state, effects }: Step, name: SlashCommand, argument: string): Step {
  const open = openConversation(state);
  const peer = open?.peer.name;
  const about = argument !== "" ? argument : peer;
  const whom = (go: (person: string) => Step): Step =>
    about === undefined ? step(said(state, `Say who: /${name} NAME, or open a chat first.`, "error"), ...effects) : go(about);
  switch (name) {
    case "help":
      return step({ ...state, overlay: { kind: "help", top: 0 } }, ...effects);
    case "people":
      return step({ ...state, overlay: { kind: "switcher", editor: editing.editorOf(argument), index: 0 } }, ...effects, {
        kind: "load-people",
        text: argument,
      });
    case "open":
      if (argument === "") return step(said(state, "Say who: /open NAME.", "error"), ...effects);
      return step(state, ...effects, { kind: "open-direct", name: argument });
    case "leave":
      return step(leave(state).state, ...effects);
    case "verify":
      return whom((person) =>
        step({ ...state, overlay: { kind: "verify", name: person, number: undefined } }, ...effects, {
          kind: "safety-number",
          name: person,
        }),
      );
    case "accept":
      if (open?.blocked === "forked" && (argument === "" || argument === peer)) {
        const overlay = {
          kind: "confirm",
          question: `Go on with the history of ${open.peer.name}'s account that this device knows? Ask ${open.peer.name} first which devices are theirs.`,
          effect: { kind: "accept-fork", id: open.id },
        } as const;
        return step({ ...state, overlay }, ...effects);
      }
      return whom((person) => {
        const effect = { kind: "accept-identity", name: person } as const;
        return step(
          {
            ...state,
            overlay: {
              kind: "confirm",
              question: `Go on with ${person}'s new identity? Compare it first with /verify if you can.`,
              effect,
            },
          },
          ...effects,
        );
      });
    case "note":
      if (peer === undefined) return step(said(state, "Open a chat first: the note is about its person.", "error"), ...effects);
      return step(state, ...effects, { kind: "set-note", name: peer, note: argument });
    case "signout":
      return step(
        {
          ...state,
          overlay: {
            kind: "confirm",
            question: "Sign this device out and erase its messages here? Your account keeps them.",
            effect: { kind: "sign-out" },
          },
        },
        ...effects,
      );
    case "quit":
      return step(state, ...effects, { kind: "quit" });
    default:
      return name satisfies never;
  }
}
