import { cells, wrap } from "../cells.ts";
import { ourCommand } from "../config.ts";
import { isOffered } from "./complete.ts";
import { type Command, bindings, isCommand, showChord } from "./keys.ts";
import { type Row, blankRow, fitRow, paragraph, span } from "./rows.ts";
import { type SlashCommand, isSlashCommand, slashCommands } from "./slash.ts";
import { type State, openConversation } from "./state.ts";

type Line = readonly [keys: string, words: string];

const FIXED_KEYS: readonly Line[] = [
  ["Alt+1 … Alt+9", "Chat by its place in the list"],
  [
    "↑ on an empty line",
    "Select a message: o shows its picture or file, 1 to 9 one of several, s saves, d deletes one of yours for everybody, i details, y copy, Esc back",
  ],
  ["A path, pasted", "On an empty line: the picture or file is added, as when it is dropped on the terminal"],
  ["@NAME", "Mention a member; Tab completes the name"],
  ["Among members", "Enter talk, p promote, d demote, x remove, v verify; a or x whoever asks to join"],
  ["-- or @#@EXIT@#@", "Back to the list"],
  ["// at the start", "A message that begins with a slash"],
  ["Ctrl+A, Ctrl+E", "Start, end of the line"],
  ["Ctrl+W, Ctrl+U", "Delete a word, to the start of the line"],
];

const LONGEST_KEYS = 24;

/** All keys and commands. */
export function helpRows(state: State, width: number): readonly Row[] {
  const chords = new Map<Command, string[]>();
  for (const [chord, command] of state.keymap) chords.set(command, [...(chords.get(command) ?? []), showChord(chord)]);
  const keys = Object.keys(bindings)
    .filter(isCommand)
    .map((command): Line => [(chords.get(command) ?? []).slice(0, 2).join(", "), bindings[command].help])
    .filter(([chord]) => chord !== "");
  // What one may not do in the open group is not there; elsewhere all is.
  const isShown = (command: SlashCommand): boolean => openConversation(state)?.kind !== "group" || isOffered(state, command);
  const slashes = Object.keys(slashCommands).filter(isSlashCommand).filter(isShown);
  const slashLine = (command: SlashCommand): Line => [`/${command} ${slashCommands[command].argument}`.trim(), slashCommands[command].help];
  const everywhere = slashes.filter((command) => slashCommands[command].isForGroups !== true).map(slashLine);
  const inGroups = slashes.filter((command) => slashCommands[command].isForGroups === true).map(slashLine);
  const all = [...keys, ...FIXED_KEYS, ...everywhere, ...inGroups];
  const column = Math.min(Math.max(...all.map(([key]) => cells(key))), LONGEST_KEYS, Math.floor(width / 2) - 4) + 4;
  const rows = (lines: readonly Line[]): Row[] => lines.flatMap((line) => lineRows(line, column, width));
  return [
    [span("  KEYS", "dim")],
    ...rows([...keys, ...FIXED_KEYS]),
    blankRow,
    [span("  COMMANDS", "dim")],
    ...rows(everywhere),
    blankRow,
    [span("  COMMANDS IN A GROUP", "dim")],
    ...rows(inGroups),
    ...paragraph(`A group's picture, and admins from the beginning, are given by command: ${ourCommand} group --help.`, width, "dim"),
    blankRow,
    [span("  MARKS", "dim")],
    ...markRows(state),
  ];
}

/** Long keys have a row of their own, above their words. */
function lineRows([keys, words]: Line, column: number, width: number): Row[] {
  const texts = wrap(words, Math.max(8, width - column - 1)).map(({ text }) => text);
  const isLong = cells(keys) > column - 4;
  const first: Row = [span("  "), span(keys, "bold")];
  const set = (text: string, before: Row): Row => [...fitRow(before, column), span(text)];
  return isLong
    ? [first, ...texts.map((text) => set(text, blankRow))]
    : texts.map((text, index) => set(text, index === 0 ? first : blankRow));
}

function markRows(state: State): readonly Row[] {
  if (!state.colour)
    return [[span("  *", "bold"), span(" online  "), span("#", "bold"), span(" group  "), span("@", "bold"), span(" you are mentioned")]];
  return [
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
    [
      span("  ●", "online"),
      span(" online  "),
      span("#", "accent"),
      span(" group  "),
      span("@", "unread"),
      span(" you are mentioned  "),
      span("~", "dim"),
      span(" muted  "),
      span("◔", "accent"),
      span(" disappears"),
    ],
  ];
}
