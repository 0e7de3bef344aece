import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, TestDatabase } from "../../server/store/test-database.ts";
import { signUpPeople } from "../person.ts";
import { startSystem } from "../system.ts";
import { peopleDatabase } from "./ready-people.ts";
import { shared } from "./shared.ts";

// `node make-people.ts FOLDER`: signs up the people whom tests find ready; see ready-people.ts. The folder appears when all is there.

const names = [
  "alice",
  "bob",
  "carol",
  "dave",
  "erin",
  "frank",
  "grace",
  "heidi",
  "ivan",
  "judy",
  "mallory",
  "niaj",
  "olivia",
  "peggy",
  "rupert",
  "sybil",
];

const folder = process.argv[2]!;
const partial = `${folder}.partial`;
rmSync(partial, { recursive: true, force: true });
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
await using client = await connect(shared()!.databaseUrl);
await client.query(`ALTER DATABASE ${empty.name} RENAME TO ${peopleDatabase()}`);
renameSync(partial, folder);
