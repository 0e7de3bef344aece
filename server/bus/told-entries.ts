import { createHmac, timingSafeEqual } from "node:crypto";
import { type ConversationId, conversationId } from "@fastchat/protocol";
import type { StoredEntry } from "../store/entries.ts";
import { packEntries, unpackEntries } from "../store/packed-entries.ts";

// A few messages go along with the word that they are stored, so that who hears it need not read them. They are under a key that only servers with the
// database have: a bus is no place whose word on a log counts.

/** Messages of one log that were just stored: ascending and gap-free, one at least. */
export interface ToldEntries {
  readonly conversation: ConversationId;
  readonly entries: readonly StoredEntry[];
}

const LABEL = "fastchat/1/bus/entries";
const ID_BYTES = 32;
/** Id, first sequence number, bytes of heads and of bodies. */
const RECORD_BYTES = ID_BYTES + 12;
export const tagBytes = 32;

export const toldLogBytes = RECORD_BYTES;

/** The same for all servers of an installation: 32 bytes. */
export const busKeyOf = (installationKey: Uint8Array): Uint8Array => createHmac("sha256", installationKey).update(LABEL).digest();

export const packTold = (told: readonly ToldEntries[]): Buffer =>
  Buffer.concat(
    told.flatMap(({ conversation, entries }) => {
      const { first, heads, bodies } = packEntries(entries);
      const record = Buffer.allocUnsafe(RECORD_BYTES);
      record.write(conversation, "hex");
      record.writeUInt32BE(first, ID_BYTES);
      record.writeUInt32BE(heads.length, ID_BYTES + 4);
      record.writeUInt32BE(bodies.length, ID_BYTES + 8);
      return [record, heads, bodies];
    }),
  );

/** Of what `packTold` made, and nothing else: it was authentic. */
export function unpackTold(bytes: Buffer): ToldEntries[] {
  const told: ToldEntries[] = [];
  for (let from = 0; from < bytes.length;) {
    const heads = from + RECORD_BYTES;
    const bodies = heads + bytes.readUInt32BE(from + ID_BYTES + 4);
    const end = bodies + bytes.readUInt32BE(from + ID_BYTES + 8);
    const page = { first: bytes.readUInt32BE(from + ID_BYTES), heads: bytes.subarray(heads, bodies), bodies: bytes.subarray(bodies, end) };
    told.push({ conversation: conversationId(bytes.subarray(from, from + ID_BYTES)), entries: unpackEntries(page) });
    from = end;
  }
  return told;
}

/** Over the bytes and their place among all that a server says, so that they count once. */
export const tagOf = (key: Uint8Array, run: string, number: number, packed: Uint8Array): Buffer =>
  createHmac("sha256", key)
    .update(JSON.stringify([run, number]))
    .update(packed)
    .digest();

export const isTagOf = (tag: Uint8Array, ...of: Parameters<typeof tagOf>): boolean =>
  tag.length === tagBytes && timingSafeEqual(tag, tagOf(...of));
