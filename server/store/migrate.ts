import pg from "pg";
import { connectionOptions } from "./database.ts";
import { start } from "./migrations/0001-start.ts";
import { accountLinkTimes } from "./migrations/0002-account-link-times.ts";
import { groups } from "./migrations/0003-groups.ts";
import { deviceTimes } from "./migrations/0004-device-times.ts";
import { joinRequestsOfAccount } from "./migrations/0005-join-requests-of-account.ts";
import { sessions } from "./migrations/0006-sessions.ts";
import { receiptKey } from "./migrations/0007-receipt-key.ts";
import { blobs } from "./migrations/0008-blobs.ts";
import { withdrawals } from "./migrations/0009-withdrawals.ts";
import { severalServers } from "./migrations/0010-several-servers.ts";
import { appendTogether } from "./migrations/0011-append-together.ts";

/** In order; a migration that was released is never changed. */
const migrations: readonly { readonly name: string; readonly statements: string }[] = [
  { name: "start", statements: start },
  { name: "account-link-times", statements: accountLinkTimes },
  { name: "groups", statements: groups },
  { name: "device-times", statements: deviceTimes },
  { name: "join-requests-of-account", statements: joinRequestsOfAccount },
  { name: "sessions", statements: sessions },
  { name: "receipt-key", statements: receiptKey },
  { name: "blobs", statements: blobs },
  { name: "withdrawals", statements: withdrawals },
  { name: "several-servers", statements: severalServers },
  { name: "append-together", statements: appendTogether },
];

/** Any fixed number: who holds this advisory lock migrates. */
const MIGRATION_LOCK = 4_715_201_103;

export type MigrationResult =
  | { readonly kind: "migrated"; readonly from: number; readonly to: number }
  /** A newer FastChat has been here; nothing was changed. */
  | { readonly kind: "newer"; readonly sentence: string };

/**
 * Brings the database to the newest version, one transaction for each migration, one process at a time: others wait for the lock. Safe to run at
 * every start of every process.
 */
export async function migrate(url: string): Promise<MigrationResult> {
  const client = new pg.Client(connectionOptions(url));
  // A connection that breaks also rejects the query that waits; without a listener it would end the process.
  client.on("error", () => undefined);
  await client.connect();
  try {
    await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
    await client.query(
      "CREATE TABLE IF NOT EXISTS migration (version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
    );
    const { rows } = await client.query<{ version: number }>("SELECT COALESCE(max(version), 0) AS version FROM migration");
    const from = rows[0]?.version ?? 0;
    if (from > migrations.length) {
      return {
        kind: "newer",
        sentence: `The database was made by a newer FastChat (version ${from} of its tables, this one knows ${migrations.length}): update FastChat.`,
      };
    }
    for (const [index, { name, statements }] of migrations.entries()) {
      const version = index + 1;
      if (version <= from) continue;
      await client.query("BEGIN");
      await client.query(statements);
      await client.query("INSERT INTO migration (version, name) VALUES ($1, $2)", [version, name]);
      await client.query("COMMIT");
    }
    return { kind: "migrated", from, to: migrations.length };
  } finally {
    await client.end();
  }
}
