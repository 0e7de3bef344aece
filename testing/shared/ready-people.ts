import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { signUpPeople } from "../person.ts";
import { startSystem } from "../system.ts";
import { connect, TestDatabase } from "../../server/store/test-database.ts";
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

const names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia", "peggy"];
const database = "fastchat_test_people";
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
  if (!existsSync(folder)) await make(place, folder);
  const passwords = JSON.parse(readFileSync(join(folder, "passwords.json"), "utf8")) as [string, string][];
  return { database, secretFile: join(folder, "secret.json"), home: join(folder, "home"), passwords: new Map(passwords) };
}

async function make(place: Shared, folder: string): Promise<void> {
  const partial = `${folder}.partial`;
  mkdirSync(partial, { mode: 0o700 });
  await using empty = await TestDatabase.create();
  {
    await using system = await startSystem({ servers: 1, databaseUrl: empty.url });
    const passwords = await signUpPeople(system, names);
    writeFileSync(join(partial, "passwords.json"), JSON.stringify([...passwords]));
    cpSync(system.secretFile, join(partial, "secret.json"));
    cpSync(system.home, join(partial, "home"), { recursive: true });
    // They take their names off the list of servers.
    await Promise.all(system.processes.map((process) => process.stop()));
  }
  await using client = await connect(place.databaseUrl);
  await client.query(`ALTER DATABASE ${empty.name} RENAME TO ${database}`);
  renameSync(partial, folder);
}
