import { Failure, exitCodes, usage } from "./failure.ts";

// Questions are put on the error stream, so that output stays clean.

const DELETE = "\u007f";
const INTERRUPT = "\u0003";
const END = "\u0004";

/** One line of standard input, which is read to its end. Throws Failure when there is none. */
async function firstLine(): Promise<string> {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  return text.split(/\r?\n/u)[0]!;
}

/** Reads a line from the terminal, without echo when it is a secret. */
async function question(words: string, secret: boolean): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(words);
  stdin.setEncoding("utf8");
  if (secret) stdin.setRawMode(true);
  let line = "";
  try {
    for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
      for (const character of String(chunk)) {
        if (character === "\r" || character === "\n") return line;
        if (character === INTERRUPT || (character === END && line === "")) throw new Failure(exitCodes.refused, "cancelled", "Cancelled.");
        if (character === DELETE || character === "\b") line = line.replace(/.$/su, "");
        else if (!/\p{Cc}/u.test(character)) line += character;
      }
    }
    return line;
  } finally {
    if (secret) {
      stdin.setRawMode(false);
      stderr.write("\n");
    }
    stdin.pause();
  }
}

export interface PasswordSource {
  readonly fromStdin: boolean;
  /** FASTCHAT_PASSWORD. */
  readonly given: string | undefined;
  /** A new password is typed twice. */
  readonly twice: boolean;
}

/** From standard input, the environment, or the person. */
export async function askPassword({ fromStdin, given, twice }: PasswordSource): Promise<string> {
  const password = fromStdin ? await firstLine() : (given ?? (await typedPassword(twice)));
  if (password === "") throw usage("The password is empty: type one, or give it with --password-stdin or FASTCHAT_PASSWORD.");
  return password;
}

async function typedPassword(twice: boolean): Promise<string> {
  if (!process.stdin.isTTY)
    throw usage("There is no terminal to ask for the password: give it with --password-stdin or FASTCHAT_PASSWORD.");
  const password = await question("Password: ", true);
  if (twice && password !== "" && (await question("Again: ", true)) !== password) throw usage("The two passwords differ: try again.");
  return password;
}

/** A question for yes or no; no without a terminal. */
export async function confirm(words: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false;
  return /^y(es)?$/iu.test((await question(`${words} [y/N] `, false)).trim());
}
