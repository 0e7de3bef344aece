/** One press of a key, whatever the terminal sent for it. */
export interface Key {
  /** "text" for what writes; else "enter", "tab", "up", "page-up", "escape", … or a letter that came with Ctrl or Alt. */
  readonly name: string;
  /** What "text" writes; "" otherwise. */
  readonly text: string;
  readonly ctrl: boolean;
  readonly alt: boolean;
  readonly shift: boolean;
}

/** "ctrl+k", "alt+enter", "shift+tab": how keys are named in keys.json and in the help. */
export function chordOf(key: Key): string {
  const name = key.name === "text" ? key.text.toLowerCase() : key.name;
  return `${key.ctrl ? "ctrl+" : ""}${key.alt ? "alt+" : ""}${key.shift ? "shift+" : ""}${name}`;
}

/** What a key can be bound to, with the keys that do it at first and what the help says. */
export const bindings = {
  send: { chords: ["enter"], help: "Send" },
  newline: { chords: ["alt+enter", "shift+enter", "ctrl+j"], help: "New line" },
  "next-chat": { chords: ["tab"], help: "Next chat, on an empty line" },
  "previous-chat": { chords: ["shift+tab"], help: "Previous chat" },
  switcher: { chords: ["ctrl+k", "ctrl+p"], help: "Find a chat or a person" },
  "next-unread": { chords: ["alt+a"], help: "Next unread chat" },
  pin: { chords: ["alt+p"], help: "Pin the chat to the top of the list, or let it go" },
  "next-account": { chords: ["alt+s"], help: "Next account that is signed in here" },
  members: { chords: ["alt+m"], help: "Members of the group, shown or hidden" },
  "page-up": { chords: ["page-up"], help: "Older messages" },
  "page-down": { chords: ["page-down"], help: "Newer messages" },
  bottom: { chords: ["ctrl+end"], help: "Newest message" },
  redraw: { chords: ["ctrl+l"], help: "Draw the screen again" },
  help: { chords: ["f1"], help: "Help (also ? on an empty line)" },
  quit: { chords: ["ctrl+q"], help: "Quit" },
} as const;

export type Command = keyof typeof bindings;
export type Keymap = ReadonlyMap<string, Command>;

export const isCommand = (text: string): text is Command => Object.hasOwn(bindings, text);

/**
 * The keymap of a keys.json, an object from command to its chords: `{ "switcher": ["ctrl+t"], "quit": [] }`. Commands that it does
 * not name keep their keys. `faults` says in plain sentences what could not be used.
 */
export function readKeymap(json: string | undefined): { readonly keymap: Keymap; readonly faults: readonly string[] } {
  const chosen = new Map<Command, readonly string[]>();
  const faults: string[] = [];
  if (json !== undefined) {
    let parsed: unknown;
    try {
      parsed = JSON.parse(json);
    } catch {
      faults.push("keys.json is not valid JSON: it is not used.");
    }
    for (const [command, chords] of Object.entries(typeof parsed === "object" && parsed !== null ? parsed : {})) {
      if (!isCommand(command)) faults.push(`keys.json names "${command}", which is no command.`);
      else if (!Array.isArray(chords) || !chords.every((chord) => typeof chord === "string")) {
        faults.push(`keys.json: "${command}" needs a list of keys, as ["ctrl+t"].`);
      } else
        chosen.set(
          command,
          chords.map((chord: string) => chord.toLowerCase()),
        );
    }
  }
  const keymap = new Map<string, Command>();
  for (const command of Object.keys(bindings).filter(isCommand)) {
    for (const chord of chosen.get(command) ?? bindings[command].chords) keymap.set(chord, command);
  }
  // A key that was chosen wins over one that another command has from the start.
  for (const [command, chords] of chosen) for (const chord of chords) keymap.set(chord, command);
  return { keymap, faults };
}

/** The chords of a command, as people read them: "Ctrl+K". */
export function shownChord(keymap: Keymap, command: Command): string {
  for (const [chord, bound] of keymap) if (bound === command) return showChord(chord);
  return "";
}

export function showChord(chord: string): string {
  const names: Record<string, string> = { "page-up": "PgUp", "page-down": "PgDn" };
  return chord
    .split("+")
    .map((part) => names[part] ?? (part.length === 1 && chord.startsWith("alt+") ? part : part.charAt(0).toUpperCase() + part.slice(1)))
    .join("+");
}
