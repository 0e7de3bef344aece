import { createInterface } from "node:readline/promises";
import { Failure, asFailure, exitCodes, usage } from "./failure.ts";
import { type Output, wrapped } from "./output.ts";

// Questions are put on the error stream, so that output stays clean.

const DELETE = "\u007f";
const INTERRUPT = "\u0003";
const END = "\u0004";

/** The first lines of standard input; "" for each that is not there. */
async function firstLines(count: number): Promise<string[]> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.split("\n").length > count) break;
  }
  const lines = text.split(/\r?\n/u);
  return Array.from({ length: count }, (_, place) => lines[place] ?? "");
}

const firstLine = async (): Promise<string> => (await firstLines(1))[0]!;

interface SecretPrompt extends Disposable {
  ask(words: string): Promise<string>;
}

/**
 * Asks at the terminal without echo. Until it is disposed nothing that is typed is shown, also between two questions, and it counts as the
 * beginning of the next answer. Ctrl-C throws Failure in a question, and ends the process between two.
 */
function openSecretPrompt(): SecretPrompt {
  const { stdin, stderr } = process;
  const lines: string[] = [];
  let line = "";
  let asked: PromiseWithResolvers<string> | undefined;
  const answer = (): void => {
    if (asked === undefined || lines.length === 0) return;
    stderr.write("\n");
    asked.resolve(lines.shift()!);
    asked = undefined;
  };
  const interrupt = (): void => {
    if (asked !== undefined) return asked.reject(new Failure(exitCodes.refused, "cancelled", "Cancelled."));
    close();
    process.kill(process.pid, "SIGINT");
  };
  const hear = (chunk: string): void => {
    for (const character of chunk.replaceAll("\r\n", "\n")) {
      if (character === INTERRUPT || (character === END && line === "")) interrupt();
      else if (character === "\r" || character === "\n") {
        lines.push(line);
        line = "";
      } else if (character === DELETE || character === "\b") line = line.replace(/.$/su, "");
      else if (!/\p{Cc}/u.test(character)) line += character;
    }
    answer();
  };
  const close = (): void => {
    stdin.off("data", hear).off("end", interrupt).pause();
    stdin.setRawMode(false);
    if (asked !== undefined) stderr.write("\n");
  };
  stdin.setEncoding("utf8").setRawMode(true);
  // An earlier question may have paused it.
  stdin.on("data", hear).on("end", interrupt).resume();
  return {
    ask(words) {
      stderr.write(words);
      asked = Promise.withResolvers();
      const { promise } = asked;
      answer();
      return promise;
    },
    [Symbol.dispose]: close,
  };
}

export interface PasswordSource {
  readonly fromStdin: boolean;
  /** FASTCHAT_PASSWORD. */
  readonly given: string | undefined;
  readonly output: Pick<Output, "remark">;
}

export interface Password {
  readonly text: string;
  /** Has the person type a new password once more; nothing where it was not typed. Throws Failure when the two differ. */
  readonly confirm: () => Promise<void>;
}

const PASSWORD_TRIES = 3;
/** Codes of failures after which another password may do. */
const ABOUT_PASSWORD: ReadonlySet<string> = new Set([
  "empty-password",
  "passwords-differ",
  "same-password",
  "weak-password",
  "wrong-password",
  "wrong-recovery-words",
]);

/**
 * What `attempt` makes of the password from standard input, the environment, or the person, who may type another one when it fails because of
 * the one just typed. Throws Failure.
 */
export async function withPassword<Result>(
  { fromStdin, given, output }: PasswordSource,
  attempt: (password: Password) => Promise<Result>,
): Promise<Result> {
  const known = fromStdin ? await firstLine() : given;
  if (known === "") throw usage("The password is empty: type one, or give it with --password-stdin or FASTCHAT_PASSWORD.");
  if (known !== undefined) return attempt({ text: known, confirm: async () => undefined });
  if (!process.stdin.isTTY)
    throw usage("There is no terminal to ask for the password: give it with --password-stdin or FASTCHAT_PASSWORD.");
  return withPrompt(output, async (prompt) => attempt(await typedPassword(prompt)));
}

/** Has the person type once more what fails because of what was typed. */
async function withPrompt<Result>(output: PasswordSource["output"], attempt: (prompt: SecretPrompt) => Promise<Result>): Promise<Result> {
  using prompt = openSecretPrompt();
  for (let tries = 1; ; tries++) {
    try {
      return await attempt(prompt);
    } catch (error) {
      const failure = asFailure(error);
      if (tries === PASSWORD_TRIES || !ABOUT_PASSWORD.has(failure.code)) throw error;
      output.remark(failure.message);
    }
  }
}

/** One of several secrets. */
export interface SecretQuestion {
  /** "New password: ". */
  readonly words: string;
  /** From the environment. */
  readonly given: string | undefined;
  /** A new one is typed twice. */
  readonly again?: boolean;
}

/**
 * The same with several secrets, one a line where they come from standard input; the person may type all of them once more. Throws Failure.
 */
export async function withSecrets<Result>(
  questions: readonly SecretQuestion[],
  { fromStdin, output }: Omit<PasswordSource, "given">,
  attempt: (secrets: readonly string[]) => Promise<Result>,
): Promise<Result> {
  const lines = fromStdin ? await firstLines(questions.length) : [];
  const given = questions.map((question, place) => lines[place] ?? question.given);
  const empty = given.indexOf("");
  if (empty >= 0)
    throw usage(`Nothing is given for "${questions[empty]!.words.replace(": ", "")}": each is a line of standard input, or a variable.`);
  const known = given.filter((secret) => secret !== undefined);
  if (known.length === questions.length) return attempt(known);
  if (!process.stdin.isTTY)
    throw usage("There is no terminal to ask at: give what is asked on standard input, one a line, with --password-stdin.");
  return withPrompt(output, async (prompt) => {
    const typed: string[] = [];
    for (const [place, { words, again }] of questions.entries()) {
      const text = given[place] ?? (await prompt.ask(words));
      if (text === "") throw new Failure(exitCodes.refused, "empty-password", "Nothing was typed: try again.");
      if (given[place] === undefined && again === true && (await prompt.ask("Again: ")) !== text)
        throw new Failure(exitCodes.refused, "passwords-differ", "The two passwords differ: try again.");
      typed.push(text);
    }
    return attempt(typed);
  });
}

/** The failure for a new password, or a passphrase, that is too easy. */
export const weakPassword = (suggestion: string, what: "password" | "passphrase" = "password"): Failure =>
  new Failure(exitCodes.refused, "weak-password", `That ${what} is too easy to guess: take a longer one, for example "${suggestion}".`);

async function typedPassword(prompt: SecretPrompt): Promise<Password> {
  const text = await prompt.ask("Password: ");
  if (text === "") throw new Failure(exitCodes.refused, "empty-password", "The password is empty: type one.");
  let isConfirmed = false;
  const confirm = async (): Promise<void> => {
    // A sign-up that is tried again for want of services need not ask again.
    isConfirmed ||= (await prompt.ask("Again: ")) === text;
    if (!isConfirmed) throw new Failure(exitCodes.refused, "passwords-differ", "The two passwords differ: try again.");
  };
  return { text, confirm };
}

/** What the person types at the terminal, seen by all; other questions may follow. Throws Failure when it is cancelled. */
export async function askLine(words: string): Promise<string> {
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const cancel = (): void => reject(new Failure(exitCodes.refused, "cancelled", "Cancelled."));
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.once("SIGINT", cancel).once("close", cancel);
  try {
    return await Promise.race([lines.question(words), cancelled]);
  } finally {
    lines.close();
  }
}

/** A question for yes or no; no without a terminal. */
export async function confirm(words: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  // Also behind a password, which leaves the stream paused.
  const lines = createInterface({ input: process.stdin });
  const { promise: answer, resolve } = Promise.withResolvers<string>();
  lines.once("line", resolve).once("close", () => resolve(""));
  process.stderr.write(`${wrapped(`${words} [y/N]`, process.stderr)} `);
  const line = await answer;
  lines.close();
  return /^y(es)?$/iu.test(line.trim());
}
