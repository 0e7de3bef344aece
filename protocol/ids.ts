import { fromHex, toHex } from "./seal/bytes.ts";

declare const brand: unique symbol;
type Id<Name extends string> = string & { readonly [brand]: Name };

/** 64 lower-case hex digits: the hash of the account's `create` link [G2]. String order is byte order. */
export type AccountId = Id<"account">;
/** 64 lower-case hex digits: the hash of the device's public keys and nonce [G2]. */
export type DeviceId = Id<"device">;
/** 64 lower-case hex digits: of a group the hash of its `create` link, of a direct conversation the hash of its accounts [G2]. */
export type ConversationId = Id<"conversation">;
/** 64 lower-case hex digits: the hash of a signed link. */
export type LinkHash = Id<"link">;
/** 64 lower-case hex digits: commits to an epoch key [C4]. */
export type KeyId = Id<"key">;
/** 64 lower-case hex digits: SHA-256 of an encrypted file, as it is stored [S6]. */
export type BlobId = Id<"blob">;
/** 32 lower-case hex digits, random, made by the sending client: removes duplicates. */
export type ClientMessageId = Id<"client-message">;

const HASH_BYTES = 32;
const CLIENT_MESSAGE_ID_BYTES = 16;

function idOf<T extends string>(bytes: Uint8Array, length: number, what: string): T {
  if (bytes.length !== length) throw new RangeError(`${what} has ${bytes.length} bytes instead of ${length}`);
  return toHex(bytes) as T;
}

/** Each throws RangeError when the bytes are not as long as such an id is; check input from the wire with `isHash` first. */
export const accountId = (bytes: Uint8Array): AccountId => idOf(bytes, HASH_BYTES, "an account id");
export const deviceId = (bytes: Uint8Array): DeviceId => idOf(bytes, HASH_BYTES, "a device id");
export const conversationId = (bytes: Uint8Array): ConversationId => idOf(bytes, HASH_BYTES, "a conversation id");
export const linkHash = (bytes: Uint8Array): LinkHash => idOf(bytes, HASH_BYTES, "a link hash");
export const keyId = (bytes: Uint8Array): KeyId => idOf(bytes, HASH_BYTES, "a key id");
export const blobId = (bytes: Uint8Array): BlobId => idOf(bytes, HASH_BYTES, "a blob id");
export const clientMessageId = (bytes: Uint8Array): ClientMessageId => idOf(bytes, CLIENT_MESSAGE_ID_BYTES, "a client message id");

export const isHash = (bytes: Uint8Array): boolean => bytes.length === HASH_BYTES;
export const isClientMessageId = (bytes: Uint8Array): boolean => bytes.length === CLIENT_MESSAGE_ID_BYTES;

/** The bytes of any id above. */
export const idBytes = (id: Id<string>): Uint8Array => fromHex(id);
