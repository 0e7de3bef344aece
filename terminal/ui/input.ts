import type { Key as InkKey } from "ink";
import type { Key } from "./keys.ts";

const named = (ink: InkKey): string | undefined => {
  if (ink.upArrow) return "up";
  if (ink.downArrow) return "down";
  if (ink.leftArrow) return "left";
  if (ink.rightArrow) return "right";
  if (ink.pageUp) return "page-up";
  if (ink.pageDown) return "page-down";
  if (ink.home) return "home";
  if (ink.end) return "end";
  if (ink.return) return "enter";
  if (ink.escape) return "escape";
  if (ink.tab) return "tab";
  if (ink.backspace) return "backspace";
  if (ink.delete) return "delete";
  return undefined;
};

const CONTROL_NAMES: Readonly<Record<string, string>> = {
  "\r": "enter",
  "\t": "tab",
  "\u001b": "escape",
  "\b": "backspace",
  "\u007f": "backspace",
};

/** A key that one control character stands for. */
function controlKey(character: string): Key {
  const name = CONTROL_NAMES[character];
  if (name !== undefined) return { name, text: "", ctrl: false, alt: false, shift: false };
  const code = character.charCodeAt(0);
  return { name: String.fromCharCode(code + (code <= 26 ? 96 : 64)).toLowerCase(), text: "", ctrl: true, alt: false, shift: false };
}

/** The keys in what Ink reports at once: whoever types fast, or over a slow line, sends several in one piece. */
export function keysOf(input: string, ink: InkKey): readonly Key[] {
  if (ink.eventType === "release") return [];
  const name = named(ink);
  // A function key has a name only; some also come with text, which is not meant to be written.
  if (name !== undefined) return [{ name, text: "", ctrl: ink.ctrl, alt: ink.meta, shift: ink.shift }];
  if (ink.ctrl || ink.meta)
    return input === "" ? [] : [{ name: input.toLowerCase(), text: "", ctrl: ink.ctrl, alt: ink.meta, shift: ink.meta && ink.shift }];
  const keys: Key[] = [];
  for (const part of input.split(/(\p{Cc})/u)) {
    if (part === "") continue;
    keys.push(/^\p{Cc}$/u.test(part) ? controlKey(part) : { name: "text", text: part, ctrl: false, alt: false, shift: false });
  }
  return keys;
}
