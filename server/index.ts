export { OptionError } from "./config.ts";
export { runRole } from "./up/run-role.ts";
export type { Role } from "./up/run-role.ts";
