import { once } from "node:events";
import type { Failure } from "./failure.ts";
import { wrap } from "./cells.ts";
import { safeJson, safeLine } from "./safe-text.ts";

/** Where a command writes: lines for people, or one JSON object a line. */
export interface Output {
  readonly json: boolean;
  /** Aborts when whoever reads our output has gone. */
  readonly closed: AbortSignal;
  /** Resolves when there is room for more. `text` may be several lines and has been made safe; undefined: nothing that people need. */
  print(value: Readonly<Record<string, unknown>> & { readonly type: string }, text: string | undefined): Promise<void>;
  /** A line for a person at a terminal; nothing with --json or in pipes. */
  tell(sentence: string): void;
  /** A remark beside the output, never mixed into it. */
  remark(sentence: string): void;
  fail(failure: Failure): void;
}

/** Sentences as a terminal shows them, which would break them within words; elsewhere as they are. */
export const wrapped = (text: string, stream: Pick<NodeJS.WriteStream, "isTTY" | "columns"> = process.stdout): string =>
  stream.isTTY && stream.columns > 0
    ? wrap(text, stream.columns)
        .map((row) => row.text)
        .join("\n")
    : text;

/** For the process's own streams. */
export function openOutput(json: boolean): Output {
  const gone = new AbortController();
  // A reader that has had enough (`| head -1`) is no error.
  process.stdout.on("error", () => gone.abort());
  const write = async (line: string | undefined): Promise<void> => {
    if (line === undefined || gone.signal.aborted) return;
    if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain", { signal: gone.signal }).catch(() => undefined);
  };
  const remark = (sentence: string): void => void process.stderr.write(`${wrapped(`fastchat: ${safeLine(sentence)}`, process.stderr)}\n`);
  return {
    json,
    closed: gone.signal,
    print: (value, text) => write(json ? safeJson(value) : text),
    tell: (sentence) => {
      if (!json && process.stdout.isTTY) void write(wrapped(safeLine(sentence)));
    },
    remark,
    fail: (failure) => {
      remark(failure.message);
      if (json) void write(safeJson({ type: "error", code: failure.code, message: failure.message, exit: failure.exit }));
    },
  };
}
