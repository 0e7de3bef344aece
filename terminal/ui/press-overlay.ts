import { pressAccounts } from "./accounts.ts";
import { openEntry } from "./enter.ts";
import { pressDevices } from "./devices.ts";
import { pressFound } from "./found.ts";
import type { Command, Key } from "./keys.ts";
import { findEntries } from "./list.ts";
import { picturesOf } from "./picture-block.ts";
import { pressPicker, withoutLast } from "./picker.ts";
import { pressAskers, pressMembers } from "./press-members.ts";
import { pressRequests } from "./press-requests.ts";
import { pressRevoke } from "./revoke.ts";
import { type State, type Step, said, step } from "./state.ts";
import { editingKey, typeText } from "./write.ts";

const closed = (state: State): State => ({ ...state, overlay: { kind: "none" } });

/** Away with what is only read; what was typed is for the field. */
const goOn = (state: State, key: Key): Step => (key.name === "text" ? typeText(closed(state), key.text) : step(closed(state)));

/** Where letters do something to somebody: a command that is typed there must not. */
const LETTERS_ACT: ReadonlySet<State["overlay"]["kind"]> = new Set([
  "members",
  "askers",
  "requests",
  "found",
  "devices",
  "accounts",
  "verify",
]);

const isCommand = (key: Key): boolean => key.name === "text" && key.text.startsWith("/");

function pressView(
  state: State,
  overlay: Extract<State["overlay"], { readonly kind: "picture" }>,
  key: Key,
  command: Command | undefined,
): Step {
  const { message, index } = overlay;
  const pictures = picturesOf(message);
  const by = key.name === "left" ? -1 : key.name === "right" ? 1 : 0;
  if (by !== 0) {
    const next = Math.max(0, Math.min(pictures.length - 1, index + by));
    return step(next === index ? state : { ...state, overlay: { ...overlay, index: next, loaded: undefined } });
  }
  if (key.name === "text" && key.text === "s") return step(closed(state), { kind: "save-files", message });
  if (key.name === "text" && key.text === "o") return step(closed(state), { kind: "open-file", message, place: pictures[index]!.place });
  return command === undefined ? goOn(state, key) : step(state);
}

/** Keys while something lies over the conversation, or beside it has them. Escape closes it, once nothing that was done there would go with it. */
export function pressOverlay(state: State, key: Key, command: Command | undefined): Step {
  const { overlay } = state;
  if (key.name === "escape" && overlay.kind === "picker") {
    const before = withoutLast(overlay);
    if (before !== undefined) return step({ ...state, overlay: before });
  }
  if (key.name === "escape" || (key.ctrl && key.name === "c")) {
    if (overlay.kind === "confirm" && overlay.back !== undefined) return step({ ...state, overlay: overlay.back });
    return step(closed(state));
  }
  if (isCommand(key) && LETTERS_ACT.has(overlay.kind)) return typeText(closed(state), key.text);
  switch (overlay.kind) {
    case "switcher":
      return pressSwitcher(state, key, command);
    case "help":
    case "info":
    case "policy": {
      const by = key.name === "up" ? -1 : key.name === "down" ? 1 : command === "page-up" ? -10 : command === "page-down" ? 10 : 0;
      if (by !== 0) return step({ ...state, overlay: { ...overlay, top: Math.max(0, overlay.top + by) } });
      return overlay.kind === "help" && key.text === "?" ? step(closed(state)) : goOn(state, key);
    }
    case "members":
      return pressMembers(state, key, command);
    case "askers":
      return pressAskers(state, key, command);
    case "requests":
      return pressRequests(state, key, command);
    case "devices":
      return pressDevices(state, key, command);
    case "accounts":
      return pressAccounts(state, key, command);
    case "revoke":
      return key.name === "text" ? typeText(state, key.text) : pressRevoke(state, key);
    case "found":
      return pressFound(state, key, command);
    case "invitation":
      if (key.name !== "text" || key.text !== "y") return step(state);
      return step(said(state, "Copied."), { kind: "copy", text: overlay.link });
    case "picture":
      return pressView(state, overlay, key, command);
    case "picker":
      return key.name === "text" ? typeText(state, key.text) : pressPicker(state, overlay, key, command);
    case "details":
      if (key.name === "text" && key.text === "y") return step(closed(state), { kind: "copy", text: overlay.message.text });
      return goOn(state, key);
    case "verify":
      if (key.name === "text" && overlay.number !== undefined && (key.text === "y" || key.text === "n")) {
        return step(closed(state), { kind: "set-verified", name: overlay.name, verified: key.text === "y" });
      }
      return step(state);
    case "confirm": {
      const answered: State = { ...state, overlay: overlay.back ?? { kind: "none" } };
      if (key.name === "text" && key.text.toLowerCase() === "y") return step(answered, overlay.effect);
      return key.name === "text" ? step(answered) : step(state);
    }
    case "none":
      return step(state);
    default:
      return overlay satisfies never;
  }
}

function pressSwitcher(state: State, key: Key, command: Command | undefined): Step {
  if (state.overlay.kind !== "switcher") return step(state);
  const { editor, index } = state.overlay;
  const found = findEntries(state, editor.text);
  const move = (by: number): Step =>
    step({ ...state, overlay: { kind: "switcher", editor, index: found.length === 0 ? 0 : (index + by + found.length) % found.length } });
  if (key.name === "up" || command === "previous-chat") return move(-1);
  if (key.name === "down" || command === "next-chat" || command === "switcher") return move(1);
  if (key.name === "enter") {
    const entry = found[index];
    if (entry !== undefined) return openEntry(state, entry);
    const name = editor.text.trim();
    return name === "" ? step(closed(state)) : step(closed(state), { kind: "open-direct", name });
  }
  if (key.name === "text") return typeText(state, key.text);
  const change = editingKey(key);
  if (change === undefined) return step(state);
  const changed = change(editor);
  return step({ ...state, overlay: { kind: "switcher", editor: changed, index: 0 } }, { kind: "load-people", text: changed.text.trim() });
}
