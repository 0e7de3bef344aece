import type { Database } from "./database.ts";

// What whoever runs the installation chose while it ran; it survives restarts, and counts for all processes.

/** How gateways choose chat servers. `readRegistry` reads it together with what it is for. */
export const STRATEGY = "strategy";

/** Undefined: nothing was chosen. */
export async function readSetting(database: Database, name: typeof STRATEGY): Promise<string | undefined> {
  const row = await database.query.selectFrom("setting").select("value").where("name", "=", name).executeTakeFirst();
  return row?.value;
}

export async function writeSetting(database: Database, name: typeof STRATEGY, value: string): Promise<void> {
  await database.query
    .insertInto("setting")
    .values({ name, value })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ value }))
    .execute();
}

/** As if nothing had been chosen. */
export async function forgetSetting(database: Database, name: typeof STRATEGY): Promise<void> {
  await database.query.deleteFrom("setting").where("name", "=", name).execute();
}
