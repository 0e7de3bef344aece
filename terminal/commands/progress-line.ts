import { cells, fit, pad } from "../cells.ts";

export interface ProgressLine extends Disposable {
  /** "" takes the line away. */
  readonly show: (line: string) => void;
}

/** One line on a terminal's error stream, cut to its width, rewritten in place, and gone when it is over. Nothing where there is no terminal. */
export function progressLine(): ProgressLine {
  const { stderr } = process;
  if (!stderr.isTTY) return { show: () => undefined, [Symbol.dispose]: () => undefined };
  let shown = "";
  const show = (text: string): void => {
    // A line that fills the width goes on to the next, where it could not be rewritten.
    const line = fit(text, stderr.columns - 1);
    if (line === shown) return;
    stderr.write(`\r${pad(line, Math.max(cells(line), cells(shown)))}${line === "" ? "\r" : ""}`);
    shown = line;
  };
  return { show, [Symbol.dispose]: () => show("") };
}
