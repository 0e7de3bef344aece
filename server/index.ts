import type { FilesAdmin } from "./admin/files-admin.ts";
import type { StrategyAdmin } from "./admin/strategy-admin.ts";

export { OptionError } from "./config.ts";
export { runRole } from "./up/run-role.ts";
export type { Role } from "./up/run-role.ts";

/** Loads what it needs when it is asked for, as `runRole` does. Throws ConfigError with a sentence for people. */
export async function openFilesAdmin(folder?: string): Promise<FilesAdmin> {
  return (await import("./admin/files-admin.ts")).openFilesAdmin(folder);
}

/** The same. */
export async function openStrategyAdmin(folder?: string): Promise<StrategyAdmin> {
  return (await import("./admin/strategy-admin.ts")).openStrategyAdmin(folder);
}
