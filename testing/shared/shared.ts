import { join } from "node:path";
import { testDatabaseVariable, testFolderVariable } from "../../server/store/test-database.ts";

/** How a test process hears of what all of them share; set by global-setup.ts, absent outside Vitest. */
export const variables = { folder: testFolderVariable, databaseUrl: testDatabaseVariable } as const;

export interface Shared {
  readonly folder: string;
  /** Of a role that may create databases. */
  readonly databaseUrl: string;
}

export function shared(): Shared | undefined {
  const folder = process.env[variables.folder];
  const databaseUrl = process.env[variables.databaseUrl];
  return folder === undefined || databaseUrl === undefined ? undefined : { folder, databaseUrl };
}

/** Where PostgreSQL's freshly made cluster is kept for those who need one of their own; see `templateFolder` of the server. */
export const templateIn = (folder: string): string => join(folder, "template");
