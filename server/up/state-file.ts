import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type UpState, upStateFile } from "@fastchat/protocol/local";

/** What lets further servers join: holds the database's password, readable by the owner alone. */
export interface DatabaseState {
  readonly url: string;
  readonly pid: number;
}

const STATE = { name: upStateFile, mode: 0o644 };
const DATABASE = { name: "database.json", mode: 0o600 };

export const writeUpState = (folder: string, state: UpState): Promise<void> => write(folder, STATE, state);
export const writeDatabaseState = (folder: string, state: DatabaseState): Promise<void> => write(folder, DATABASE, state);

/** Undefined: no `up` ran here, or it was stopped. After `kill -9` the file is still there. */
export async function readDatabaseState(folder: string): Promise<DatabaseState | undefined> {
  const read = await readState(folder, DATABASE.name);
  return typeof read?.["url"] === "string" && typeof read["pid"] === "number" ? { url: read["url"], pid: read["pid"] } : undefined;
}

export async function removeStates(folder: string): Promise<void> {
  for (const { name } of [STATE, DATABASE]) await rm(join(folder, name), { force: true });
}

async function write(folder: string, { name, mode }: typeof STATE, state: object): Promise<void> {
  await mkdir(folder, { recursive: true });
  const partial = join(folder, `${name}.${randomBytes(4).toString("hex")}`);
  await writeFile(partial, `${JSON.stringify(state)}\n`, { mode });
  await rename(partial, join(folder, name));
}

async function readState(folder: string, name: string): Promise<Record<string, unknown> | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, name), "utf8")) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
