import { create } from "@bufbuild/protobuf";
import { accountId, type AccountId, conversationId, type ConversationId, deviceId, type DeviceId, idBytes } from "@fastchat/protocol";
import { type AccountState, applyAccountLinks } from "@fastchat/protocol/chain";
import {
  labels,
  open,
  openSlot,
  openVaultEntry,
  sealingInfo,
  unwrapKey,
  vaultKeysOf,
  type WrapPurpose as WrapUse,
} from "@fastchat/protocol/seal";
import { type SignedLink, SignedLinkSchema } from "@fastchat/protocol/wire/account";
import { SealedSlotSchema } from "@fastchat/protocol/wire/conversation";
import { VaultEntrySchema } from "@fastchat/protocol/wire/vault";
import { places } from "../../client/sign-in.ts";
import type { LocalProfile } from "../../client/profile.ts";
import { lootOf, openedBy, readableWith, takeDump } from "../groups/dump.ts";
import type { Person } from "../person.ts";
import type { System } from "../system.ts";
import { profileOf } from "./modified-client.ts";

/** Whose profile lies where. */
type Thief = Pick<Person, "home" | "me" | "profile">;

type Row = Readonly<Record<string, unknown>>;

/** All rows of all tables, as whoever holds the database copies them. */
export type TableDump = ReadonlyMap<string, readonly Row[]>;

export async function dumpTables(system: System): Promise<TableDump> {
  const tables = await system.query(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
  );
  const dump = new Map<string, readonly Row[]>();
  for (const { table_name: name } of tables) dump.set(String(name), await system.query(`SELECT * FROM "${String(name)}"`));
  return dump;
}

/** What a device opens of a dump, by any of its keys; each named by where it stands and what it holds. */
export async function openedWith(system: System, person: Thief, dump: TableDump): Promise<ReadonlySet<string>> {
  const profile = await profileOf(person);
  const { account } = profile.me;
  const chain = chainIn(dump, account);
  const opened = new Set<string>();
  for (const row of rowsOf(dump, "vault_entry", account))
    if (await opensVaultEntry(profile, chain, row)) opened.add(nameOf("vault_entry", row));
  for (const row of rowsOf(dump, "account_wrap", account)) if (opensWrap(profile, chain, row)) opened.add(nameOf("account_wrap", row));
  for (const row of rowsOf(dump, "device_copy", account)) if (await opensCopy(profile, chain, row)) opened.add(nameOf("device_copy", row));
  for (const { conversation } of dump.get("conversation")!) {
    for (const name of await readIn(system, person, profile, conversationId(bytes(conversation)))) opened.add(name);
  }
  return opened;
}

/** Of a conversation: its messages, names, and copies of keys by their places, and the receipts of its members. */
async function readIn(system: System, person: Thief, profile: LocalProfile, id: ConversationId): Promise<string[]> {
  const dump = await takeDump(system, id);
  if (dump.links.length === 0) return [];
  const { state } = dump.links.at(-1)!;
  const own = await lootOf(person, id);
  const loot = { ...own, secrets: secretsOf(profile) };
  const names: string[] = [];
  const reached = [...loot.epochKeys];
  for (const copy of dump.copies) {
    const opened = await openedBy(loot, state, copy);
    reached.push(...opened);
    if (opened.length > 0) names.push(`sealed_key of ${id}, epoch ${copy.epoch}, for ${accountId(copy.account)}`);
  }
  const { messages, profiles } = await readableWith(own, dump);
  names.push(...messages.map((sequence) => `entry ${sequence} of ${id}`), ...profiles.map((sequence) => `profile at ${sequence} of ${id}`));
  for (const slot of await slotsOf(system, id)) {
    const openingLink = state.epochs[slot.epoch - 1]!.openingLink;
    const context = { conversation: id, account: slot.account, device: slot.device, epoch: slot.epoch, openingLink };
    const signingKey = state.members.get(slot.account)!.chain.devices.get(slot.device)!.signingKey;
    for (const key of reached) {
      if ((await openSlot(key, context, slot.sealed, signingKey)).kind === "opened")
        names.push(`slot ${slot.sealed.counter} of ${slot.device} in ${id}`);
    }
  }
  return names;
}

async function slotsOf(system: System, id: ConversationId) {
  const rows = await system.query("SELECT account, device, epoch, counter, ciphertext FROM slot WHERE conversation = $1", [
    Buffer.from(idBytes(id)),
  ]);
  return rows.map((row) => {
    const [account, device, epoch] = [accountId(bytes(row["account"])), deviceId(bytes(row["device"])), Number(row["epoch"])];
    const sealed = create(SealedSlotSchema, { epoch, counter: Number(row["counter"]), ciphertext: bytes(row["ciphertext"]) });
    return { account, device, epoch, sealed };
  });
}

const bytes = (value: unknown): Uint8Array<ArrayBuffer> => Uint8Array.from(value as Buffer);

/** Rows are told apart by all that is in them: what is written anew is another one. */
const nameOf = (table: string, row: Row): string =>
  `${table} ${JSON.stringify(Object.entries(row).map(([column, value]) => [column, Buffer.isBuffer(value) ? value.toString("hex") : value]))}`;

/** Every secret of 32 bytes that lies in the profile of a device but for keys of conversations. */
const secretsOf = ({ signingSeed, sealingSecret, accountKeys }: LocalProfile): readonly Uint8Array[] => [
  signingSeed,
  sealingSecret,
  ...accountKeys.map(({ secret }) => secret),
];

const rowsOf = (dump: TableDump, table: string, account: AccountId): readonly Row[] =>
  dump.get(table)!.filter((row) => accountId(bytes(row["account"])) === account);

/** An account's chain as the tables have it. */
export function chainIn(dump: TableDump, account: AccountId): AccountState {
  const rows = rowsOf(dump, "account_link", account).toSorted((one, other) => Number(one["index"]) - Number(other["index"]));
  const links: SignedLink[] = rows.map(({ body, signature, cosignature }) =>
    create(SignedLinkSchema, { body: bytes(body), signature: bytes(signature), cosignature: bytes(cosignature) }),
  );
  const result = applyAccountLinks(undefined, links);
  if (result.kind !== "valid") throw new Error("not a valid account chain");
  return result.state;
}

/** Under whatever generation a thief calls its keys. */
async function opensVaultEntry(profile: LocalProfile, { devices }: AccountState, row: Row): Promise<boolean> {
  const entry = create(VaultEntrySchema, {
    slot: bytes(row["slot"]),
    generation: Number(row["generation"]),
    version: Number(row["version"]),
    sealed: bytes(row["sealed"]),
  });
  const signingKeyOf = (device: DeviceId) => devices.get(device)?.signingKey;
  for (const secret of secretsOf(profile)) {
    const keys = vaultKeysOf({ generation: entry.generation, secret });
    if ((await openVaultEntry(keys, profile.me.account, entry, signingKeyOf)).kind === "opened") return true;
  }
  return false;
}

const uses: readonly WrapUse[] = [
  "masterUnderExportKey",
  "masterUnderRecoveryKey",
  "identityUnderMaster",
  "accountKeyUnderMaster",
  "olderAccountKeyUnderNewer",
];

function opensWrap(profile: LocalProfile, { nonce }: AccountState, row: Row): boolean {
  return secretsOf(profile).some((secret) =>
    uses.some((use) =>
      Object.values(places).some((record) => {
        const place = { account: nonce, record, version: Number(row["version"]) };
        return unwrapKey(use, secret, place, bytes(row["sealed"])).kind === "unwrapped";
      }),
    ),
  );
}

async function opensCopy(profile: LocalProfile, { nonce }: AccountState, row: Row): Promise<boolean> {
  const info = sealingInfo(labels.seal.accountKeyToDevice, {
    context: nonce,
    number: Number(row["generation"]),
    recipient: bytes(row["device"]),
    recipientGeneration: 0,
  });
  return opensSealed(profile, info, bytes(row["sealed"]));
}

async function opensSealed(profile: LocalProfile, info: Parameters<typeof open>[1], sealed: Uint8Array): Promise<boolean> {
  for (const secret of secretsOf(profile)) if ((await open(secret, info, sealed)).kind === "opened") return true;
  return false;
}
