import { create } from "@bufbuild/protobuf";
import { type AccountId, type DeviceId, idBytes, limits } from "@fastchat/protocol";
import { type VaultEntry, VaultEntrySchema } from "@fastchat/protocol/wire/vault";
import type { Transaction } from "kysely";
import type { Database } from "./database.ts";
import type { Tables } from "./tables.ts";

export interface VaultPage {
  readonly entries: VaultEntry[];
  readonly revision: number;
  readonly more: boolean;
}

/** Entries written after a revision, in the order of their revisions; a page ends only between two revisions or at `more` = false. */
export async function readVault(database: Database, account: AccountId, afterRevision: number): Promise<VaultPage> {
  // One snapshot for both, or a write in between would be named by the revision and missing from the entries.
  return database.query
    .transaction()
    .setIsolationLevel("repeatable read")
    .setAccessMode("read only")
    .execute(async (transaction) => {
      const vault = await transaction.selectFrom("vault").select("revision").where("account", "=", idBytes(account)).executeTakeFirst();
      const newest = vault?.revision ?? 0;
      const rows = await transaction
        .selectFrom("vault_entry")
        .selectAll()
        .where("account", "=", idBytes(account))
        .where("revision", ">", afterRevision)
        .orderBy("revision")
        .limit(limits.vaultEntriesPerWrite + 1)
        .execute();
      let bytes = 0;
      let fit = 0;
      while (fit < rows.length && (bytes += rows[fit]!.sealed.length + 64) <= limits.pageBytes) fit += 1;
      if (fit < rows.length) {
        // Back to the last whole revision; a revision that alone is larger than a page is given whole.
        const cut = rows[fit]!.revision;
        const whole = rows.findIndex((row) => row.revision === cut);
        fit = whole > 0 ? whole : rows.findLastIndex((row) => row.revision === cut) + 1;
      }
      const page = rows.slice(0, fit);
      const more = fit < rows.length || rows.length > limits.vaultEntriesPerWrite;
      return {
        entries: page.map(({ slot, generation, version, sealed }) => create(VaultEntrySchema, { slot, generation, version, sealed })),
        revision: more ? page.at(-1)!.revision : newest,
        more,
      };
    });
}

/** Entries of these slots, by whoever knows their names. */
export async function readVaultSlots(database: Database, account: AccountId, slots: readonly Uint8Array[]): Promise<VaultEntry[]> {
  if (slots.length === 0) return [];
  const rows = await database.query
    .selectFrom("vault_entry")
    .select(["slot", "generation", "version", "sealed"])
    .where("account", "=", idBytes(account))
    .where("slot", "in", slots)
    .execute();
  return rows.map((row) => create(VaultEntrySchema, row));
}

export type WriteVaultResult =
  | { readonly kind: "written"; readonly revision: number }
  | { readonly kind: "conflict" }
  | { readonly kind: "full" }
  | { readonly kind: "device-ended" };

/**
 * All entries or none: each version one more than the stored one's, each of the newest account-key generation.
 *
 * @param putBack each version anywhere above the stored one's: the server lost what came between [H6]
 */
export async function writeVault(
  database: Database,
  account: AccountId,
  device: DeviceId,
  entries: readonly VaultEntry[],
  putBack: boolean,
): Promise<WriteVaultResult> {
  const owner = idBytes(account);
  return database.query.transaction().execute(async (transaction): Promise<WriteVaultResult> => {
    // The device before the vault, as a revocation locks them. The second lock makes writes of one vault follow each other; what is read
    // after it is what the last one left.
    const own = await transaction.selectFrom("device").select("ended").where("device", "=", idBytes(device)).forShare().executeTakeFirst();
    const vault = await transaction.selectFrom("vault").selectAll().where("account", "=", owner).forUpdate().executeTakeFirst();
    if (vault === undefined || own === undefined || own.ended !== null) return { kind: "device-ended" };
    const newest = await transaction
      .selectFrom("account_key")
      .select(({ fn }) => fn.max("generation").as("generation"))
      .where("account", "=", owner)
      .executeTakeFirst();
    const stored = await transaction
      .selectFrom("vault_entry")
      .select(["slot", "version"])
      .where("account", "=", owner)
      .where(
        "slot",
        "in",
        entries.map((entry) => entry.slot),
      )
      .execute();
    const versions = new Map(stored.map(({ slot, version }) => [Buffer.from(slot).toString("hex"), version]));
    for (const { slot, version, generation } of entries) {
      const before = versions.get(Buffer.from(slot).toString("hex")) ?? 0;
      const follows = putBack ? version > before : version === before + 1;
      if (!follows || generation !== newest?.generation) return { kind: "conflict" };
    }
    const added = entries.length - stored.length;
    if (vault.entries + added > limits.vaultEntriesPerAccount) return { kind: "full" };
    const revision = vault.revision + 1;
    await insertEntries(transaction, owner, revision, entries);
    await transaction
      .updateTable("vault")
      .set({ revision, entries: vault.entries + added })
      .where("account", "=", owner)
      .execute();
    return { kind: "written", revision };
  });
}

/** Somebody wrote to the vault after its author read it to seal it again: nothing of the transaction may stay. */
export class VaultMoved extends Error {}

/**
 * [P4] With a new account key only entries of the newest generation count: the old ones go.
 *
 * @param sealedAgain the vault as its author read it: its revision then, and all its entries under the new key
 * @throws VaultMoved when the vault has another revision by now
 */
export async function replaceVault(
  transaction: Transaction<Tables>,
  account: AccountId,
  { revision: read, entries }: { readonly revision: number; readonly entries: readonly VaultEntry[] },
): Promise<void> {
  const owner = idBytes(account);
  const vault = await transaction.selectFrom("vault").selectAll().where("account", "=", owner).forUpdate().executeTakeFirstOrThrow();
  if (vault.revision !== read) throw new VaultMoved();
  const revision = vault.revision + 1;
  await transaction.deleteFrom("vault_entry").where("account", "=", owner).execute();
  await insertEntries(transaction, owner, revision, entries);
  await transaction.updateTable("vault").set({ revision, entries: entries.length }).where("account", "=", owner).execute();
}

/** [H6] With a new account key that comes back without it: what is sealed under an older one counts no more. */
export async function emptyVault(transaction: Transaction<Tables>, account: AccountId): Promise<void> {
  const owner = idBytes(account);
  await transaction.deleteFrom("vault_entry").where("account", "=", owner).execute();
  await transaction
    .updateTable("vault")
    .set((row) => ({ revision: row("revision", "+", 1), entries: 0 }))
    .where("account", "=", owner)
    .execute();
}

/** Revisions of several vaults, for who may have missed the word of a change. */
export async function vaultRevisions(
  database: Database,
  accounts: readonly AccountId[],
): Promise<{ account: Uint8Array; revision: number }[]> {
  if (accounts.length === 0) return [];
  return database.query
    .selectFrom("vault")
    .select(["account", "revision"])
    .where(
      "account",
      "in",
      accounts.map((account) => idBytes(account)),
    )
    .execute();
}

const ROWS_PER_INSERT = 500;

async function insertEntries(
  transaction: Transaction<Tables>,
  account: Uint8Array,
  revision: number,
  entries: readonly VaultEntry[],
): Promise<void> {
  for (let start = 0; start < entries.length; start += ROWS_PER_INSERT) {
    await transaction
      .insertInto("vault_entry")
      .values(
        entries
          .slice(start, start + ROWS_PER_INSERT)
          .map(({ slot, generation, version, sealed }) => ({ account, slot, generation, version, sealed, revision })),
      )
      .onConflict((conflict) =>
        conflict.columns(["account", "slot"]).doUpdateSet((row) => ({
          generation: row.ref("excluded.generation"),
          version: row.ref("excluded.version"),
          sealed: row.ref("excluded.sealed"),
          revision: row.ref("excluded.revision"),
        })),
      )
      .execute();
  }
}
