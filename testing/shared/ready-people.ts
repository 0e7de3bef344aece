import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect, nameOfShared } from "../../server/store/test-database.ts";
import type { Shared } from "./shared.ts";

/**
 * People who are signed up already in the system that a test starts. The password is hashed slowly on purpose, so they are made once for all
 * tests: a database with their accounts, of which each system gets a copy, and profiles of theirs, of which a test copies those it needs.
 */
export interface ReadyPeople {
  /** The database to copy. */
  readonly database: string;
  /** The gateway's, which belongs to the sign-in records. */
  readonly secretFile: string;
  /** Their profiles, named after them. */
  readonly home: string;
  readonly passwords: ReadonlyMap<string, string>;
}

export const peopleDatabase = (): string => nameOfShared("people");
/** Of a lock in PostgreSQL: whoever comes first makes the people, the others wait. */
const LOCK = 7_243_001;

let known: Promise<ReadyPeople> | undefined;

export function readyPeople(place: Shared): Promise<ReadyPeople> {
  known ??= makeOnce(place);
  return known;
}

async function makeOnce(place: Shared): Promise<ReadyPeople> {
  const folder = join(place.folder, "people");
  await using client = await connect(place.databaseUrl);
  await client.query("SELECT pg_advisory_lock($1)", [LOCK]);
  if (!existsSync(folder)) {
    // It starts a system itself, which would be a circle of imports.
    await promisify(execFile)(process.execPath, [join(import.meta.dirname, "make-people.ts"), folder]);
  }
  const passwords = JSON.parse(readFileSync(join(folder, "passwords.json"), "utf8")) as [string, string][];
  return { database: peopleDatabase(), secretFile: join(folder, "secret.json"), home: join(folder, "home"), passwords: new Map(passwords) };
}
