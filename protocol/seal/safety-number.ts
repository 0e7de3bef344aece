import { wordlist } from "@scure/bip39/wordlists/english.js";
import { decodeList, encodeList, encodeParts, equal, fromHex, type Part, toHex, utf8 } from "./bytes.ts";
import { hash } from "./hash.ts";
import { labels } from "./labels.ts";

/**
 * [A5] What two people compare. Both see the same, whoever of them looks.
 *
 * One hash goes over both accounts. Whoever sits between them needs an identity towards each of the two such that both
 * hashes agree in what is shown: a collision, for 60 digits (199 bits) or 18 words (198 bits) some 2^99 tries, each of
 * which makes an Ed25519 key. That is out of reach, so nothing is hashed repeatedly to slow guessing down; Signal
 * iterates because each half of its number, 30 digits, stands alone against a second preimage. Fewer digits would be in
 * reach: half of them falls to 2^50 tries.
 */

/** One of the two: account id and identity key, 32 bytes each. */
export type SafetyParty = { readonly account: Uint8Array; readonly identityKey: Uint8Array };

/** The same with the newest account-chain head known of it (32 bytes), where one is known. */
export type SafetyPartyWithHead = SafetyParty & { readonly head?: Uint8Array | undefined };

export type SafetyNumber = {
  /** 60 digits without spaces. */
  readonly digits: string;
  /** 18 words of BIP 39's English list. */
  readonly words: readonly string[];
};

export type ScannedSafetyCode =
  /** Both see the same accounts and identities. The heads are those the other side knows, for comparing [A4]. */
  | {
      readonly kind: "same";
      /** My account's head as the other side knows it. */
      readonly myHead: Uint8Array | undefined;
      /** The other account's head as the other side knows it. */
      readonly theirHead: Uint8Array | undefined;
    }
  /** A safety code, but of other accounts or identities: somebody may sit between the two. */
  | { readonly kind: "different" }
  /** Of a newer client: say "update". */
  | { readonly kind: "unknown-version"; readonly version: number }
  | { readonly kind: "not-a-safety-code" };

const version = 1;
const digitCount = 60;
const wordCount = 18;
const bitsPerWord = 11n;
/** Only characters of QR's alphanumeric mode, where upper-case hexadecimal is as small as Base64. */
const prefix = "FASTCHAT:VERIFY:";
const codeLimit = 4096;

export function safetyNumber(one: SafetyParty, other: SafetyParty): SafetyNumber {
  const [first, second] = inOrder(one, other);
  const number = BigInt(`0x${toHex(hash(labels.hash.safetyNumber, version, ...typed(first), ...typed(second)))}`);
  return {
    digits: (number % 10n ** BigInt(digitCount)).toString().padStart(digitCount, "0"),
    words: Array.from({ length: wordCount }, (_, index) => {
      const word = wordlist[Number((number >> (bitsPerWord * BigInt(index))) & 2047n)];
      if (word === undefined) throw new RangeError("the word list has 2048 words");
      return word;
    }),
  };
}

/** The text of the QR code: it carries the keys themselves, and the heads, so that scanning compares all of it. */
export function safetyCode(mine: SafetyPartyWithHead, theirs: SafetyPartyWithHead): string {
  const [first, second] = inOrder(mine, theirs);
  const parts: Part[] = [version, ...typed(first), ...typedHead(first), ...typed(second), ...typedHead(second)];
  return prefix + toHex(encodeParts(labels.show.safetyCode, ...parts)).toUpperCase();
}

/** Compares a scanned code with what this side knows. */
export function readSafetyCode(code: string, mine: SafetyParty, theirs: SafetyParty): ScannedSafetyCode {
  const parts = partsOf(code);
  if (parts === undefined) return { kind: "not-a-safety-code" };
  const [label, itsVersion, ...rest] = parts;
  if (label === undefined || itsVersion?.length !== 8 || !equal(label, utf8(labels.show.safetyCode))) {
    return { kind: "not-a-safety-code" };
  }
  const versionNumber = Number(BigInt(`0x${toHex(itsVersion)}`));
  if (versionNumber !== version) return { kind: "unknown-version", version: versionNumber };
  if (rest.length !== 12) return { kind: "not-a-safety-code" };
  const [first, second] = inOrder(mine, theirs);
  const firstHead = rest[5];
  const secondHead = rest[11];
  if (!isHead(firstHead) || !isHead(secondHead)) return { kind: "not-a-safety-code" };
  const expected = [...typed(first), "head", firstHead, ...typed(second), "head", secondHead];
  if (!equal(encodeList(rest), encodeList(expected))) return { kind: "different" };
  const [myHead, theirHead] = first === mine ? [firstHead, secondHead] : [secondHead, firstHead];
  return {
    kind: "same",
    myHead: myHead.length === 0 ? undefined : myHead,
    theirHead: theirHead.length === 0 ? undefined : theirHead,
  };
}

function partsOf(code: string): Uint8Array[] | undefined {
  if (code.length > codeLimit || !code.startsWith(prefix)) return undefined;
  try {
    return decodeList(fromHex(code.slice(prefix.length)));
  } catch {
    return undefined;
  }
}

function isHead(head: Uint8Array | undefined): head is Uint8Array {
  return head?.length === 0 || head?.length === 32;
}

function typed(party: SafetyParty): Part[] {
  return ["account", party.account, "identity", party.identityKey];
}

function typedHead(party: SafetyPartyWithHead): Part[] {
  return ["head", party.head ?? new Uint8Array(0)];
}

/** By account id, then by identity key, so that both sides hash the same. */
function inOrder<Party extends SafetyParty>(one: Party, other: Party): [Party, Party] {
  const key = (party: SafetyParty) => toHex(party.account) + toHex(party.identityKey);
  return key(one) <= key(other) ? [one, other] : [other, one];
}
