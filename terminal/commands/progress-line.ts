export interface ProgressLine extends Disposable {
  /** "" takes the line away. */
  readonly show: (line: string) => void;
}

/** One line on a terminal's error stream, rewritten in place, and gone when it is over. Nothing where there is no terminal. */
export function progressLine(): ProgressLine {
  const { stderr } = process;
  if (!stderr.isTTY) return { show: () => undefined, [Symbol.dispose]: () => undefined };
  let shown = "";
  const show = (line: string): void => {
    if (line === shown) return;
    stderr.write(`\r${line.padEnd(shown.length)}${line === "" ? "\r" : ""}`);
    shown = line;
  };
  return { show, [Symbol.dispose]: () => show("") };
}
