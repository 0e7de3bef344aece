import { create, fromBinary } from "@bufbuild/protobuf";
import { accountId, deviceId, idBytes } from "@fastchat/protocol";
import type { Me } from "./api.ts";
import { keys, prefixes, put, read, recordFormat, remove, schemas } from "./records.ts";
import { type Change, prefixRange, type Storage } from "./storage.ts";

export interface AccountKeySecret {
  readonly generation: number;
  /** X-Wing seed, 32 bytes. */
  readonly secret: Uint8Array;
}

/** Who is signed in on this device, and the secrets of the device: all that it keeps of its account [P3]. */
export interface LocalProfile {
  readonly me: Me;
  readonly signingSeed: Uint8Array;
  readonly sealingSecret: Uint8Array;
  /** Every generation, oldest first. */
  readonly accountKeys: readonly AccountKeySecret[];
  readonly passwordServerKey: string;
}

/** The profile was written by newer software. */
export class ProfileTooNew extends Error {
  constructor() {
    super("This profile was used with a newer FastChat: update this one.");
    this.name = "ProfileTooNew";
  }
}

/** Undefined: nobody is signed in here. */
export async function loadProfile(storage: Storage): Promise<LocalProfile | undefined> {
  const record = await read(storage, keys.profile, schemas.profile);
  if (record === undefined) return undefined;
  if (record.format > recordFormat) throw new ProfileTooNew();
  const { gateway, name, signingSeed, sealingSecret, passwordServerKey } = record;
  const accountKeys = (await storage.range(prefixRange(prefixes.accountKeys))).map(({ value }) => fromBinary(schemas.accountKey, value));
  const me: Me = { gateway, name, account: accountId(record.account), device: deviceId(record.device) };
  return { me, signingSeed, sealingSecret, accountKeys, passwordServerKey };
}

export function saveProfile({ me, signingSeed, sealingSecret, accountKeys, passwordServerKey }: LocalProfile): Change[] {
  const record = create(schemas.profile, {
    format: recordFormat,
    gateway: me.gateway,
    name: me.name,
    account: idBytes(me.account),
    device: idBytes(me.device),
    signingSeed,
    sealingSecret,
    passwordServerKey,
  });
  return [put(keys.profile, schemas.profile, record), ...accountKeys.map(saveAccountKey)];
}

/** Above every key of a profile. */
const LAST_KEY = "\uffff";
const KEYS_AT_ONCE = 1_000;

/** All that is in a profile goes. */
export async function eraseAll(storage: Storage): Promise<Change[]> {
  const changes: Change[] = [];
  for (let from = ""; ;) {
    const items = await storage.range({ from, to: LAST_KEY, limit: KEYS_AT_ONCE });
    for (const { key } of items) changes.push(remove(key));
    if (items.length < KEYS_AT_ONCE) return changes;
    // The key after the last one.
    from = `${items.at(-1)!.key}\0`;
  }
}

export function saveAccountKey({ generation, secret }: AccountKeySecret): Change {
  return put(keys.accountKey(generation), schemas.accountKey, create(schemas.accountKey, { generation, secret }));
}
