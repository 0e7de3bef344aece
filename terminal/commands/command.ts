import { type ArgsDef, type CommandDef, type ParsedArgs, defineCommand } from "citty";
import { type Config, readConfig } from "../config.ts";
import { type ExitCode, asFailure, exitCodes, usage } from "../failure.ts";
import { type Output, openOutput } from "../output.ts";
import { staying } from "../patience.ts";
import type { PlaceOptions } from "../place.ts";

/** Options that every command takes. */
export const commonOptions = {
  json: { type: "boolean", description: "One JSON object a line (docs/commands.md)" },
  profile: { type: "string", valueHint: "NAME", description: "Which account on this machine" },
  home: { type: "string", valueHint: "DIR", description: "Folder of all profiles" },
  gateway: { type: "string", valueHint: "URL", description: "The server to sign in at" },
} as const satisfies ArgsDef;

/** Of those, what a command takes that is nobody's: it runs with the server's environment, and there is no profile in it. */
export const operatorOptions = { json: commonOptions.json } as const satisfies ArgsDef;

export const passwordOptions = {
  "password-stdin": { type: "boolean", description: "Read the password from standard input" },
} as const satisfies ArgsDef;

export const timeoutOption = { type: "string", valueHint: "TIME", description: "How long to wait, as 30s" } as const;

/** A command as the command line finds it. */
export type Command = CommandDef & {
  /** Words that it could be written with. */
  readonly example?: string;
};

export interface CommandContext {
  readonly config: Config;
  readonly output: Output;
  readonly place: PlaceOptions;
  /** Positional arguments as they were written. */
  readonly words: readonly string[];
  /** The values of these options, each as often as it was written, in that order. */
  readonly each: <Name extends string>(...names: readonly Name[]) => readonly { readonly name: Name; readonly value: string }[];
}

/** A command's own options: none can take the place of one that every command takes. What is nobody's may name a server of its own. */
type OwnArgs<Args extends ArgsDef> = Args & { readonly [Name in Exclude<keyof typeof commonOptions, "gateway">]?: never };

export interface Definition<Args extends ArgsDef, Context = CommandContext> {
  readonly name: string;
  readonly description: string;
  /** Words that it could be written with, for who left some out; "bob". */
  readonly example?: string;
  readonly args: OwnArgs<Args>;
  /** For whoever runs the server: no account's options. */
  readonly isOperators?: boolean;
  /** Takes any number of words at its end. */
  readonly manyWords?: boolean;
  readonly run: (context: Context, args: ParsedArgs<Args & typeof commonOptions>) => Promise<ExitCode | void>;
}

const camel = (name: string): string => name.replace(/-([a-z])/gu, (_, letter: string) => letter.toUpperCase());

/** Says what was written that the command does not know. Throws Failure. */
function check(args: Readonly<Record<string, unknown>>, known: ArgsDef, words: readonly string[], manyWords: boolean): void {
  const names = new Set(Object.keys(known).flatMap((name) => [name, camel(name)]));
  for (const [name, value] of Object.entries(args)) {
    if (name === "_") continue;
    if (!names.has(name))
      throw usage(
        `There is no option ${name.length === 1 ? "-" : "--"}${name}: see --help, or write -- before a text that begins with a dash.`,
      );
    const definition = known[name];
    if (definition?.type === "string" && value === "") throw usage(`--${name} needs a value.`);
  }
  const most = Object.values(known).filter(({ type }) => type === "positional").length;
  if (!manyWords && words.length > most)
    throw usage(`"${words[most]}" is one word too many: put quotes around what has spaces, or see --help.`);
}

/** The parser keeps the last value of an option alone. */
const eachOf =
  (rawArgs: readonly string[]): CommandContext["each"] =>
  (...names) => {
    const end = rawArgs.indexOf("--");
    const options = end === -1 ? rawArgs : rawArgs.slice(0, end);
    return options.flatMap((word, index) => {
      const name = names.find((each) => word === `--${each}` || word.startsWith(`--${each}=`));
      if (name === undefined) return [];
      const value = word === `--${name}` ? options[index + 1] : word.slice(name.length + 3);
      return value === undefined ? [] : [{ name, value }];
    });
  };

/** A command of the command line: reads its options, runs, and says in one sentence what went wrong. Its result is the exit code. */
export function command<const Args extends ArgsDef>({
  name,
  description,
  example = "bob",
  args,
  isOperators = false,
  manyWords = false,
  run,
}: Definition<Args>): Command {
  const all = { ...args, ...(isOperators ? operatorOptions : commonOptions) };
  const definition = defineCommand({
    meta: { name, description },
    args: all,
    async run({ args: given, rawArgs }) {
      const parsed = given as unknown as ParsedArgs<Args & typeof commonOptions>;
      const plain = given as Readonly<Record<string, unknown>> & { readonly _: readonly string[] };
      using _ = staying();
      const output = openOutput(plain["json"] === true);
      try {
        check(plain, all, plain._, manyWords);
        const text = (key: string): string | undefined => (typeof plain[key] === "string" ? plain[key] : undefined);
        const place = { home: text("home"), profile: text("profile"), gateway: text("gateway") };
        return (await run({ config: readConfig(), output, place, words: plain._, each: eachOf(rawArgs) }, parsed)) ?? exitCodes.done;
      } catch (error) {
        const failure = asFailure(error);
        output.fail(failure);
        return failure.exit;
      }
    },
  }) as unknown as CommandDef;
  return { ...definition, example };
}
