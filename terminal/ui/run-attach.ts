import { absolutePath, pathWords } from "../files/paths.ts";
import type { SentAs } from "../files/to-send.ts";
import { attach, whyNot } from "./attach.ts";
import { openPicker } from "./picker.ts";
import type { Typed } from "./run-group.ts";
import { openQuote } from "./slash.ts";
import { type State, type Step, said, step } from "./state.ts";

/** /image and /file: with paths, or with a choice from a folder. */
export function runAttach(state: State, sentAs: SentAs, { argument, line }: Typed): Step {
  const why = whyNot(state);
  if (why !== undefined) return step(said(state, why, "error"));
  if (argument === "") return openPicker(state, sentAs);
  const words = pathWords(argument);
  if (words.some(({ isOpen }) => isOpen)) return step(said(state, openQuote, "error"));
  const files = words.map(({ text }) => ({ name: sentAs, value: absolutePath(text) }));
  return attach(state, files, line);
}
