import { join } from "node:path";
import { startPostgres } from "../../server/postgres/index.ts";
import { TemporaryFolder } from "../temporary-folder.ts";
import { templateIn, variables } from "./shared.ts";

/**
 * Before all tests: a folder for what they share, and a PostgreSQL in which each takes databases of its own (FASTCHAT_TEST_DATABASE_URL names
 * another one, whose user may create databases). Gives what removes both.
 */
export default async function setUp(): Promise<() => Promise<void>> {
  await using building = new AsyncDisposableStack();
  const folder = building.use(new TemporaryFolder()).path;
  process.env[variables.folder] = folder;
  if (process.env[variables.databaseUrl] === undefined) {
    const options = { dataFolder: join(folder, "postgres"), templateFolder: templateIn(folder), port: 0, log: () => {} };
    process.env[variables.databaseUrl] = building.use(await startPostgres(options)).url;
  }
  const built = building.move();
  return () => built.disposeAsync();
}
