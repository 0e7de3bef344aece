import { randomBytes } from "node:crypto";
import { basename } from "node:path";
import pg from "pg";
import { type Database, openDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";

/** Names the PostgreSQL that tests share, with a role that may create databases; Vitest's global set-up starts one where nothing is named. */
export const testDatabaseVariable = "FASTCHAT_TEST_DATABASE_URL";
/** Names the folder of what all tests of one run share; its name tells the databases of this run from those of others. */
export const testFolderVariable = "FASTCHAT_TEST_FOLDER";

const databasesOfRun = (): string => {
  const run = basename(process.env[testFolderVariable] ?? "alone").toLowerCase();
  return `fastchat_test_${run.replaceAll(/[^a-z0-9]/g, "")}_`;
};

/** Shared by all tests of a run, and not removed by those who use it. */
export const nameOfShared = (what: string): string => databasesOfRun() + what;

/** Removes every database of this run that is left. */
export async function dropDatabasesOfRun(): Promise<void> {
  await using client = await connect(serverUrl());
  const { rows } = await client.query<{ datname: string }>("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", [
    databasesOfRun(),
  ]);
  for (const { datname } of rows) await client.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`);
}

/** For tests: a new database in the shared PostgreSQL, empty or a copy; removed when disposed. */
export class TestDatabase implements AsyncDisposable {
  readonly name: string;
  readonly url: string;

  private constructor(name: string) {
    this.name = name;
    this.url = Object.assign(new URL(serverUrl()), { pathname: `/${name}` }).href;
  }

  /** @param template name of the database to copy, which nobody may use meanwhile */
  static async create(template = "template1"): Promise<TestDatabase> {
    const database = new TestDatabase(databasesOfRun() + randomBytes(6).toString("hex"));
    await using client = await connect(serverUrl());
    await client.query(`CREATE DATABASE ${database.name} TEMPLATE ${template}`);
    return database;
  }

  /** Migrated, with a pool of connections that ends before the database does. */
  static async open(): Promise<OpenTestDatabase> {
    await using stack = new AsyncDisposableStack();
    const { url } = stack.use(await TestDatabase.create());
    await migrate(url);
    const database = stack.use(openDatabase({ url, connections: 4, onIdleError: () => undefined }));
    const owned = stack.move();
    return { url, database, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using client = await connect(serverUrl());
    await client.query(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
  }
}

export interface OpenTestDatabase extends AsyncDisposable {
  readonly url: string;
  readonly database: Database;
}

function serverUrl(): string {
  const url = process.env[testDatabaseVariable];
  if (url === undefined) throw new Error(`${testDatabaseVariable} is not set: run this with Vitest`);
  return url;
}

/** A connection that hears of its own end only when it is asked for something. */
export async function connect(url: string): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => undefined);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end().catch(() => undefined) });
}
