import { OptionError } from "../config.ts";
import type { ChildMessage } from "./children.ts";

// What all roles have in common.

export interface RoleOptions {
  /** A taken one means the next free one. */
  readonly port?: number | undefined;
  /** Data folder; default FASTCHAT_DATA or the system's usual place. */
  readonly data?: string | undefined;
}

/** Throws OptionError for what clients could not open a socket at. */
export function checkSocketUrl(url: string | undefined, example: string): void {
  if (url === undefined || (URL.canParse(url) && /^wss?:$/.test(new URL(url).protocol) && !url.includes("#"))) return;
  throw new OptionError(`--url is "${url}"; it must look like ${example}.`);
}

export const whyThere = (port: number, wanted: number): string =>
  wanted === 0 || port === wanted ? "" : ` (on port ${port}, since ${wanted} is taken)`;

/** To the parent where there is one, to people otherwise. */
export function announce(message: ChildMessage, toPeople: () => void): void {
  if (process.connected && process.send !== undefined) process.send(message);
  else toPeople();
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
