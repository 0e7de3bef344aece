export { runGateway, runServer } from "./up/roles.ts";
export type { RoleOptions, ServerOptions } from "./up/roles.ts";
export { runUp } from "./up/up.ts";
export type { UpOptions } from "./up/up.ts";
export { ConfigError } from "./config.ts";
