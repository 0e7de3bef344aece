import { wrap } from "../cells.ts";
import { safeLine } from "../safe-text.ts";
import { recoveryNotice } from "../words.ts";
import { type Editor, editorOf, emptyEditor, insert, layOut } from "./editor.ts";
import type { Frame } from "./frame.ts";
import type { Key } from "./keys.ts";
import { type Row, blankRow, fitRow, span } from "./rows.ts";
import { editingKey } from "./write.ts";

/** The screen of somebody who is not signed in here. */
export interface SignInState {
  readonly mode: "sign-in" | "sign-up" | "quick";
  readonly fields: { readonly name: Editor; readonly password: Editor; readonly again: Editor };
  readonly focus: Field;
  /** What the server is being asked, or asked again while there are no services. */
  readonly busy: boolean;
  readonly answer: Answer | undefined;
  /** Where this person is signed in already, and may be on one device alone: whether to sign out there is being asked. */
  readonly elsewhere: string | undefined;
  /** Shown once after sign-up, until Enter. */
  readonly recoveryWords: readonly string[] | undefined;
  /** Somebody is signed in here, to whom one can go back. */
  readonly back: boolean;
}

/** An error goes as soon as something else is typed; advice is to be read while one does. */
export interface Answer {
  readonly text: string;
  readonly tone: "error" | "advice" | "plain";
}

export type Field = "name" | "password" | "again";

export type SignInEffect =
  | {
      readonly kind: "submit";
      readonly mode: SignInState["mode"];
      readonly name: string;
      readonly password: string;
      readonly signOutOthers: boolean;
    }
  | { readonly kind: "cancel" }
  | { readonly kind: "go-on" }
  | { readonly kind: "quit" };

export interface SignInStep {
  readonly state: SignInState;
  readonly effect: SignInEffect | undefined;
}

export const initialSignIn = (name: string, mode: SignInState["mode"] = "sign-in", back = false): SignInState => ({
  mode,
  fields: { name: editorOf(name), password: emptyEditor, again: emptyEditor },
  focus: name === "" ? "name" : "password",
  busy: false,
  answer: undefined,
  elsewhere: undefined,
  recoveryWords: undefined,
  back,
});

const STOPPING: Answer = { text: "Stopping…", tone: "plain" };

const step = (state: SignInState, effect?: SignInEffect): SignInStep => ({ state, effect });

const fieldsOf = (mode: SignInState["mode"]): readonly Field[] =>
  mode === "sign-up" ? ["name", "password", "again"] : ["name", "password"];

export function pressSignIn(state: SignInState, key: Key): SignInStep {
  if (key.ctrl && (key.name === "q" || key.name === "c")) return step(state, { kind: "quit" });
  if (state.recoveryWords !== undefined) return step(state, key.name === "enter" ? { kind: "go-on" } : undefined);
  // What was asked is done or not: that is waited for.
  if (state.busy) return key.name === "escape" ? step({ ...state, answer: STOPPING }, { kind: "cancel" }) : step(state);
  if (state.elsewhere !== undefined) return pressElsewhere(state, key);
  if (state.back && key.name === "escape") return step(state, { kind: "quit" });
  if (state.mode !== "quick" && key.ctrl && (key.name === "n" || key.name === "s")) return step(switched(state));
  const fields = fieldsOf(state.mode);
  const move = (by: number): SignInStep =>
    step({ ...state, focus: fields[(fields.indexOf(state.focus) + by + fields.length) % fields.length]! });
  if (key.name === "tab") return move(key.shift ? -1 : 1);
  if (key.name === "down") return move(1);
  if (key.name === "up") return move(-1);
  if (key.name === "enter") return state.focus === fields.at(-1) ? submit(state) : move(1);
  if (key.name === "text") return typeSignIn(state, key.text);
  const change = editingKey(key);
  return change === undefined ? step(state) : step(withField(state, change(state.fields[state.focus])));
}

/** Nothing but a clear yes puts anybody out. */
function pressElsewhere(state: SignInState, key: Key): SignInStep {
  const letter = key.name === "text" ? key.text.toLowerCase() : "";
  if (letter === "y") return submit({ ...state, elsewhere: undefined }, true);
  if (letter === "n" || key.name === "escape")
    return step(answered({ ...state, elsewhere: undefined }, { text: "Nothing was changed.", tone: "plain" }));
  return step(state);
}

export function typeSignIn(state: SignInState, text: string): SignInStep {
  if (state.busy || state.recoveryWords !== undefined || state.elsewhere !== undefined) return step(state);
  return step(withField(state, insert(state.fields[state.focus], text.replaceAll("\n", ""))));
}

const withField = (state: SignInState, editor: Editor): SignInState => ({
  ...state,
  fields: { ...state.fields, [state.focus]: editor },
  answer: state.answer?.tone === "advice" ? state.answer : undefined,
});

const switched = (state: SignInState): SignInState => ({
  ...state,
  mode: state.mode === "sign-in" ? "sign-up" : "sign-in",
  focus: state.fields.name.text === "" ? "name" : "password",
  answer: undefined,
});

function submit(state: SignInState, signOutOthers = false): SignInStep {
  const name = state.fields.name.text.trim().toLowerCase();
  const password = state.fields.password.text;
  const missing = (focus: Field, text: string): SignInStep => step({ ...state, focus, answer: { text, tone: "error" } });
  if (name === "") return missing("name", "Type a username first.");
  if (password === "") return missing("password", "Type a password first.");
  if (state.mode === "sign-up" && state.fields.again.text !== password)
    return missing("again", "The two passwords differ: type them again.");
  const doing = state.mode === "sign-up" ? "Signing up…" : "Signing in…";
  const { mode } = state;
  return step({ ...state, busy: true, answer: { text: doing, tone: "plain" } }, { kind: "submit", mode, name, password, signOutOthers });
}

/** Asks whether to sign out there. The password is kept for the answer. */
export const askedElsewhere = (state: SignInState, elsewhere: string): SignInState => ({
  ...state,
  busy: false,
  answer: undefined,
  elsewhere,
});

/** The server's answer, as a sentence; the password is typed again. */
export const answered = (state: SignInState, answer: Answer): SignInState => ({
  ...state,
  busy: false,
  answer,
  focus: "password",
  fields: { ...state.fields, password: emptyEditor, again: emptyEditor },
});

/** Nothing is asked any more. */
export const stopped = (state: SignInState): SignInState => ({ ...state, busy: false, answer: undefined });

export const waiting = (state: SignInState, text: string): SignInState => ({
  ...state,
  answer: { text: `${text}. Trying again… (Esc stops)`, tone: "error" },
});

const ANSWER_STYLES = { error: "error", advice: "error", plain: "dim" } as const;
const TITLES = { "sign-in": "Sign in", "sign-up": "Sign up: choose a name and a password", quick: "QuickChat" } as const;
const QUICK_NOTICE = "Nothing is brought here and nothing stays: you see what arrives from now on, and quitting signs out.";
/** On a lower screen the answers need the room more. */
const QUICK_NOTICE_ROWS = 18;
const QUICK_WARNING =
  "Your password is typed on this machine. If it is not yours, whoever runs it could read that, and all that you see and write.";
const LABELS: Readonly<Record<Field, string>> = { name: "Username", password: "Password", again: "Again" };
const LABEL_CELLS = 12;
const WIDEST = 60;

/** The keys that mean something now. */
function keysOf({ mode, elsewhere, back }: SignInState): readonly (readonly [key: string, words: string])[] {
  const quit = back ? (["Esc", "back"] as const) : (["Ctrl+Q", "quit"] as const);
  if (elsewhere !== undefined) return [["y", "sign out there"], ["n", "leave it so"], ...(back ? [] : [quit])];
  const other = mode === "sign-in" ? "sign up instead" : "sign in instead";
  return [["Enter", "go on"], ...(mode === "quick" ? [] : [["Ctrl+N", other] as const]), quit];
}

export function signInFrame(state: SignInState, columns: number, rows: number, gateway: string): Frame {
  const width = Math.max(10, Math.min(WIDEST, columns - 4));
  const left = Math.max(0, Math.floor((columns - width) / 2));
  const lines: Row[] = [];
  let cursor: Frame["cursor"];
  const say = (text: string, style: Row[number]["style"]): void => {
    for (const row of wrap(safeLine(text), width)) lines.push([span(row.text, style)]);
  };
  const roomy = rows >= 14;
  lines.push([span("FastChat", "bold")], [span("─".repeat(width), "dim")]);
  if (state.recoveryWords !== undefined) {
    say(`You are signed up. ${recoveryNotice(state.fields.name.text)}`, "text");
    lines.push(blankRow);
    const each = Math.floor(width / 3);
    for (let at = 0; at < state.recoveryWords.length; at += 3) {
      lines.push(
        state.recoveryWords
          .slice(at, at + 3)
          .map((word, index) => span(`${String(at + index + 1).padStart(2)} ${safeLine(word)}`.padEnd(each), "bold")),
      );
    }
    lines.push(blankRow, [span("Enter", "bold"), span(" when you have them", "dim")]);
  } else {
    say(TITLES[state.mode], "accent");
    if (state.mode === "quick" && state.elsewhere === undefined) {
      if (rows >= QUICK_NOTICE_ROWS) say(QUICK_NOTICE, "dim");
      say(QUICK_WARNING, "warning");
    }
    if (roomy) lines.push(blankRow);
    for (const field of fieldsOf(state.mode)) {
      const editor = state.fields[field];
      const shown = field === "name" ? editor : { ...editor, text: "•".repeat([...new Intl.Segmenter().segment(editor.text)].length) };
      const focused = field === state.focus && !state.busy && state.elsewhere === undefined;
      const room = width - LABEL_CELLS;
      const { column } = layOut(field === "name" ? editor : { ...shown, cursor: shown.text.length }, 10_000);
      const hidden = Math.max(0, column - room + 1);
      if (focused) cursor = { x: left + LABEL_CELLS + column - hidden, y: lines.length };
      lines.push([span(LABELS[field].padEnd(LABEL_CELLS), focused ? "bold" : "dim"), span(safeLine(shown.text).slice(hidden))]);
    }
    if (roomy) lines.push(blankRow);
    if (state.answer !== undefined) say(state.answer.text, ANSWER_STYLES[state.answer.tone]);
    if (roomy) lines.push(blankRow);
    if (state.elsewhere !== undefined) {
      say(`${state.elsewhere}.`, "text");
      say("Sign out there and go on here?", "unread");
      if (roomy) lines.push(blankRow);
    }
    lines.push(keysOf(state).flatMap(([key, words]): Row => [span(key, "bold"), span(` ${words}   `, "dim")]));
    if (roomy) say(`at ${gateway}`, "dim");
  }
  const top = Math.max(0, Math.floor((rows - lines.length) / 3));
  const placed = [...Array.from({ length: top }, () => blankRow), ...lines.map((row) => [span(" ".repeat(left)), ...row])].slice(0, rows);
  while (placed.length < rows) placed.push(blankRow);
  return { rows: placed.map((row) => fitRow(row, columns)), cursor: cursor && { x: cursor.x, y: cursor.y + top } };
}
