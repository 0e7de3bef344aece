import type { ParentMessage } from "./children.ts";

export type End =
  /** SIGTERM or Ctrl-C: clients get the time to go elsewhere. */
  | "asked"
  /** The parent stops everything, or is gone: at once. */
  | "with-parent";

/**
 * Resolves when this process is to end. A child of `up` leaves Ctrl-C, which the terminal sends to all, to its parent. A second signal while it ends
 * means: at once.
 */
export function untilEnd(): Promise<End> {
  const isChild = process.connected;
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (isChild && signal === "SIGINT") return;
      if (asked) process.exit(1);
      asked = true;
      resolve("asked");
    };
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, onSignal);
    if (!isChild) return;
    process.once("disconnect", () => resolve("with-parent"));
    process.on("message", (message: ParentMessage) => {
      if (message.kind === "stop") resolve("with-parent");
    });
  });
}
