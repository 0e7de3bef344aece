import { type ArgsDef, type CommandDef, defineCommand } from "citty";
import type { runGateway, runServer, runUp } from "@fastchat/server";
import { type ExitCode, Failure, asFailure, exitCodes, usage } from "./failure.ts";

// The server's roles. The server runs from its sources, outside the bundle, and is loaded only when it is asked for.

type Role = "up" | "gateway" | "server";

interface ServerModule {
  readonly runUp: typeof runUp;
  readonly runGateway: typeof runGateway;
  readonly runServer: typeof runServer;
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
    const text = (option: string): string | undefined => (typeof args[option] === "string" ? args[option] : undefined);
    const common = { port: wholeNumber(args["port"], "port"), data: text("data") };
    // Resolved only now, so that the bundle does not take the server in.
    const server = (await import(import.meta.resolve("@fastchat/server"))) as ServerModule;
    if (role === "up") await server.runUp({ ...common, servers: wholeNumber(args["servers"], "servers") });
    else if (role === "gateway") await server.runGateway(common);
    else await server.runServer({ ...common, url: text("url"), name: text("name") });
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
