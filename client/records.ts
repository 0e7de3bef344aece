import { PutBackAccountSchema } from "@fastchat/protocol/wire/frames";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { AccountId, ClientMessageId, ConversationId } from "@fastchat/protocol";
import {
  AccountKeySchema,
  ChainRecordSchema,
  ConversationSchema,
  GrantedSchema,
  HolderConnectionSchema,
  KnownAccountSchema,
  OutboxItemSchema,
  OutgoingDeletionSchema,
  ProfileSchema,
  RunningSchema,
  ServerClockSchema,
  StoredEntrySchema,
  TimerSchema,
  UnreadRequestSchema,
  VaultCursorSchema,
  VaultRecordSchema,
  WarningsSchema,
  WishSchema,
  WithdrawalSchema,
} from "./generated/fastchat/profile/v1/profile_pb.ts";
import type { Change, Storage } from "./storage.ts";

/** Version of the local records; a profile with a higher one was written by newer software. */
export const recordFormat = 1;

/** Sequence numbers and epochs have 32 bits: ten digits keep them in order as text. */
const number = (value: number): string => String(value).padStart(10, "0");

/** Every key of a profile's storage. */
export const keys = {
  profile: "profile",
  accountKey: (generation: number) => `account-key/${number(generation)}`,
  account: (account: AccountId) => `account/${account}`,
  conversation: (conversation: ConversationId) => `conversation/${conversation}`,
  chain: (conversation: ConversationId) => `chain/${conversation}`,
  link: (conversation: ConversationId, sequence: number) => `link/${conversation}/${number(sequence)}`,
  epochKey: (conversation: ConversationId, epoch: number) => `epoch-key/${conversation}/${number(epoch)}`,
  entry: (conversation: ConversationId, sequence: number) => `entry/${conversation}/${number(sequence)}`,
  /** Of an entry whose message has a lifetime. */
  timer: (conversation: ConversationId, sequence: number) => `timer/${conversation}/${number(sequence)}`,
  /** Of a deleted message: account, device and id, or account and device "@" its place; hexadecimal, between slashes. */
  withdrawal: (conversation: ConversationId, message: string) => `withdrawal/${conversation}/${message}`,
  /** An entry that stood at this place, and that the server lost [H6]. */
  lost: (conversation: ConversationId, sequence: number) => `lost/${conversation}/${number(sequence)}`,
  /** `order` counts up within a conversation; the id keeps two processes that chose the same one apart. */
  outbox: (conversation: ConversationId, order: number, id: ClientMessageId) => `outbox/${conversation}/${number(order)}/${id}`,
  vault: (place: { readonly kind: string; readonly key: string }) => `vault/${place.kind}/${place.key}`,
  /** Written here, not yet on the server. */
  vaultPending: (place: { readonly kind: string; readonly key: string }) => `vault-pending/${place.kind}/${place.key}`,
  vaultCursor: "vault-cursor",
  /** The account of a stranger who has this name here. */
  stranger: (name: string) => `stranger/${name}`,
  /** A stranger's conversation that was not read. */
  unread: (conversation: ConversationId) => `unread-request/${conversation}`,
  holderConnection: "holder-connection",
  serverClock: "server-clock",
  /** Of the server's data, when it was last held against what is here [H6]. */
  running: "running",
  /** What lay beside this device's newest link with a new account key: for putting it back [H6]. */
  keyTurn: "key-turn",
  warnings: "warnings",
  wish: (id: string) => `wish/${id}`,
  granted: (id: string) => `granted/${id}`,
} as const;

export const prefixes = {
  accountKeys: "account-key/",
  accounts: "account/",
  conversations: "conversation/",
  links: (conversation: ConversationId) => `link/${conversation}/`,
  epochKeys: (conversation: ConversationId) => `epoch-key/${conversation}/`,
  entries: (conversation: ConversationId) => `entry/${conversation}/`,
  allTimers: "timer/",
  timers: (conversation: ConversationId) => `timer/${conversation}/`,
  withdrawals: (conversation: ConversationId) => `withdrawal/${conversation}/`,
  lost: (conversation: ConversationId) => `lost/${conversation}/`,
  outbox: "outbox/",
  outboxOf: (conversation: ConversationId) => `outbox/${conversation}/`,
  vault: "vault/",
  vaultOf: (kind: string) => `vault/${kind}/`,
  vaultPending: "vault-pending/",
  vaultPendingOf: (kind: string) => `vault-pending/${kind}/`,
  strangers: "stranger/",
  unread: "unread-request/",
  wishes: "wish/",
} as const;

export const sequenceOfKey = (key: string): number => Number(key.slice(key.lastIndexOf("/") + 1));

export function outboxKeyParts(key: string): { conversation: ConversationId; order: number; id: ClientMessageId } {
  const [, conversation, order, id] = key.split("/");
  return { conversation: conversation as ConversationId, order: Number(order), id: id as ClientMessageId };
}

export const schemas = {
  profile: ProfileSchema,
  accountKey: AccountKeySchema,
  account: KnownAccountSchema,
  conversation: ConversationSchema,
  chain: ChainRecordSchema,
  entry: StoredEntrySchema,
  timer: TimerSchema,
  withdrawal: WithdrawalSchema,
  outbox: OutboxItemSchema,
  outgoingDeletion: OutgoingDeletionSchema,
  unread: UnreadRequestSchema,
  vault: VaultRecordSchema,
  vaultCursor: VaultCursorSchema,
  wish: WishSchema,
  granted: GrantedSchema,
  holderConnection: HolderConnectionSchema,
  serverClock: ServerClockSchema,
  running: RunningSchema,
  keyTurn: PutBackAccountSchema,
  warnings: WarningsSchema,
} as const;

/** A change that stores a record. */
export function put<Schema extends DescMessage>(key: string, schema: Schema, record: MessageShape<Schema>): Change {
  return { kind: "put", key, value: toBinary(schema, record) };
}

export const remove = (key: string): Change => ({ kind: "delete", key });

export async function read<Schema extends DescMessage>(
  storage: Storage,
  key: string,
  schema: Schema,
): Promise<MessageShape<Schema> | undefined> {
  const bytes = await storage.get(key);
  return bytes && fromBinary(schema, bytes);
}
