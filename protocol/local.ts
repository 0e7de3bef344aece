import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

// What a server and the clients on its machine agree on, beside the wire. For Node alone.

/** What a running `fastchat up` leaves in its data folder, so that clients on this machine find it. Readable by everybody. */
export interface UpState {
  /** http://host:port */
  readonly gateway: string;
  readonly pid: number;
}

export const upStateFile = "state.json";
/** Where the gateway listens when nobody says otherwise and the port is free. */
export const defaultGatewayPort = 8_080;

const SYSTEM_DATA_FOLDER = "/var/lib/fastchat";

/**
 * Where a server keeps its state when nobody says otherwise: root's is the system's place for services, which PostgreSQL's
 * own user can reach even when root's home and the checkout are closed to others; everybody else's is in the home folder.
 */
export function defaultDataFolder(environment: NodeJS.ProcessEnv): string {
  if (environment["FASTCHAT_DATA"]) return environment["FASTCHAT_DATA"];
  return process.getuid?.() === 0 ? SYSTEM_DATA_FOLDER : homeDataFolder(environment);
}

/** The data folders in which a client looks for a running server, in order. */
export function dataFoldersToSearch(environment: NodeJS.ProcessEnv): readonly string[] {
  return [...new Set([defaultDataFolder(environment), homeDataFolder(environment), SYSTEM_DATA_FOLDER])];
}

/** Undefined: no `up` ran here, or it was stopped. After `kill -9` the file is still there. */
export async function readUpState(folder: string): Promise<UpState | undefined> {
  try {
    const read: unknown = JSON.parse(await readFile(join(folder, upStateFile), "utf8"));
    if (typeof read !== "object" || read === null) return undefined;
    const { gateway, pid } = read as Partial<Record<keyof UpState, unknown>>;
    return typeof gateway === "string" && typeof pid === "number" ? { gateway, pid } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * How the person who runs this types our command: npm (10 to 12) says so in the environment of what `npx`, `npm exec` and `npm start` run,
 * and whoever uses those has no `fastchat` on the PATH.
 */
export const commandTyped = (environment: NodeJS.ProcessEnv): string =>
  environment["npm_command"] === undefined ? "fastchat" : "npx fastchat";

function homeDataFolder(environment: NodeJS.ProcessEnv): string {
  return join(environment["XDG_DATA_HOME"] || join(environment["HOME"] || homedir(), ".local", "share"), "fastchat");
}
