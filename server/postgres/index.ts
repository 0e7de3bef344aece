export { type EmbeddedPostgres, type EmbeddedPostgresOptions, startPostgres } from "./postgres.ts";
export { PostgresStartError } from "./start-error.ts";
