import { type ArgsDef, type CommandDef, defineCommand } from "citty";
import type { Role } from "@fastchat/server";
import { ourCommand } from "./config.ts";
import { type ExitCode, Failure, asFailure, exitCodes, usage } from "./failure.ts";

// The server, loaded only when it is asked for: its roles, and what whoever runs it asks.

const dataOption = { type: "string", valueHint: "DIR", description: "Folder that holds the whole state" } as const;
const portOption = { type: "string", valueHint: "N", description: "Port; a taken one means the next free one" } as const;

const definitions = {
  up: {
    description: "Run everything on this machine: database, gateway, chat servers",
    args: {
      servers: { type: "string", valueHint: "N", description: "Number of chat servers (2)" },
      port: portOption,
      url: { type: "string", valueHint: "URL", description: "What their addresses begin with, behind a proxy" },
      data: dataOption,
    },
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

async function run(role: Role, args: Readonly<Record<string, unknown>>): Promise<ExitCode> {
  try {
    const known: ArgsDef = definitions[role].args;
    const strange = Object.keys(args).find((name) => name !== "_" && !Object.hasOwn(known, name));
    if (strange !== undefined) throw usage(`There is no option --${strange}: see "${ourCommand} ${role} --help".`);
    const text = (option: string): string | undefined => (typeof args[option] === "string" ? args[option] : undefined);
    const server = await import("@fastchat/server");
    try {
      await server.runRole(
        role,
        {
          port: text("port"),
          data: text("data"),
          servers: text("servers"),
          url: text("url"),
          name: text("name"),
        },
        process.argv[1]!,
      );
    } catch (error) {
      throw error instanceof server.OptionError ? usage(error.message) : error;
    }
    return exitCodes.done;
  } catch (error) {
    const failure = error instanceof Failure ? error : asFailure(error);
    process.stderr.write(`fastchat: ${failure.message}\n`);
    return failure.exit;
  } finally {
    // A child's channel to its parent would keep it alive.
    if (process.connected) process.disconnect?.();
  }
}

export function roleCommand(role: Role): CommandDef {
  const { description, args } = definitions[role];
  return defineCommand({ meta: { name: role, description }, args: args as ArgsDef, run: ({ args: given }) => run(role, given) });
}

/** Throws the server's ConfigError with a sentence for people. */
export const openFilesAdmin = async (folder: string | undefined) => (await import("@fastchat/server")).openFilesAdmin(folder);

/** Throws the server's ConfigError with a sentence for people. */
export const openStrategyAdmin = async (folder: string | undefined) => (await import("@fastchat/server")).openStrategyAdmin(folder);
