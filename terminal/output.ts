import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { once } from "node:events";
import { type Failure } from "./failure.ts";
import { safeJson, safeLine } from "./safe-text.ts";

/** Where a command writes: lines for people, or one JSON object a line. */
export interface Output {
  readonly json: boolean;
  /** Aborts when whoever reads our output has gone. */
  readonly closed: AbortSignal;
  /** Resolves when there is room for more. `text` may be several lines; it has been made safe. */
  print(value: Readonly<Record<string, unknown>> & { readonly type: string }, text: string): Promise<void>;
  /** A remark beside the output, never mixed into it. */
  remark(sentence: string): void;
  fail(failure: Failure): void;
}

/** For the process's own streams. */
export function openOutput(json: boolean): Output {
  const gone = new AbortController();
  // A reader that has had enough (`| head -1`) is no error.
  process.stdout.on("error", () => gone.abort());
  const write = async (line: string): Promise<void> => {
    if (gone.signal.aborted) return;
    if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain", { signal: gone.signal }).catch(() => undefined);
  };
  return {
    json,
    closed: gone.signal,
    print: (value, text) => write(json ? safeJson(value) : text),
    remark: (sentence) => void process.stderr.write(`fastchat: ${safeLine(sentence)}\n`),
    fail: (failure) => {
      process.stderr.write(`fastchat: ${safeLine(failure.message)}\n`);
      if (json) void write(safeJson({ type: "error", code: failure.code, message: failure.message, exit: failure.exit }));
    },
  };
}

const LOOK_EVERY_MS = 200;
const STDOUT = 1;

/**
 * Calls back once when the reader of a piped output has gone, also while there is nothing to write, so that `tail | head -1` ends with its
 * reader. Nothing in Node tells this; opening a pipe for writing fails with ENXIO when nobody reads it (fifo(7)), on Linux also through
 * /proc. Elsewhere the next write tells it.
 */
export function watchReader(onGone: () => void): Disposable {
  const watched = process.platform === "linux" && fstatSync(STDOUT).isFIFO();
  const timer = watched
    ? setInterval(() => {
        try {
          closeSync(openSync(`/proc/self/fd/${STDOUT}`, constants.O_WRONLY | constants.O_NONBLOCK));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENXIO") return;
          clearInterval(timer);
          onGone();
        }
      }, LOOK_EVERY_MS)
    : undefined;
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
