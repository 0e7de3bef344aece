import { stripVTControlCharacters } from "node:util";
import { type ArgsDef, type CommandDef, defineCommand, renderUsage, runCommand } from "citty";
import { commonOptions } from "./commands/command.ts";
import { ourCommand, readConfig } from "./config.ts";
import { exitCodes, usage } from "./failure.ts";
import { openOutput } from "./output.ts";
import { safeLine } from "./safe-text.ts";

// The `fastchat` command. Each command is loaded when it is asked for; only the client without arguments loads Ink and React.

const version = "0.1.0";

/** Loaders by name, in the order of the help. */
const commands: Readonly<Record<string, () => Promise<CommandDef>>> = {
  up: () => import("./roles.ts").then(({ roleCommand }) => roleCommand("up")),
  gateway: () => import("./roles.ts").then(({ roleCommand }) => roleCommand("gateway")),
  server: () => import("./roles.ts").then(({ roleCommand }) => roleCommand("server")),
  signup: () => import("./commands/signup.ts").then(({ signup }) => signup),
  signin: () => import("./commands/signin.ts").then(({ signin }) => signin),
  signout: () => import("./commands/signout.ts").then(({ signout }) => signout),
  whoami: () => import("./commands/whoami.ts").then(({ whoami }) => whoami),
  people: () => import("./commands/people.ts").then(({ people }) => people),
  conversations: () => import("./commands/conversations.ts").then(({ conversations }) => conversations),
  send: () => import("./commands/send.ts").then(({ send }) => send),
  read: () => import("./commands/read.ts").then(({ read }) => read),
  tail: () => import("./commands/tail.ts").then(({ tail }) => tail),
  wait: () => import("./commands/wait.ts").then(({ wait }) => wait),
  verify: () => import("./commands/verify.ts").then(({ verify }) => verify),
};

const loadClient = (): Promise<CommandDef> => import("./commands/client.ts").then(({ client }) => client);

const valueOptions = new Set(Object.entries(commonOptions).flatMap(([name, { type }]) => (type === "string" ? [`--${name}`] : [])));

/** Where the command's name stands: options that every command takes may come before it. */
function commandIndex(words: readonly string[]): number {
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    if (!word.startsWith("-")) return index;
    if (valueOptions.has(word)) index++;
  }
  return -1;
}

async function help(): Promise<string> {
  const all = await Promise.all(Object.entries(commands).map(async ([name, load]) => [name, await load()] as const));
  const main = defineCommand({
    meta: {
      name: ourCommand,
      version,
      description: "Private messages between people who run their own server. Without a command: the terminal client.",
    },
    args: commonOptions,
    subCommands: Object.fromEntries(all),
  });
  return renderUsage(main);
}

/** Help with its colours only where they are wanted. */
const shown = (text: string): string => `${process.stdout.isTTY && readConfig().colour ? text : stripVTControlCharacters(text)}\n`;

async function main(words: readonly string[]): Promise<number> {
  const at = commandIndex(words);
  const name = at < 0 ? undefined : words[at]!;
  const before = at < 0 ? words : words.slice(0, at);
  if (before.includes("--version") || before.includes("-v")) {
    process.stdout.write(`${version}\n`);
    return exitCodes.done;
  }
  const rest = at < 0 ? [...words] : [...before, ...words.slice(at + 1)];
  const asksHelp = rest.includes("--")
    ? rest.slice(0, rest.indexOf("--")).includes("--help")
    : rest.includes("--help") || rest.includes("-h");
  if (name === undefined ? asksHelp : name === "help") {
    process.stdout.write(shown(await help()));
    return exitCodes.done;
  }
  const load = name === undefined ? loadClient : Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    process.stderr.write(`fastchat: There is no command "${safeLine(name!)}": see "${ourCommand} --help".\n`);
    return exitCodes.usage;
  }
  const command = await load();
  if (asksHelp) {
    process.stdout.write(shown(await renderUsage(command, { meta: { name: ourCommand } })));
    return exitCodes.done;
  }
  try {
    const { result } = await runCommand(command, { rawArgs: rest });
    return typeof result === "number" ? result : exitCodes.done;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EARG")) throw error;
    // All that citty refuses by itself is a command without its first word, which is somebody's name.
    const [missing] = Object.values((await command.args) as ArgsDef);
    const example = `${ourCommand} ${name} bob${name === "send" ? " hello" : ""}`;
    openOutput(rest.includes("--json")).fail(usage(`Say ${missing!.description!.toLowerCase()}: ${example}.`));
    return exitCodes.usage;
  }
}

process.exitCode = await main(process.argv.slice(2));
