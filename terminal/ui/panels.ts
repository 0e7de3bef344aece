import { safeLine, safeName, safeText } from "../safe-text.ts";
import { cells, wrap } from "./cells.ts";
import { layOut } from "./editor.ts";
import { type Command, bindings, isCommand, showChord } from "./keys.ts";
import { entryName, findEntries, presenceDot, titleOf } from "./list.ts";
import { type Row, blankRow, chosen, fitRow, span, spread } from "./rows.ts";
import { slashCommands } from "./slash.ts";
import type { State } from "./state.ts";
import { exactWords, listTime } from "./time.ts";

// What stands in the place of a conversation: the greeting, the switcher, help, details, safety numbers.

interface Panel {
  readonly rows: readonly Row[];
  readonly cursor: { readonly x: number; readonly y: number } | undefined;
}

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;

function paragraph(text: string, width: number, style: Row[number]["style"] = "text"): Row[] {
  return wrap(text, Math.max(4, width - 4)).map((row) => [span("  "), span(row.text, style)]);
}

/** Nobody's chat is open: what is unread, while away or since, and how to begin. */
export function homeRows(state: State, width: number, height: number): readonly Row[] {
  const rows: Row[] = [blankRow];
  const unread = state.conversations.filter((conversation) => conversation.unread > 0);
  if (!state.caughtUp) rows.push(...paragraph("Looking for new messages…", width, "dim"));
  else if (unread.length === 0) rows.push(...paragraph("No new messages!", width, "bold"));
  else {
    rows.push(...paragraph("New messages:", width, "bold"), blankRow);
    for (const { peer, unread: count } of unread.slice(0, Math.max(1, height - 8))) {
      rows.push(fitRow([span("  "), span(safeName(peer.name), "unread"), span(`  ${plural(count, "message")}`)], width));
    }
  }
  const tips =
    state.conversations.length === 0
      ? ["Type somebody's username below and press Enter to talk. What you write can be read by the two of you alone: no server can."]
      : ["Enter opens the chosen chat. Or type a name below."];
  rows.push(blankRow, ...tips.flatMap((tip) => paragraph(tip, width, "dim")));
  return rows;
}

export function overlayRows(state: State, width: number, height: number): Panel {
  const { overlay } = state;
  switch (overlay.kind) {
    case "switcher":
      return switcherPanel(state, overlay, width, height);
    case "help":
      return { rows: scrolledRows(helpRows(state, width), overlay.top, height), cursor: undefined };
    case "details":
      return { rows: detailRows(overlay.message, width), cursor: undefined };
    case "verify":
      return { rows: verifyRows(overlay, width), cursor: undefined };
    case "confirm":
      return {
        rows: [blankRow, ...paragraph(safeLine(overlay.question), width, "bold"), blankRow, ...paragraph("y  yes     n  no", width)],
        cursor: undefined,
      };
    case "none":
      return { rows: [], cursor: undefined };
    default:
      return overlay satisfies never;
  }
}

function scrolledRows(rows: readonly Row[], top: number, height: number): readonly Row[] {
  const from = Math.max(0, Math.min(top, rows.length - height));
  return rows.slice(from, from + height);
}

function switcherPanel(state: State, overlay: Extract<State["overlay"], { kind: "switcher" }>, width: number, height: number): Panel {
  const found = findEntries(state, overlay.editor.text);
  const { column } = layOut(overlay.editor, 10_000);
  const field: Row = [
    span(" Find: ", "accent"),
    overlay.editor.text === "" ? span("a chat or a person", "dim") : span(overlay.editor.text),
  ];
  const room = Math.max(1, height - 2);
  const top = Math.max(0, Math.min(overlay.index - Math.floor(room / 2), found.length - room));
  const rows = found.slice(top, top + room).map((entry, index): Row => {
    const person = entry.kind === "conversation" ? entry.conversation.peer : entry.person;
    const title = entry.kind === "conversation" ? titleOf(entry.conversation) : safeName(entryName(entry));
    const unread = entry.kind === "conversation" && entry.conversation.unread > 0 ? `${entry.conversation.unread} new` : "";
    const when =
      entry.kind === "conversation" && entry.conversation.last !== undefined ? listTime(entry.conversation.last.time, state.now) : "";
    const row = spread(
      [span("  "), ...presenceDot(person, !state.colour), span(title)],
      [span(unread === "" ? when : unread, unread === "" ? "dim" : "unread"), span("  ")],
      width,
    );
    return index + top === overlay.index ? chosen(row) : row;
  });
  const typed = overlay.editor.text.trim();
  if (found.length === 0) rows.push([span(typed === "" ? "  Nobody here yet." : `  Enter looks for "${safeName(typed)}".`, "dim")]);
  return { rows: [field, blankRow, ...rows], cursor: { x: Math.min(7 + column, width - 1), y: 0 } };
}

const FIXED_KEYS: readonly (readonly [string, string])[] = [
  ["Alt+1 … Alt+9", "Chat by its place in the list"],
  ["↑ on an empty line", "Select a message: i details, y copy, Esc back"],
  ["-- or @#@EXIT@#@", "Leave the chat"],
  ["// at the start", "A message that begins with a slash"],
  ["Ctrl+A, Ctrl+E", "Start, end of the line"],
  ["Ctrl+W, Ctrl+U", "Delete a word, to the start of the line"],
];

function helpRows(state: State, width: number): readonly Row[] {
  const chords = new Map<Command, string[]>();
  for (const [chord, command] of state.keymap) chords.set(command, [...(chords.get(command) ?? []), showChord(chord)]);
  const keys = Object.keys(bindings)
    .filter(isCommand)
    .map((command) => [(chords.get(command) ?? []).slice(0, 2).join(", "), bindings[command].help] as const)
    .filter(([chord]) => chord !== "");
  const slashes = Object.entries(slashCommands).map(([command, { argument, help }]) => [`/${command} ${argument}`.trim(), help] as const);
  const all = [...keys, ...FIXED_KEYS, ...slashes];
  const column = Math.min(Math.max(...all.map(([key]) => cells(key))) + 2, Math.floor(width / 2));
  const line = ([key, words]: readonly [string, string]): Row =>
    fitRow([...fitRow([span("  "), span(key, "bold")], column + 2), span(words)], width);
  const marks: readonly Row[] = state.colour
    ? [
        [
          span("  ◷", "dim"),
          span(" waits  "),
          span("✓", "dim"),
          span(" on the server  "),
          span("✓✓", "dim"),
          span(" delivered  "),
          span("✓✓", "read"),
          span(" read  "),
          span("✗", "error"),
          span(" refused"),
        ],
      ]
    : [];
  return [
    [span("  KEYS", "dim")],
    ...keys.map(line),
    ...FIXED_KEYS.map(line),
    blankRow,
    [span("  COMMANDS", "dim")],
    ...slashes.map(line),
    ...(marks.length > 0 ? [blankRow, [span("  MARKS", "dim")], ...marks] : []),
  ];
}

const STATUS_WORDS = {
  queued: "waiting here to be sent",
  sent: "on the server",
  delivered: "delivered to the other side",
  read: "read by the other side",
  failed: "refused by the server",
} as const;

function detailRows(message: Extract<State["overlay"], { kind: "details" }>["message"], width: number): readonly Row[] {
  const field = (name: string, value: string): Row => [span(`  ${name.padEnd(10)}`, "dim"), span(value)];
  return [
    blankRow,
    field("From", message.mine ? `you (${safeName(message.from.name)})` : safeName(message.from.name)),
    field("Time", exactWords(message.time)),
    ...(message.mine ? [field("Status", STATUS_WORDS[message.status])] : []),
    field("Number", message.sequence === undefined ? "not yet in the log" : String(message.sequence)),
    field("Device", message.from.device.slice(0, 16)),
    field("Id", message.id),
    blankRow,
    ...paragraph(safeText(message.text), width),
  ];
}

function verifyRows({ name, number }: Extract<State["overlay"], { kind: "verify" }>, width: number): readonly Row[] {
  const title = paragraph(`Safety number of you and ${safeName(name)}`, width, "bold");
  if (number === undefined) return [blankRow, ...title, blankRow, ...paragraph("One moment…", width, "dim")];
  const groups = safeLine(number.digits).split(" ");
  const perRow = width >= 40 ? 6 : 4;
  const digits: Row[] = [];
  for (let at = 0; at < groups.length; at += perRow) digits.push([span("    "), span(groups.slice(at, at + perRow).join(" "), "bold")]);
  const known = {
    verified: "You have marked this as compared.",
    "not-verified": "Not compared yet.",
    changed: "The identity has changed since you last looked.",
  }[number.verification];
  return [
    blankRow,
    ...title,
    blankRow,
    ...digits,
    blankRow,
    ...paragraph(safeLine(number.words), width),
    blankRow,
    ...paragraph(
      `Ask ${safeName(name)} for theirs, by voice or in person, not here. The same: press y. Different: press n, and trust nothing written here.`,
      width,
      "dim",
    ),
    ...paragraph(known, width, number.verification === "changed" ? "error" : "dim"),
  ];
}
