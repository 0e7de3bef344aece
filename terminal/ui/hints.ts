import { cells } from "../cells.ts";
import { type Command, type Keymap, shownChord } from "./keys.ts";
import { endedWord } from "./list.ts";
import { mayTakeBack } from "./attach.ts";
import { mayDelete } from "./delete.ts";
import { fileDigits } from "./file-rows.ts";
import { picturesOf } from "./picture-block.ts";
import { isFolderChosen } from "./picker.ts";
import { askerHints, memberHints } from "./press-members.ts";
import { type Row, span } from "./rows.ts";
import { type State, openChat, openConversation } from "./state.ts";
import { editorOf } from "./write.ts";

type Hint = readonly [key: string, words: string];

const hint = (keymap: Keymap, command: Command, words: string): Hint => [shownChord(keymap, command), words];

/** The last row: the keys that mean something now. */
export function helpLine(state: State): Row {
  const hints = hintsOf(state).filter(([key]) => key !== "");
  const kept = hints.filter(isKept);
  let room = state.columns - 1 - kept.reduce((sum, each) => sum + sizeOf(each), 0);
  const others = hints.filter((each) => !isKept(each));
  const isOver = others.findIndex((each) => (room -= sizeOf(each)) < 0);
  const shown = new Set([...kept, ...(isOver < 0 ? others : others.slice(0, isOver))]);
  return hints.filter((each) => shown.has(each)).flatMap(([key, words]) => [span(` ${key}`, "bold"), span(` ${words} `, "dim")]);
}

const sizeOf = ([key, words]: Hint): number => cells(key) + cells(words) + 3;

/** What can be done with the message that is selected, and with its files. */
function messageHints(state: State): readonly Hint[] {
  const chat = openChat(state);
  const item = chat?.entries.find(({ key }) => key === chat.selected)?.item;
  if (item?.kind !== "message") return [];
  const shows = picturesOf(item).length > 0 && state.pictureTerminal.protocol !== "none";
  const digits = fileDigits(item.files.length);
  return [
    ...(item.files.length > 0
      ? ([["o", shows ? "picture" : "open"], ...(digits === undefined ? [] : [[digits, "that file"] as const]), ["s", "save"]] as const)
      : []),
    ...(mayTakeBack(item) ? [["x", "take back"] as const] : []),
    ...(mayDelete(item) ? [["d", "delete"] as const] : []),
    ["i", "details"],
    ...(item.text === "" ? [] : [["y", "copy"] as const]),
  ];
}

/** How to get back and where more is explained, on however narrow a screen. */
const isKept = ([key]: Hint): boolean => key === "Esc" || key === "?";

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
    case "picture":
      return [
        ...(picturesOf(overlay.message).length > 1 ? [["←→", "others"] as const] : []),
        ["s", "save"],
        ["o", "open in a window"],
        ["Esc", "back"],
      ];
    case "picker":
      return [
        ["↑↓", "choose"],
        ["Enter", isFolderChosen(state, overlay) ? "open" : overlay.marked.length > 0 ? "add these" : "add"],
        ["Tab", "several"],
        ["←→", "folders"],
        ["Esc", overlay.editor.text !== "" ? "clear" : overlay.marked.length > 0 ? "choose none" : "back"],
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
    case "devices":
      return [
        ["↑↓", "choose"],
        ...(overlay.devices[overlay.index]?.me === true ? [] : [["x", "take its rights"] as const]),
        ["Esc", "back"],
      ];
    case "accounts":
      return [
        ["↑↓", "choose"],
        ["Enter", "go there"],
        ["Esc", "back"],
      ];
    case "revoke":
      return [
        ["Enter", "take its rights"],
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
  if (openChat(state)?.selected !== undefined) return [["↑↓", "choose"], ...messageHints(state), ["Esc", "back"]];
  const conversation = openConversation(state);
  const ended = conversation !== undefined && endedWord(conversation) !== undefined;
  if (state.open === undefined)
    return [["↑↓ Enter", "open"], hint(keymap, "switcher", "find"), ["?", "help"], hint(keymap, "quit", "quit")];
  return [
    ...(ended ? [] : [hint(keymap, "send", "send"), hint(keymap, "newline", "new line")]),
    ...(editorOf(state).text === "" && (openChat(state)?.attached.length ?? 0) > 0 ? [["Esc", "take back"] as const] : []),
    ["--", "back"],
    ...(conversation?.kind === "group" ? [hint(keymap, "members", "members")] : []),
    ...(editorOf(state).text === "" ? [hint(keymap, "next-chat", "next chat")] : []),
    hint(keymap, "switcher", "find"),
    ["?", "help"],
    hint(keymap, "quit", "quit"),
  ];
}
