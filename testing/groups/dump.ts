import { create, fromBinary } from "@bufbuild/protobuf";
import { accountId, type ConversationId, conversationId, deviceId, idBytes } from "@fastchat/protocol";
import {
  applyConversationLink,
  type ConversationState,
  epochContext,
  type EpochState,
  linkBodyForDerivation,
} from "@fastchat/protocol/chain";
import { deriveEpochKey, keyIdOf, labels, open, openMessage, openProfile, sealingInfo, toHex } from "@fastchat/protocol/seal";
import {
  type LinkEntry,
  LinkEntrySchema,
  type SealedKey,
  SealedKeySchema,
  type SealedMessage,
  SealedMessageSchema,
} from "@fastchat/protocol/wire/conversation";
import { join } from "node:path";
import { loadProfile } from "../../client/profile.ts";
import { prefixes } from "../../client/records.ts";
import { prefixRange } from "../../client/storage.ts";
import { openSqliteStorage } from "../../client/storage-sqlite.ts";
import { entryKinds } from "../../server/store/entries.ts";
import type { Person } from "../person.ts";
import type { System } from "../system.ts";

interface DumpedMessage {
  readonly sequence: number;
  readonly account: Uint8Array;
  readonly device: Uint8Array;
  readonly message: SealedMessage;
}

interface DumpedLink {
  readonly sequence: number;
  readonly entry: LinkEntry;
  /** The conversation after it. */
  readonly state: ConversationState;
}

/** All that the server keeps of a conversation, as somebody has it who holds its database. */
export interface Dump {
  readonly conversation: ConversationId;
  readonly messages: readonly DumpedMessage[];
  readonly links: readonly DumpedLink[];
  /** Places of links that do not count. */
  readonly invalid: readonly number[];
  /** Of all accounts. */
  readonly copies: readonly SealedKey[];
}

export async function takeDump(system: System, conversation: ConversationId): Promise<Dump> {
  const id = Buffer.from(idBytes(conversation));
  const rows = await system.query("SELECT sequence, account, device, kind, body FROM entry WHERE conversation = $1 ORDER BY sequence", [
    id,
  ]);
  const messages: DumpedMessage[] = [];
  const links: DumpedLink[] = [];
  const invalid: number[] = [];
  for (const row of rows) {
    // Slices of a Buffer share memory.
    const [account, device, body] = ["account", "device", "body"].map((column) => Uint8Array.from(row[column] as Buffer)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const sequence = Number(row["sequence"]);
    if (row["kind"] === entryKinds.message) {
      const message = fromBinary(SealedMessageSchema, body);
      messages.push({ sequence, account, device, message });
    } else if (row["kind"] === entryKinds.link) {
      const entry = fromBinary(LinkEntrySchema, body);
      const result = applyConversationLink(links.at(-1)?.state, entry);
      if (result.kind === "valid") links.push({ sequence, entry, state: result.state });
      else invalid.push(sequence);
    }
  }
  const copies = await system.query("SELECT account, generation, epoch, sealed FROM sealed_key WHERE conversation = $1", [id]);
  const plain = (value: unknown): unknown => (Buffer.isBuffer(value) ? Uint8Array.from(value) : value);
  const copyOf = (row: Record<string, unknown>) =>
    create(SealedKeySchema, Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])));
  return { conversation, messages, links, invalid, copies: copies.map(copyOf) };
}

/** What a device knew that was closed. */
export interface Loot {
  /** Epoch keys of the conversation. */
  readonly epochKeys: readonly Uint8Array[];
  /** Secrets of the account's keys. */
  readonly secrets: readonly Uint8Array[];
  readonly account: Person["me"]["account"];
}

export async function lootOf(person: Pick<Person, "home" | "me" | "profile">, conversation: ConversationId): Promise<Loot> {
  const storage = openSqliteStorage(join(person.home, person.profile));
  try {
    const profile = (await loadProfile(storage))!;
    const stored = await storage.range(prefixRange(prefixes.epochKeys(conversation)));
    return {
      epochKeys: stored.map(({ value }) => value),
      secrets: profile.accountKeys.map(({ secret }) => secret),
      account: person.me.account,
    };
  } finally {
    await storage.close();
  }
}

export interface Readable {
  /** Places of messages. */
  readonly messages: readonly number[];
  /** Places of links beside which a profile lies. */
  readonly profiles: readonly number[];
}

/**
 * What somebody reads of a dump by any key within reach: their own ones, all copies that their account's secrets open, whatever epoch these
 * claim to be of, and all that follows from these keys by any link that derives one, along the chain as it is.
 *
 * @param more copies that came another way
 */
export async function readableWith(loot: Loot, dump: Dump, more: readonly SealedKey[] = []): Promise<Readable> {
  const reached = new Map(loot.epochKeys.map((key) => [toHex(key), key]));
  const newest = dump.links.at(-1)!.state;
  for (const copy of [...dump.copies, ...more]) {
    for (const key of await openedBy(loot, newest, copy)) reached.set(toHex(key), key);
  }
  const byEpoch = new Map<number, Uint8Array>();
  for (const epoch of newest.epochs) {
    const fits = (key: Uint8Array): boolean => keyIdOf(epochContext(newest, epoch), key) === epoch.keyId;
    const derived = [...reached.values()].flatMap((key) => derivedFrom(key, dump, epoch));
    const key = [...reached.values(), ...derived].find(fits);
    if (key === undefined) continue;
    byEpoch.set(epoch.epoch, key);
    reached.set(toHex(key), key);
  }
  const messages: number[] = [];
  for (const each of dump.messages) if (await opens([...reached.values()], dump, each)) messages.push(each.sequence);
  return { messages, profiles: profilesOpenedBy([...reached.values()], dump) };
}

/** What the secrets of an account make of a copy, wherever it claims to belong. */
export async function openedBy({ secrets, account }: Loot, state: ConversationState, copy: SealedKey): Promise<Uint8Array[]> {
  const keys: Uint8Array[] = [];
  for (const secret of secrets) {
    for (const context of [state.conversation, conversationId(state.nonce)]) {
      for (const recipient of new Set([account, accountId(copy.account)])) {
        const place = {
          context: idBytes(context),
          number: copy.epoch,
          recipient: idBytes(recipient),
          recipientGeneration: copy.generation,
        };
        const opened = await open(secret, sealingInfo(labels.seal.epochKeyToAccount, place), copy.sealed);
        if (opened.kind === "opened") keys.push(opened.plaintext);
      }
    }
  }
  return keys;
}

function derivedFrom(key: Uint8Array, { conversation, links }: Dump, { index, previousLink }: EpochState): Uint8Array[] {
  const body = links[index - 1]?.entry.link?.body;
  if (body === undefined || previousLink === undefined) return [];
  return [deriveEpochKey(key, conversation, { previous: previousLink, bodyWithoutCommitments: linkBodyForDerivation(body) })];
}

async function opens(keys: readonly Uint8Array[], { conversation, links }: Dump, each: DumpedMessage): Promise<boolean> {
  const state = links.findLast(({ sequence }) => sequence < each.sequence)!.state;
  const [account, device] = [accountId(each.account), deviceId(each.device)];
  const { epoch } = each.message;
  const signingKey = state.members.get(account)!.chain.devices.get(device)!.signingKey;
  const context = { conversation, account, device, epoch, openingLink: state.epochs[epoch - 1]!.openingLink };
  for (const key of keys) if ((await openMessage(key, context, each.message, signingKey)).kind === "opened") return true;
  return false;
}

function profilesOpenedBy(keys: readonly Uint8Array[], { links }: Dump): number[] {
  return links.flatMap(({ sequence, entry, state }) => {
    const epoch = state.epochs.at(-1)!;
    const opened = keys.some((key) => openProfile(key, epochContext(state, epoch), epoch.epoch, entry.profile).kind === "opened");
    return entry.profile.length > 0 && opened ? [sequence] : [];
  });
}
