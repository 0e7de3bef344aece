import type { ColourDepth } from "./half-blocks.ts";
import type { Size } from "./pixels.ts";

// What the terminal can show: by what it says in the environment, and by what it answers when it is asked.

/** "none": a line of words. "kitty" means that protocol with its Unicode placeholders, which few terminals have. */
type Protocol = "none" | "half-blocks" | "kitty" | "iterm2" | "sixel";

const settings = ["auto", "off", "half-blocks", "kitty", "iterm2", "sixel"] as const;
export type PictureSetting = (typeof settings)[number];

export const isPictureSetting = (text: string): text is PictureSetting => (settings as readonly string[]).includes(text);

export interface PictureTerminal {
  readonly protocol: Protocol;
  readonly depth: ColourDepth;
  /** Of one cell, in the terminal's pixels. */
  readonly cell: Size;
  /** What is meant for the terminal outside has to be wrapped. */
  readonly inTmux: boolean;
  /** Sixels may be drawn as soon as the terminal says that it knows them. */
  readonly maybeSixel: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Rather too small than too large: what is higher than it is believed to be would scroll the screen. */
const USUAL_CELL: Size = { width: 8, height: 16 };

/** Konsole draws iTerm2's pictures from 22.04 on. */
const KONSOLE_FROM = 220_400;

export function pictureTerminal(environment: Environment, setting: PictureSetting, colour: boolean): PictureTerminal {
  const inTmux = isSet(environment["TMUX"]);
  const depth = depthOf(environment);
  const base = { depth: depth ?? "256", cell: USUAL_CELL, inTmux, maybeSixel: false } as const;
  const halfBlocks = depth === undefined ? "none" : "half-blocks";
  if (!colour || setting === "off") return { ...base, protocol: "none" };
  if (setting === "half-blocks") return { ...base, protocol: halfBlocks };
  if (setting !== "auto") return { ...base, protocol: setting };
  if (isMultiplexed(environment)) return { ...base, protocol: halfBlocks };
  const named = namedProtocol(environment);
  return named === undefined ? { ...base, protocol: halfBlocks, maybeSixel: true } : { ...base, protocol: named };
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== "";

/** tmux and screen keep the text of the screen, and know of no picture on it. */
function isMultiplexed(environment: Environment): boolean {
  return isSet(environment["TMUX"]) || isSet(environment["STY"]) || /^(?:tmux|screen)/u.test(environment["TERM"] ?? "");
}

/** The terminal's own name comes first: what another one set may have been inherited. */
function namedProtocol(environment: Environment): "kitty" | "iterm2" | undefined {
  if (/^xterm-(?:kitty|ghostty)$/u.test(environment["TERM"] ?? "")) return "kitty";
  switch (environment["TERM_PROGRAM"]) {
    case "ghostty":
      return "kitty";
    case "iTerm.app":
    case "WezTerm":
      return "iterm2";
    case undefined:
    case "":
      break;
    default:
      // Others, as VS Code's, say whether they know sixels, which can be switched off there.
      return undefined;
  }
  if (isSet(environment["KITTY_WINDOW_ID"])) return "kitty";
  // Is sent over ssh, where the rest is not.
  if (environment["LC_TERMINAL"] === "iTerm2") return "iterm2";
  return Number(environment["KONSOLE_VERSION"] ?? 0) >= KONSOLE_FROM ? "iterm2" : undefined;
}

/** Undefined: sixteen colours or fewer, in which no picture can be recognized. */
function depthOf(environment: Environment): ColourDepth | undefined {
  const term = environment["TERM"] ?? "";
  if (/^(?:truecolor|24bit)$/u.test(environment["COLORTERM"] ?? "") || term.endsWith("-direct") || isSet(environment["WT_SESSION"]))
    return "truecolor";
  // These set COLORTERM, which does not come along over ssh.
  if (/^(?:xterm-kitty|xterm-ghostty|alacritty|foot|wezterm|contour)/u.test(term)) return "truecolor";
  return term.includes("256") ? "256" : undefined;
}

/**
 * How large is a cell (XTWINOPS 16), and what are you (DA1)? Every terminal answers the second, so when it has, the first will not be
 * answered any more. Only questions that are answered with a control sequence: whatever comes too late is known to be no key. Kitty's own
 * question is answered by a string, which would be typed text then, and does not tell whether placeholders are known.
 */
export const QUESTIONS = "\u001b[16t\u001b[c";

const ESCAPE = "\u001b";
const ANSWER = new RegExp(`${ESCAPE}\\[(?:6;(?<height>\\d+);(?<width>\\d+)t|\\?(?<attributes>[\\d;]*)c)`, "gu");
const SIXEL = "4";

export interface Answered {
  readonly terminal: PictureTerminal;
  /** Without the answers: what somebody typed meanwhile. */
  readonly typed: string;
  /** Nothing more will come. */
  readonly isLast: boolean;
}

/** What the terminal has answered, in all that has come from it. */
export function answered(before: PictureTerminal, input: string): Answered {
  let terminal = before;
  let isLast = false;
  let knowsSixel = false;
  let cell: Size | undefined;
  const typed = input.replaceAll(ANSWER, (answer, ...rest) => {
    const { height, width, attributes } = rest.at(-1) as { height?: string; width?: string; attributes?: string };
    if (attributes === undefined) {
      if (Number(width) > 0 && Number(height) > 0) cell = { width: Number(width), height: Number(height) };
    } else {
      isLast = true;
      knowsSixel = attributes.split(";").slice(1).includes(SIXEL);
    }
    return "";
  });
  if (cell !== undefined) terminal = { ...terminal, cell };
  // Without the size of a cell nobody can say how many a picture of pixels takes.
  if (terminal.maybeSixel && knowsSixel && cell !== undefined) terminal = { ...terminal, protocol: "sixel" };
  return { terminal, typed, isLast };
}
