import type { Head } from "./bus.ts";
import { HEAD_BYTES, packHeads, unpackHeads } from "./hint.ts";

// What two servers say on a direct connection, once each has shown that it has the key: the one that speaks in text, the one that hears in bytes.

/** Asked for by who wants to hear: tells its socket from a client's, under whatever path a proxy puts the server. */
export const SUBPROTOCOL = "fastchat-bus-2";

/** What one that hears says: of these it wants to hear, of these no more, and that it has said all that it wanted when it came. */
export const wishes = { wanted: 1, left: 2, allSaid: 3 } as const;

const HEADS_AT_ONCE = 3_000;
/** Of one wish. */
export const WISH_BYTES = 1 + HEADS_AT_ONCE * HEAD_BYTES;

/** One or more, in order. */
export function encodeWishes(wish: number, heads: readonly Head[]): Buffer[] {
  const encoded: Buffer[] = [];
  for (let from = 0; from === 0 || from < heads.length; from += HEADS_AT_ONCE)
    encoded.push(Buffer.concat([Uint8Array.of(wish), packHeads(heads.slice(from, from + HEADS_AT_ONCE))]));
  return encoded;
}

export const decodeWish = (bytes: Buffer): { readonly wish: number | undefined; readonly heads: Head[] } => ({
  wish: bytes[0],
  heads: unpackHeads(bytes.subarray(1)),
});

/** What one that speaks says. */
export type Word =
  /** `after`: number of the payload before it that was for the same hearer; undefined: it is not counted. */
  | { readonly kind: "payload"; readonly payload: string; readonly after: number | undefined }
  /** Nothing behind the one number and up to the other was for this hearer. */
  | { readonly kind: "spared"; readonly after: number; readonly upTo: number };

const PAYLOAD = ".";
const SPARED = "=";
/** What a word takes besides its payload, at most. */
export const WORD_OVERHEAD = 32;

export const encodeWord = (word: Word): Buffer =>
  Buffer.from(word.kind === "payload" ? `${PAYLOAD}${word.after ?? ""} ${word.payload}` : `${SPARED}${word.after} ${word.upTo}`);

/** Undefined: it is none. */
export function decodeWord(text: string): Word | undefined {
  const space = text.indexOf(" ");
  const [kind, number, rest] = [text[0], text.slice(1, space), text.slice(space + 1)];
  const after = numberOf(number);
  if (kind === PAYLOAD && (number === "" || after !== undefined)) return { kind: "payload", payload: rest, after };
  const upTo = numberOf(rest);
  return kind === SPARED && after !== undefined && upTo !== undefined ? { kind: "spared", after, upTo } : undefined;
}

/** A safe integer. */
const numberOf = (text: string): number | undefined => (/^\d{1,15}$/.test(text) ? Number(text) : undefined);
