import { stripVTControlCharacters } from "node:util";
import { type ArgsDef, defineCommand, renderUsage, runCommand } from "citty";
import { type Command, commonOptions, operatorOptions } from "./commands/command.ts";
import { type Branch, commands, type Load } from "./commands/tree.ts";
import { ourCommand, readConfig } from "./config.ts";
import { exitCodes, usage } from "./failure.ts";
import { openOutput } from "./output.ts";
import { safeLine } from "./safe-text.ts";

// The `fastchat` command.

const version = "0.1.0";

const loadClient: Load = () => import("./commands/client.ts").then(({ client }) => client);

/** Options that take a word, which is no command. */
const valueOptions = new Set(
  ["--timeout"].concat(Object.entries(commonOptions).flatMap(([name, { type }]) => (type === "string" ? [`--${name}`] : []))),
);

/** Where the command's name stands: options that every command takes may come before it. */
function commandIndex(words: readonly string[]): number {
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (!word.startsWith("-")) return index;
    if (valueOptions.has(word)) index++;
  }
  return -1;
}

/** The help of all commands, or of those of one branch. */
async function helpOf({ typed, description, isOperators = false, commands: table }: Level): Promise<string> {
  const named = Object.entries(table).map(async ([each, node]) => {
    const command = typeof node === "function" ? await node() : { meta: { name: each, description: node.description } };
    return [each, command] as const;
  });
  const subCommands = Object.fromEntries(await Promise.all(named));
  return renderUsage(
    defineCommand({ meta: { name: typed, version, description }, args: isOperators ? operatorOptions : commonOptions, subCommands }),
  );
}

/** Help with its colours only where they are wanted. */
const shown = (text: string): string => `${process.stdout.isTTY && readConfig().colour ? text : stripVTControlCharacters(text)}\n`;

const isHelp = (word: string): boolean => word === "--help" || word === "-h";

interface Level extends Omit<Branch, "commands"> {
  /** "fastchat", "fastchat group". */
  readonly typed: string;
  readonly commands: Readonly<Record<string, Load | Branch>>;
}

const top: Level = {
  typed: ourCommand,
  description:
    "Private messages between people who run their own server. Without a command: the terminal client; --quick [NAME]: QuickChat, which leaves nothing here.",
  alone: loadClient,
  commands,
};

async function main(words: readonly string[], level: Level = top): Promise<number> {
  const { typed, alone, commands: table } = level;
  const at = commandIndex(words);
  const name = at < 0 ? undefined : words[at]!;
  const before = at < 0 ? words : words.slice(0, at);
  if (table === commands && (before.includes("--version") || before.includes("-v"))) {
    process.stdout.write(`${version}\n`);
    return exitCodes.done;
  }
  // Behind it stands whose session it is, and no command.
  if (table === commands && before.includes("--quick")) return run(await loadClient(), typed, words);
  const rest = at < 0 ? [...words] : [...before, ...words.slice(at + 1)];
  if (name === undefined ? words.some(isHelp) : name === "help") {
    process.stdout.write(shown(await helpOf(level)));
    return exitCodes.done;
  }
  if (name === undefined && alone !== undefined) return run(await alone(), typed, rest);
  const node = name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
  if (typeof node === "object") return main(rest, { ...node, typed: `${typed} ${name}` });
  if (node !== undefined) return run(await node(), typed, rest);
  const said = `${typed} ${name ?? ""}`.slice(ourCommand.length + 1).trim();
  const example = Object.hasOwn(table, "list") ? "list" : Object.keys(table)[0];
  const sentence = name === undefined ? `Say what to do, as "${typed} ${example}"` : `There is no command "${safeLine(said)}"`;
  process.stderr.write(`fastchat: ${sentence}: see "${typed} --help".\n`);
  return exitCodes.usage;
}

/** `words`: all but the command's name. */
async function run(command: Command, typed: string, words: readonly string[]): Promise<number> {
  if ((words.includes("--") ? words.slice(0, words.indexOf("--")) : words).some(isHelp)) {
    process.stdout.write(shown(await renderUsage(command, { meta: { name: typed } })));
    return exitCodes.done;
  }
  try {
    const { result } = await runCommand(command, { rawArgs: [...words] });
    return typeof result === "number" ? result : exitCodes.done;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EARG")) throw error;
    // All that citty refuses by itself is a command without one of its words.
    const missing = Object.entries((await command.args) as ArgsDef).find(([name]) => error.message.endsWith(` ${name.toUpperCase()}`));
    const { name } = (await command.meta) as { readonly name: string };
    const sentence = `Say ${missing![1].description!.toLowerCase()}: ${typed} ${name} ${command.example ?? ""}`;
    openOutput(words.includes("--json")).fail(usage(`${sentence.trimEnd()}.`));
    return exitCodes.usage;
  }
}

process.exitCode = await main(process.argv.slice(2));
