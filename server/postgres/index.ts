export { type EmbeddedPostgres, type EmbeddedPostgresOptions, startPostgres } from "./postgres.ts";
export { defaultDataFolder } from "./owner.ts";
export { PostgresStartError } from "./start-error.ts";
