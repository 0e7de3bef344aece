import { randomBytes } from "node:crypto";
import { chmodSync, realpathSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { openDatabase, type Database } from "./database.ts";
import { migrate } from "./migrate.ts";
import { startPostgres } from "../postgres/index.ts";

/** For tests: a real PostgreSQL and a fresh database in it; all of it is gone when disposed of. */
export interface TestPostgres extends AsyncDisposable {
  /** A new empty database's URL. */
  create(): Promise<string>;
}

// Made once for all tests of this user on this machine.
const templateFolder = join(realpathSync(tmpdir()), `fastchat-test-template-${process.getuid?.() ?? 0}`);

/** Starts the embedded PostgreSQL, or uses that of FASTCHAT_TEST_DATABASE_URL, whose user may create databases. */
export async function startTestPostgres(): Promise<TestPostgres> {
  await using stack = new AsyncDisposableStack();
  let url = process.env["FASTCHAT_TEST_DATABASE_URL"];
  if (url === undefined) {
    const folder = await mkdtemp(join(tmpdir(), "fastchat-test-"));
    // PostgreSQL's own user must be able to reach its folder within.
    chmodSync(folder, 0o755);
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    ({ url } = stack.use(await startPostgres({ dataFolder: join(folder, "postgres"), port: 0, templateFolder, log: () => undefined })));
  }
  const server = url;
  const created: string[] = [];
  stack.defer(async () => {
    const client = await connect(server);
    for (const name of created) await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await client.end();
  });
  const owned = stack.move();
  return {
    async create() {
      const name = `fastchat_test_${randomBytes(6).toString("hex")}`;
      const client = await connect(server);
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      created.push(name);
      const fresh = new URL(server);
      fresh.pathname = `/${name}`;
      return fresh.href;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A fresh, migrated database. */
export async function openTestDatabase(postgres: TestPostgres): Promise<Database> {
  const url = await postgres.create();
  await migrate(url);
  return openDatabase({ url, connections: 4, onIdleError: () => undefined });
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}
