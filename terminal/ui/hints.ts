import { cells } from "../cells.ts";
import { type Command, type Keymap, shownChord } from "./keys.ts";
import { askerHints, memberHints } from "./press-members.ts";
import { type Row, span } from "./rows.ts";
import { type State, openChat, openConversation } from "./state.ts";

type Hint = readonly [key: string, words: string];

const hint = (keymap: Keymap, command: Command, words: string): Hint => [shownChord(keymap, command), words];

/** The last row: the keys that mean something now. */
export function helpLine(state: State): Row {
  const hints = hintsOf(state);
  const row: Row[number][] = [];
  let room = state.columns - 1;
  for (const [key, words] of hints) {
    if (key === "") continue;
    const size = cells(key) + cells(words) + 3;
    if (size > room) break;
    row.push(span(` ${key}`, "bold"), span(` ${words} `, "dim"));
    room -= size;
  }
  return row;
}

function hintsOf(state: State): readonly Hint[] {
  const { keymap, overlay } = state;
  switch (overlay.kind) {
    case "confirm":
      return [
        ["y", "yes"],
        ["n", "no"],
      ];
    case "verify":
      return [
        ["y", "they are the same"],
        ["n", "they differ"],
        ["Esc", "back"],
      ];
    case "details":
    case "invitation":
      return [
        ["y", "copy"],
        ["Esc", "back"],
      ];
    case "switcher":
      return [
        ["↑↓", "choose"],
        ["Enter", "open"],
        ["Esc", "back"],
      ];
    case "help":
    case "info":
    case "policy":
      return [
        ["↑↓", "scroll"],
        ["Esc", "back"],
      ];
    case "members":
      return [["↑↓", "choose"], ...memberHints(state), ["Esc", "back"]];
    case "askers":
      return [["↑↓", "choose"], ...askerHints(state), ["Esc", "back"]];
    case "requests":
      return [
        ["↑↓", "choose"],
        ["Enter", "read"],
        ["a", "accept"],
        ["d", "decline"],
        ["b", "block"],
        ["D", "decline all"],
        ["Esc", "back"],
      ];
    case "found":
      return [
        ["↑↓", "choose"],
        ["Enter", "ask to join"],
        ["Esc", "back"],
      ];
    case "none":
      break;
    default:
      return overlay satisfies never;
  }
  if (openChat(state)?.selected !== undefined)
    return [
      ["↑↓", "choose"],
      ["i", "details"],
      ["y", "copy"],
      ["Esc", "back"],
    ];
  if (state.open === undefined)
    return [["↑↓ Enter", "open"], hint(keymap, "switcher", "find"), ["?", "help"], hint(keymap, "quit", "quit")];
  return [
    hint(keymap, "send", "send"),
    hint(keymap, "newline", "new line"),
    ["--", "leave"],
    ...(openConversation(state)?.kind === "group" ? [hint(keymap, "members", "members")] : []),
    hint(keymap, "next-chat", "next chat"),
    hint(keymap, "switcher", "find"),
    ["?", "help"],
    hint(keymap, "quit", "quit"),
  ];
}
