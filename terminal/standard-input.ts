import { usage } from "./failure.ts";

/** Standard input as one message, without its last newline. Throws Failure when it is longer than so many bytes of UTF-8. */
export async function wholeText(longest: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > longest + 2) throw tooLong(longest);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/u, "");
  if (Buffer.byteLength(text) > longest) throw tooLong(longest);
  return text;
}

const tooLong = (longest: number, line?: number) =>
  usage(
    `${line === undefined ? "The text" : `Line ${line}`} is too long for one message, which holds ${longest / 1024} KiB: make it shorter.`,
  );

export interface LineOptions {
  readonly atOnce: number;
  /** Bytes of UTF-8. */
  readonly longest: number;
}

/**
 * The lines of a stream, in batches: what has come so far is given out before more is waited for, so that slow input is sent as it
 * comes. Empty lines are left out. Throws Failure at a line that is too long, after all before it.
 */
export async function* linesOf(stream: AsyncIterable<Buffer>, { atOnce, longest }: LineOptions): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  let rest = "";
  let number = 0;
  let batch: string[] = [];
  const take = (line: string): void => {
    number++;
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text !== "") batch.push(text);
  };
  const isLong = (line: string): boolean => line.length > longest || Buffer.byteLength(line) > longest;
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (isLong(line)) {
        if (batch.length > 0) yield batch;
        throw tooLong(longest, number + 1);
      }
      take(line);
      if (batch.length < atOnce) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
    batch = [];
    if (isLong(rest)) throw tooLong(longest, number + 1);
  }
  rest += decoder.decode();
  if (rest !== "") take(rest);
  if (batch.length > 0) yield batch;
}
