import { join } from "node:path";
import { startPostgres } from "../../server/postgres/index.ts";
import { dropDatabasesOfRun } from "../../server/store/test-database.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import { templateIn, variables } from "./shared.ts";

const owned = new AsyncDisposableStack();

/**
 * Before all tests: a folder for what they share, and a PostgreSQL in which each takes databases of its own (FASTCHAT_TEST_DATABASE_URL names
 * another one, whose user may create databases).
 */
export async function setup(): Promise<void> {
  const folder = owned.use(new TemporaryFolder()).path;
  process.env[variables.folder] = folder;
  if (process.env[variables.databaseUrl] !== undefined) {
    owned.defer(dropDatabasesOfRun);
    return;
  }
  const options = { dataFolder: join(folder, "postgres"), templateFolder: templateIn(folder), port: 0, log: () => {} };
  process.env[variables.databaseUrl] = owned.use(await startPostgres(options)).url;
}

export const teardown = (): Promise<void> => owned.disposeAsync();
