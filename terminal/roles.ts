import { type ArgsDef, type CommandDef, defineCommand } from "citty";
import { type ExitCode, Failure, asFailure, exitCodes, usage } from "./failure.ts";

// The server's roles. The server runs from its sources, outside the bundle, and is loaded only when it is asked for.

type Role = "up" | "gateway" | "server";

/** What the server offers to the command line: each runs until it is told to stop. */
interface ServerModule {
  readonly runUp: (options: Record<string, unknown>) => Promise<void>;
  readonly runGateway: (options: Record<string, unknown>) => Promise<void>;
  readonly runServer: (options: Record<string, unknown>) => Promise<void>;
}

const dataOption = { type: "string", valueHint: "DIR", description: "Folder that holds the whole state" } as const;
const portOption = { type: "string", valueHint: "N", description: "Port; a taken one means the next free one" } as const;

const definitions = {
  up: {
    description: "Run everything on this machine: database, gateway, chat servers",
    args: { servers: { type: "string", valueHint: "N", description: "Number of chat servers (2)" }, port: portOption, data: dataOption },
  },
  gateway: { description: "Run a gateway, for a cluster", args: { port: portOption, data: dataOption } },
  server: {
    description: "Run a chat server, which joins by itself",
    args: {
      port: portOption,
      url: { type: "string", valueHint: "URL", description: "Address it advertises" },
      name: { type: "string", valueHint: "NAME", description: "Its name" },
      data: dataOption,
    },
  },
} as const satisfies Record<Role, { description: string; args: ArgsDef }>;

function wholeNumber(text: unknown, option: string): number | undefined {
  if (text === undefined) return undefined;
  if (typeof text !== "string" || !/^\d{1,5}$/u.test(text)) throw usage(`--${option} needs a whole number.`);
  return Number(text);
}

async function runRole(role: Role, args: Readonly<Record<string, unknown>>): Promise<ExitCode> {
  try {
    const known: ArgsDef = definitions[role].args;
    const strange = Object.keys(args).find((name) => name !== "_" && !Object.hasOwn(known, name));
    if (strange !== undefined) throw usage(`There is no option --${strange}: see "fastchat ${role} --help".`);
    const { port, servers, data, url, name } = args;
    const options = { port: wholeNumber(port, "port"), servers: wholeNumber(servers, "servers"), data, url, name };
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    const entry = import.meta.resolve("@fastchat/server");
    const server = (await import(entry)) as ServerModule;
    const run = { up: server.runUp, gateway: server.runGateway, server: server.runServer }[role];
    await run(given);
    return exitCodes.done;
  } catch (error) {
    const failure = error instanceof Failure ? error : asFailure(error);
    process.stderr.write(`fastchat: ${failure.message}\n`);
    return failure.exit;
  }
}

export function roleCommand(role: Role): CommandDef {
  const { description, args } = definitions[role];
  return defineCommand({ meta: { name: role, description }, args: args as ArgsDef, run: ({ args: given }) => runRole(role, given) });
}
