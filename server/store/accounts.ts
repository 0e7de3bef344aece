import { create, fromBinary } from "@bufbuild/protobuf";
import { type AccountId, accountId, type DeviceId, deviceId, type ErrorCode, idBytes, limits, linkHash } from "@fastchat/protocol";
import type { AccountState, ChainHead } from "@fastchat/protocol/chain";
import {
  type AccountAttachments,
  AccountLinkSchema,
  type SealedDeviceCopy,
  SealedDeviceCopySchema,
  type SignedLink,
  SignedLinkSchema,
  type Wrap,
  WrapPurpose,
  WrapSchema,
} from "@fastchat/protocol/wire/account";
import type { VaultEntry } from "@fastchat/protocol/wire/vault";
import { sql, type Transaction } from "kysely";
import { AskedTogether } from "../asked-together.ts";
import { eraseClosedAccount, lockConversationsOf } from "./close-account.ts";
import { anyOf, type Database } from "./database.ts";
import { replaceOthers, shutOutCode, type Standing } from "./sessions.ts";
import type { Tables } from "./tables.ts";
import { emptyVault, replaceVault, VaultMoved } from "./vault.ts";

export interface StoredAccount {
  readonly account: AccountId;
  readonly name: string;
  readonly head: { readonly index: number; readonly hash: Uint8Array };
  readonly closed: boolean;
}

export async function findAccount(
  database: Database,
  by: { readonly account: Uint8Array } | { readonly name: string },
): Promise<StoredAccount | undefined> {
  const found = await database.query
    .selectFrom("account")
    .selectAll()
    .where((where) => ("account" in by ? where("account", "=", by.account) : where("name", "=", by.name)))
    .executeTakeFirst();
  if (found === undefined) return undefined;
  const { account, name, head_index: index, head_hash: hash, closed } = found;
  return { account: accountId(account), name, head: { index, hash }, closed };
}

/** Links after an index, oldest first, as they were received. */
export async function readAccountLinks(database: Database, account: AccountId, after = 0): Promise<SignedLink[]> {
  const rows = await database.query
    .selectFrom("account_link")
    .select(["body", "signature", "cosignature"])
    .where("account", "=", idBytes(account))
    .where("index", ">", after)
    .orderBy("index")
    .execute();
  return rows.map((row) => create(SignedLinkSchema, row));
}

/** The links after `after`, up to and with `upTo`, of each of these accounts. */
export async function readAccountLinksOf(
  database: Database,
  wanted: readonly { readonly account: AccountId; readonly after: number; readonly upTo: number }[],
): Promise<Map<AccountId, SignedLink[]>> {
  const accounts = wanted.map(({ account }) => Buffer.from(idBytes(account)));
  const { rows } = await sql<{ account: Uint8Array; body: Uint8Array; signature: Uint8Array; cosignature: Uint8Array }>`
    SELECT l.account, l.body, l.signature, l.cosignature
    FROM unnest(${accounts}::bytea[], ${wanted.map(({ after }) => after)}::bigint[], ${wanted.map(({ upTo }) => upTo)}::bigint[])
      AS wanted (account, after, up_to)
    JOIN account_link l ON l.account = wanted.account AND l.index > wanted.after AND l.index <= wanted.up_to
    ORDER BY l.account, l.index`.execute(database.query);
  const links = new Map<AccountId, SignedLink[]>();
  for (const { account, ...link } of rows) {
    const id = accountId(account);
    const own = links.get(id);
    if (own === undefined) links.set(id, [create(SignedLinkSchema, link)]);
    else own.push(create(SignedLinkSchema, link));
  }
  return links;
}

/** X-Wing public key of the newest generation. */
export async function newestAccountKey(
  database: Database,
  account: AccountId,
): Promise<{ readonly generation: number; readonly publicKey: Uint8Array } | undefined> {
  const row = await database.query
    .selectFrom("account_key")
    .select(["generation", "public_key"])
    .where("account", "=", idBytes(account))
    .orderBy("generation", "desc")
    .limit(1)
    .executeTakeFirst();
  return row && { generation: row.generation, publicKey: row.public_key };
}

/** The same for many accounts; those that are not known are left out. */
export async function newestAccountKeys(
  database: Database,
  accounts: readonly AccountId[],
): Promise<{ readonly account: AccountId; readonly publicKey: Uint8Array }[]> {
  const rows = await database.query
    .selectFrom("account_key")
    .distinctOn("account")
    .select(["account", "public_key"])
    .where("account", "=", anyOf(accounts))
    .orderBy("account")
    .orderBy("generation", "desc")
    .execute();
  return rows.map((row) => ({ account: accountId(row.account), publicKey: row.public_key }));
}

export async function readWraps(database: Database, account: AccountId): Promise<Wrap[]> {
  const rows = await database.query.selectFrom("account_wrap").selectAll().where("account", "=", idBytes(account)).execute();
  return rows.map(({ purpose, version, sealed }) => create(WrapSchema, { purpose: purpose as WrapPurpose, version, sealed }));
}

/** The copies of account keys that were sealed to a device, oldest first. */
export async function readDeviceCopies(database: Database, account: AccountId, device: DeviceId): Promise<SealedDeviceCopy[]> {
  const rows = await database.query
    .selectFrom("device_copy")
    .select(["device", "generation", "sealed"])
    .where("account", "=", idBytes(account))
    .where("device", "=", idBytes(device))
    .orderBy("generation")
    .execute();
  return rows.map((row) => create(SealedDeviceCopySchema, row));
}

/** X-Wing public keys of an account's active devices. */
export async function readSealingKeys(database: Database, account: AccountId): Promise<Uint8Array[]> {
  const rows = await database.query
    .selectFrom("device")
    .select("sealing_key")
    .where("account", "=", idBytes(account))
    .where("ended", "is", null)
    .where(sql`octet_length(sealing_key)`, ">", 0)
    .execute();
  return rows.map((row) => row.sealing_key);
}

/** Where these chains end; those that are not known are left out. */
export async function readAccountHeads(database: Database, accounts: readonly AccountId[]): Promise<ReadonlyMap<AccountId, ChainHead>> {
  if (accounts.length === 0) return new Map();
  const rows = await database.query
    .selectFrom("account")
    .select(["account", "head_index", "head_hash"])
    .where("account", "=", anyOf(accounts))
    .execute();
  return new Map(rows.map((row) => [accountId(row.account), { index: row.head_index, hash: linkHash(row.head_hash) }]));
}

/** Devices noted with one statement. */
const SEEN_AT_ONCE = 500;

export interface DeviceTimesOf {
  readonly device: Uint8Array;
  /** Milliseconds since 1970; 0: not known. */
  readonly added: number;
  readonly lastSeen: number;
}

/** Of all devices that an account ever had. */
export async function readDeviceTimes(database: Database, account: AccountId): Promise<DeviceTimesOf[]> {
  const rows = await database.query
    .selectFrom("device")
    .innerJoin("account_link", (join) =>
      join.onRef("account_link.account", "=", "device.account").onRef("account_link.index", "=", "device.added"),
    )
    .leftJoin("device_seen", "device_seen.device", "device.device")
    .select(["device.device", "account_link.time as added", "device_seen.last_seen as lastSeen"])
    .where("device.account", "=", idBytes(account))
    .execute();
  return rows.map((row) => ({ ...row, lastSeen: row.lastSeen ?? 0 }));
}

/** These are connected, or were until now: noted where what is noted is older than `everyMs`. */
export async function seeDevices(database: Database, devices: Iterable<DeviceId>, everyMs: number): Promise<void> {
  const now = Date.now();
  // In order, so that two servers do not wait for each other in a circle.
  const all = [...new Set(devices)].sort();
  for (let at = 0; at < all.length; at += SEEN_AT_ONCE) {
    // Of a closed account nothing is noted any more.
    await sql`
      INSERT INTO device_seen (device, last_seen)
      SELECT device.device, ${now}::bigint FROM device JOIN account ON account.account = device.account
      WHERE device.device = ${anyOf(all.slice(at, at + SEEN_AT_ONCE))} AND NOT account.closed ORDER BY device.device
      ON CONFLICT (device) DO UPDATE SET last_seen = excluded.last_seen WHERE device_seen.last_seen < ${now - everyMs}`.execute(
      database.query,
    );
  }
}

export interface NewPassword {
  readonly account: AccountId;
  /** SHA-256 of the sign-in record that it takes the place of. */
  readonly before: Uint8Array;
  readonly record: Uint8Array;
  readonly setup: string;
  /** MASTER_BY_PASSWORD. */
  readonly wrap: Wrap;
}

/** The record and the wrap that belongs to it in one transaction: the old password opens nothing any more [P2]. False: another one came first. */
export async function replacePassword(database: Database, { account, before, record, setup, wrap }: NewPassword): Promise<boolean> {
  const id = idBytes(account);
  return database.query.transaction().execute(async (transaction) => {
    const replaced = await transaction
      .updateTable("sign_in_record")
      .set({ record, setup })
      .where("account", "=", id)
      .where(sql<Uint8Array>`sha256(record)`, "=", before)
      .executeTakeFirst();
    if (replaced.numUpdatedRows !== 1n) return false;
    await transaction
      .updateTable("account_wrap")
      .set({ version: wrap.version, sealed: wrap.sealed })
      .where("account", "=", id)
      .where("purpose", "=", wrap.purpose)
      .execute();
    return true;
  });
}

/** What a sign-in begins with. `stored`: none of a closed account. */
export async function findSignIn(
  { pool }: Database,
  name: string,
): Promise<{ readonly account: AccountId; readonly closed: boolean; readonly stored: SignInRecord | undefined } | undefined> {
  const { rows } = await pool.query<{ account: Uint8Array; closed: boolean; record: Uint8Array | null; setup: string }>({
    name: "find-sign-in",
    text: "SELECT account, closed, record, setup FROM account LEFT JOIN sign_in_record USING (account) WHERE name = $1",
    values: [name],
  });
  const [row] = rows;
  if (row === undefined) return undefined;
  const { account, closed, record, setup } = row;
  return { account: accountId(account), closed, stored: record === null || closed ? undefined : { record, setup } };
}

export interface SignInRecord {
  readonly record: Uint8Array;
  /** Id of the OPAQUE setup that it was made with. */
  readonly setup: string;
}

export async function readSignInRecord(database: Database, account: AccountId): Promise<SignInRecord | undefined> {
  return database.query.selectFrom("sign_in_record").select(["record", "setup"]).where("account", "=", idBytes(account)).executeTakeFirst();
}

export interface StoredDevice {
  readonly device: DeviceId;
  readonly account: AccountId;
  readonly signingKey: Uint8Array;
  /** Why it is let in no more. */
  readonly shutOut: ErrorCode | undefined;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Finds devices: those that are looked for at once with one statement, which is prepared, as it stands in the way of every connection. */
export class DeviceFinder {
  readonly #found: AskedTogether<Uint8Array, StoredDevice | undefined>;

  constructor({ pool }: Database) {
    this.#found = new AskedTogether({
      act: async (devices) => {
        const { rows } = await pool.query<{ device: Uint8Array; account: Uint8Array; signing_key: Uint8Array } & Standing>({
          name: "find-devices",
          text: "SELECT device, account, signing_key, ended, replaced, closed FROM device JOIN account USING (account) WHERE device = ANY ($1::bytea[])",
          values: [devices.map((device) => Buffer.from(device))],
        });
        const found = new Map(rows.map((row) => [hex(row.device), row]));
        return devices.map((device) => {
          const row = found.get(hex(device));
          if (row === undefined) return undefined;
          return { device: deviceId(device), account: accountId(row.account), signingKey: row.signing_key, shutOut: shutOutCode(row) };
        });
      },
    });
  }

  find(device: Uint8Array): Promise<StoredDevice | undefined> {
    return this.#found.ask(device);
  }
}

export interface NewAccount {
  /** After its `create`. */
  readonly state: AccountState;
  readonly link: SignedLink;
  readonly attachments: AccountAttachments;
  readonly signInRecord: Uint8Array;
  readonly setup: string;
  /** Hash of the invitation to spend, where one is needed. */
  readonly invitation: Uint8Array | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export type CreateAccountResult = { readonly kind: "created" } | { readonly kind: "name-taken" } | { readonly kind: "invitation-needed" };

/** Everything of a sign-up in one transaction, the invitation included. */
export async function createAccount(database: Database, account: NewAccount): Promise<CreateAccountResult> {
  const { state, link, attachments } = account;
  return database.query.transaction().execute(async (transaction) => {
    const inserted = await transaction
      .insertInto("account")
      .values({ account: idBytes(state.account), name: state.name, head_index: state.head.index, head_hash: idBytes(state.head.hash) })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    // Nothing was written yet.
    if (inserted.numInsertedOrUpdatedRows !== 1n) return { kind: "name-taken" };
    if (account.invitation !== undefined && !(await spendInvitation(transaction, account.invitation, account.now))) {
      await transaction.deleteFrom("account").where("account", "=", idBytes(state.account)).execute();
      return { kind: "invitation-needed" };
    }
    await insertLink(transaction, state, link, attachments, account.now);
    await transaction
      .insertInto("sign_in_record")
      .values({ account: idBytes(state.account), record: account.signInRecord, setup: account.setup })
      .execute();
    await transaction
      .insertInto("vault")
      .values({ account: idBytes(state.account), revision: 0, entries: 0 })
      .execute();
    return { kind: "created" };
  });
}

/** `uses` sign-ups until `expires` (milliseconds since 1970) for who knows the text with this hash. */
export async function addInvitation(database: Database, invitation: { hash: Uint8Array; uses: number; expires: number }): Promise<void> {
  await database.query.insertInto("invitation").values(invitation).execute();
}

export async function isInvitationGood(database: Database, hash: Uint8Array, now: number): Promise<boolean> {
  const found = await database.query
    .selectFrom("invitation")
    .select("uses")
    .where("hash", "=", hash)
    .where("uses", ">", 0)
    .where("expires", ">", now)
    .executeTakeFirst();
  return found !== undefined;
}

async function spendInvitation(transaction: Transaction<Tables>, hash: Uint8Array, now: number): Promise<boolean> {
  const spent = await transaction
    .updateTable("invitation")
    .set({ uses: sql`uses - 1` })
    .where("hash", "=", hash)
    .where("uses", ">", 0)
    .where("expires", ">", now)
    .executeTakeFirst();
  return spent.numUpdatedRows === 1n;
}

export interface AccountAppend {
  readonly before: AccountState;
  /** After the link. */
  readonly state: AccountState;
  readonly link: SignedLink;
  readonly attachments: AccountAttachments;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** With a new account key: the whole vault, sealed again, and its revision when it was read; lost when only the link is put back [H6]. */
  readonly vault: { readonly revision: number; readonly entries: readonly VaultEntry[] } | "lost";
  /** With a `succeed`: the record of the new password. All that the account's old master key wraps goes [P2]. */
  readonly signInRecord?: Uint8Array;
  /** The device that it adds takes the place of all others [H8]. */
  readonly replacesOthers?: boolean;
}

export type AccountAppendResult =
  /** `ended`: devices that lost their rights by this link; `replaced`: those that are let in no more. */
  | { readonly kind: "appended"; readonly ended: readonly DeviceId[]; readonly replaced: readonly DeviceId[] }
  /** Somebody else's link came first; nothing was changed. */
  | { readonly kind: "stale" }
  /** Somebody wrote to the vault meanwhile; nothing was changed. */
  | { readonly kind: "vault-moved" }
  /** As many of its kind as a day may have were taken; nothing was changed. */
  | { readonly kind: "too-many" };

/**
 * Appends a link that was found valid after `before`, if the chain still ends there: link, keys, devices, tickets and vault in one transaction, so
 * that a revoked device is refused everywhere from its commit on. With a `close` goes what is the account's alone.
 */
export async function appendAccountLink(database: Database, append: AccountAppend): Promise<AccountAppendResult> {
  const { before, state, link, attachments } = append;
  const account = idBytes(state.account);
  const appending = database.query.transaction().execute(async (transaction): Promise<AccountAppendResult> => {
    if (state.closed) await lockConversationsOf(transaction, state.account);
    const moved = await transaction
      .updateTable("account")
      .set({ head_index: state.head.index, head_hash: idBytes(state.head.hash), closed: state.closed })
      .where("account", "=", account)
      .where("head_index", "=", before.head.index)
      .where("head_hash", "=", idBytes(before.head.hash))
      .executeTakeFirst();
    if (moved.numUpdatedRows !== 1n) return { kind: "stale" };
    if (!(await isWithinDay(transaction, append))) throw new TooManyLinks();
    if (append.signInRecord !== undefined) await replaceSignIn(transaction, account, append.signInRecord);
    await insertLink(transaction, state, link, attachments, append.now);
    const ended = [...state.devices.values()]
      .filter(({ device, endedAt }) => (state.closed || endedAt !== undefined) && !wasEnded(before, device))
      .map(({ device }) => device);
    for (const device of ended) {
      await transaction.updateTable("device").set({ ended: state.head.index }).where("device", "=", idBytes(device)).execute();
      await transaction.deleteFrom("ticket").where("device", "=", idBytes(device)).execute();
    }
    if (state.accountKeys.length > before.accountKeys.length) {
      if (append.vault === "lost") await emptyVault(transaction, state.account);
      else await replaceVault(transaction, state.account, append.vault);
    }
    if (state.closed) await eraseClosedAccount(transaction, state.account);
    const replaced = append.replacesOthers === true ? await replaceOthers(transaction, state) : [];
    return { kind: "appended", ended, replaced };
  });
  return appending.catch((error: unknown) => {
    if (error instanceof VaultMoved) return { kind: "vault-moved" };
    if (error instanceof TooManyLinks) return { kind: "too-many" };
    throw error;
  });
}

/** The wraps that follow a master key. */
const byMaster: readonly WrapPurpose[] = [
  WrapPurpose.MASTER_BY_PASSWORD,
  WrapPurpose.MASTER_BY_RECOVERY,
  WrapPurpose.IDENTITY_BY_MASTER,
  WrapPurpose.ACCOUNT_KEY_BY_MASTER,
];

async function replaceSignIn(transaction: Transaction<Tables>, account: Uint8Array, record: Uint8Array): Promise<void> {
  await transaction.updateTable("sign_in_record").set({ record }).where("account", "=", account).execute();
  await transaction.deleteFrom("account_wrap").where("account", "=", account).where("purpose", "in", byMaster).execute();
}

/** Takes the transaction back. */
class TooManyLinks extends Error {}

type LinkCount = "key-turn" | "other" | "free";

/** [C5] What a link counts as. A sign-out or a close takes rights, needs an account that is there, and is never refused. */
function countOf(link: Pick<SignedLink, "body">): LinkCount {
  const change = fromBinary(AccountLinkSchema, link.body).change.case;
  if (change === "revoke" || change === "succeed") return "key-turn";
  return change === "signOut" || change === "close" ? "free" : "other";
}

const DAY_MS = 86_400_000;

/** The account's row is locked: no other link of it is counted at the same time. A chain has few links, of a day even fewer. */
async function isWithinDay(transaction: Transaction<Tables>, { state, link, now }: AccountAppend): Promise<boolean> {
  const count = countOf(link);
  if (count === "free") return true;
  const rows = await transaction
    .selectFrom("account_link")
    .select("body")
    .where("account", "=", idBytes(state.account))
    .where("time", ">", now - DAY_MS)
    .execute();
  const most = count === "key-turn" ? limits.keyTurnsPerDayPerAccount : limits.accountLinksPerDayPerAccount;
  return rows.filter((row) => countOf(row) === count).length < most;
}

const wasEnded = (before: AccountState, device: DeviceId): boolean => before.closed || before.devices.get(device)?.endedAt !== undefined;

/** The link and what it brings: new devices, the new account key, copies and wraps. */
async function insertLink(
  transaction: Transaction<Tables>,
  state: AccountState,
  link: SignedLink,
  attachments: AccountAttachments,
  time: number,
): Promise<void> {
  const account = idBytes(state.account);
  const { index, hash } = state.head;
  const { body, signature, cosignature } = link;
  await transaction
    .insertInto("account_link")
    .values({ account, index, hash: idBytes(hash), body, signature, cosignature, time })
    .execute();
  for (const device of state.devices.values()) {
    if (device.addedAt !== index) continue;
    await transaction
      .insertInto("device")
      .values({
        device: idBytes(device.device),
        account,
        signing_key: device.signingKey,
        sealing_key: attachments.deviceSealingKey,
        added: index,
        ended: null,
      })
      .execute();
  }
  await insertKeys(transaction, state, index, attachments);
}

/** The account key that link number `index` brought, as far as it is at hand; what is there stays. */
async function insertKeys(
  transaction: Transaction<Tables>,
  state: AccountState,
  index: number,
  { accountPublicKey, copies, wraps }: AccountAttachments,
): Promise<void> {
  const account = idBytes(state.account);
  const key = state.accountKeys.find(({ from }) => from === index);
  if (key !== undefined && accountPublicKey.length > 0) {
    await transaction
      .insertInto("account_key")
      .values({ account, generation: key.generation, public_key: accountPublicKey })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  for (const { device, generation, sealed } of copies) {
    await transaction
      .insertInto("device_copy")
      .values({ account, device, generation, sealed })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
  for (const { purpose, version, sealed } of wraps) {
    await transaction
      .insertInto("account_wrap")
      .values({ account, purpose, version, sealed })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

/** What opens an account after a `succeed`. */
export interface NewSignIn {
  readonly record: Uint8Array;
  /** One of each that follows the master key, but for the account key's. */
  readonly wraps: readonly Wrap[];
}

/** [H6] What belongs to links that are stored already and was lost: of the link with this index, or of the newest `succeed`. */
export async function fillAttachments(
  database: Database,
  state: AccountState,
  lost: { readonly index: number; readonly attachments: AccountAttachments } | { readonly signIn: NewSignIn },
): Promise<void> {
  const account = idBytes(state.account);
  await database.query.transaction().execute(async (transaction) => {
    // Nobody appends a link meanwhile.
    const row = await transaction.selectFrom("account").select("closed").where("account", "=", account).forUpdate().executeTakeFirst();
    // What was removed with the account, not lost, nobody brings back [H7].
    if (row?.closed === true) return;
    if ("signIn" in lost) return fillSignIn(transaction, state, lost.signIn);
    const { index, attachments } = lost;
    await insertKeys(transaction, state, index, attachments);
    if (attachments.deviceSealingKey.length === 0) return;
    await transaction
      .updateTable("device")
      .set({ sealing_key: attachments.deviceSealingKey })
      .where("account", "=", account)
      .where("added", "=", index)
      .where(sql`octet_length(sealing_key)`, "=", 0)
      .execute();
  });
}

/**
 * Only where the identity key of before is wrapped still: a password may have been changed since. A version for each identity key, or who has the
 * newest would set any password by a higher one.
 */
async function fillSignIn(transaction: Transaction<Tables>, state: AccountState, { record, wraps }: NewSignIn): Promise<void> {
  const account = idBytes(state.account);
  const identity = wraps.find(({ purpose }) => purpose === WrapPurpose.IDENTITY_BY_MASTER);
  const stored = await transaction
    .selectFrom("account_wrap")
    .select("version")
    .where("account", "=", account)
    .where("purpose", "=", WrapPurpose.IDENTITY_BY_MASTER)
    .executeTakeFirst();
  if (identity?.version !== state.identityKeys.length || (stored !== undefined && stored.version >= identity.version)) return;
  await transaction.updateTable("sign_in_record").set({ record }).where("account", "=", account).execute();
  await transaction
    .deleteFrom("account_wrap")
    .where("account", "=", account)
    .where(
      "purpose",
      "in",
      wraps.map(({ purpose }) => purpose),
    )
    .execute();
  await transaction
    .insertInto("account_wrap")
    .values(wraps.map(({ purpose, version, sealed }) => ({ account, purpose, version, sealed })))
    .execute();
}

/** For `LIKE`: whatever contains the text, as it is. */
export const containing = (text: string): string => `%${text.replace(/[\\%_]/g, (character) => `\\${character}`)}%`;

/** People by name, whose chain is not closed. `text` is matched as it is: no wildcards. */
export async function findPeople(
  database: Database,
  search: { readonly text: string; readonly match: "part" | "exact"; readonly limit: number },
): Promise<{ readonly name: string; readonly account: AccountId }[]> {
  const rows = await database.query
    .selectFrom("account")
    .select(["name", "account"])
    .where("name", search.match === "part" ? "like" : "=", search.match === "part" ? containing(search.text) : search.text)
    .where("closed", "=", false)
    .orderBy("name")
    .limit(search.limit)
    .execute();
  return rows.map(({ name, account }) => ({ name, account: accountId(account) }));
}
