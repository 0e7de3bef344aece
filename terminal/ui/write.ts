import { limits } from "@fastchat/protocol";
import * as editing from "./editor.ts";
import { safeText } from "../safe-text.ts";
import type { Editor } from "./editor.ts";
import type { Key } from "./keys.ts";
import { parseSlash } from "./slash.ts";
import { type State, type Step, openChat, openConversation, said, step, withChat } from "./state.ts";

export const editorOf = (state: State): Editor => openChat(state)?.editor ?? state.homeEditor;

/** Puts text where the cursor is; what was copied from elsewhere is no safer than what somebody sent. */
export function typeText(state: State, typed: string): Step {
  const text = safeText(typed);
  if (state.overlay.kind === "switcher") {
    const editor = editing.insert(state.overlay.editor, text.replaceAll("\n", " "));
    return step({ ...state, overlay: { ...state.overlay, editor, index: 0 } }, { kind: "load-people", text: editor.text.trim() });
  }
  if (state.overlay.kind === "picker") {
    const editor = editing.insert(state.overlay.editor, text.replaceAll("\n", " "));
    return step({ ...state, overlay: { ...state.overlay, editor, index: 0 } });
  }
  if (state.overlay.kind === "revoke" && !state.overlay.isBusy) {
    // A password is what was typed, whatever it holds.
    const password = editing.insert(state.overlay.password, typed.replaceAll(/[\r\n]/gu, ""));
    return step({ ...state, overlay: { ...state.overlay, password, fault: undefined } });
  }
  if (state.overlay.kind !== "none") return step(state);
  const editor = editing.insert(editorOf(state), text);
  if (new TextEncoder().encode(editor.text).length > limits.messageTextBytes) {
    return step(said(state, `One message holds ${limits.messageTextBytes / 1024} KiB at most: that did not fit.`, "error"));
  }
  return setEditor(state, editor);
}

export function setEditor(state: State, editor: Editor): Step {
  const id = state.open;
  if (id === undefined) return step({ ...state, homeEditor: editor });
  const before = editorOf(state).text;
  const next = withChat(state, id, (chat) => ({ ...chat, editor, selected: undefined }));
  if (before === editor.text) return step(next);
  const draft = { kind: "draft", id, text: editor.text } as const;
  const conversation = openConversation(state);
  // A stranger is told nothing, nor anybody what can never be sent.
  if (conversation?.request === true || conversation?.blocked === "out" || conversation?.blocked === "announce-only")
    return step(next, draft);
  const isMessage = editor.text !== "" && parseSlash(editor.text) === undefined;
  return step(next, draft, { kind: "typing", id, active: isMessage });
}

/** The change of text or cursor that a key makes in any field. */
export function editingKey({ name, ctrl, alt }: Key): ((editor: Editor) => Editor) | undefined {
  switch (`${ctrl ? "ctrl+" : ""}${alt ? "alt+" : ""}${name}`) {
    case "left":
    case "ctrl+b":
      return editing.left;
    case "right":
    case "ctrl+f":
      return editing.right;
    case "ctrl+left":
    case "alt+left":
    case "alt+b":
      return editing.wordLeft;
    case "ctrl+right":
    case "alt+right":
    case "alt+f":
      return editing.wordRight;
    case "home":
    case "ctrl+a":
      return editing.home;
    case "end":
    case "ctrl+e":
      return editing.end;
    case "backspace":
    case "ctrl+h":
      return editing.backspace;
    case "delete":
    case "ctrl+d":
      return editing.deleteForward;
    case "ctrl+w":
    case "alt+backspace":
      return editing.deleteWordLeft;
    case "alt+d":
    case "ctrl+delete":
      return editing.deleteWordRight;
    case "ctrl+u":
      return editing.deleteToLineStart;
    default:
      return undefined;
  }
}
