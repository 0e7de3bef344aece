import type { ReadStream, WriteStream } from "node:tty";
import { type PictureTerminal, QUESTIONS, answered } from "./terminal.ts";

/** Terminals on this machine answer within a few milliseconds; over a slow line half-blocks do as well. */
const PATIENCE_MS = 150;

/**
 * Asks the terminal what it can show, before anybody else reads from it. What is typed meanwhile is put back, in its order; an answer that
 * comes too late is dropped by Ink, as every control sequence is that stands for no key.
 */
export async function askTerminal(terminal: PictureTerminal, input: ReadStream, output: WriteStream): Promise<PictureTerminal> {
  if (!isWorthAsking(terminal)) return terminal;
  let heard = "";
  const done = Promise.withResolvers<void>();
  const hear = (): void => {
    for (let bytes = input.read() as Buffer | null; bytes !== null; bytes = input.read() as Buffer | null)
      heard += bytes.toString("latin1");
    if (answered(terminal, heard).isLast) done.resolve();
  };
  // And not by "data": that would have to be paused again, and what was paused while it waited does not go on for the next reader.
  input.on("readable", hear);
  output.write(QUESTIONS);
  const timer = setTimeout(done.resolve, PATIENCE_MS);
  await done.promise;
  clearTimeout(timer);
  input.off("readable", hear);
  // Whoever reads next holds the process open.
  input.unref();
  const { terminal: known, typed } = answered(terminal, heard);
  if (typed !== "") input.unshift(Buffer.from(typed, "latin1"));
  return known;
}

/** What has no use for the answers, and tmux, which would answer for itself. */
const isWorthAsking = ({ protocol, maybeSixel, inTmux }: PictureTerminal): boolean =>
  !inTmux && (maybeSixel || (protocol !== "none" && protocol !== "half-blocks"));
