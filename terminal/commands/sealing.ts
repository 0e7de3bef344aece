import type { Client } from "@fastchat/client";

/**
 * While a new key is sealed to the members of a large group: one line on a terminal's error stream, rewritten in place, and gone when it is
 * over. Nothing where there is no terminal.
 */
export function showSealing(client: Client): Disposable {
  const { stderr } = process;
  if (!stderr.isTTY) return { [Symbol.dispose]: () => undefined };
  let shown = "";
  const show = (line: string): void => {
    if (line === shown) return;
    stderr.write(`\r${line.padEnd(shown.length)}${line === "" ? "\r" : ""}`);
    shown = line;
  };
  const unsubscribe = client.subscribe((event) => {
    if (event.kind !== "sealing") return;
    const { done, total } = event;
    show(done >= total ? "" : `Sealing a new key for the group: ${done.toLocaleString("en")} of ${total.toLocaleString("en")}`);
  });
  return {
    [Symbol.dispose]: () => {
      unsubscribe();
      show("");
    },
  };
}
