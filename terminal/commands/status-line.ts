export interface StatusLine extends Disposable {
  show(line: string): void;
}

/** One line on a terminal's error stream, rewritten in place, and gone when it is disposed. Nothing where there is no terminal. */
export function statusLine(): StatusLine {
  const { stderr } = process;
  let shown = "";
  const show = (line: string): void => {
    if (line === shown || !stderr.isTTY) return;
    stderr.write(`\r${line.padEnd(shown.length)}${line === "" ? "\r" : ""}`);
    shown = line;
  };
  return { show, [Symbol.dispose]: () => show("") };
}
