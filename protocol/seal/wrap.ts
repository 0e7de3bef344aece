import { decrypt, encrypt } from "./aead.ts";
import { encodeParts, type LabelledBytes, type Part } from "./bytes.ts";
import { hashLength, hkdf } from "./hash.ts";
import { labels } from "./labels.ts";

/** [P2] [P3] Which key lies under which. */
export type WrapPurpose =
  | "masterUnderExportKey"
  | "masterUnderRecoveryKey"
  | "identityUnderMaster"
  | "accountKeyUnderMaster"
  | "olderAccountKeyUnderNewer";

/**
 * [P2] Where a wrap belongs; one taken from elsewhere is refused.
 * - `account`: the account's id, 32 bytes.
 * - `record`: the place it is stored at: the sign-in record's id, or the account key's generation.
 * - `version`: counts up when that place is written again, so that an old wrap cannot stand in for a newer one.
 */
export type WrapPlace = { readonly account: Uint8Array; readonly record: Part; readonly version: number };

export type Unwrapped =
  | { readonly kind: "unwrapped"; readonly secret: Uint8Array }
  | { readonly kind: "unknown-suite"; readonly version: number; readonly suite: number }
  /** Another wrapping secret, purpose or place, or changed bytes. */
  | { readonly kind: "refused" };

/**
 * Wraps a secret of 32 bytes under a wrapping secret of any length (OPAQUE's export key has 64 bytes): 74 bytes.
 *
 * @throws RangeError when the secret has not 32 bytes.
 */
export function wrapKey(purpose: WrapPurpose, wrappingSecret: Uint8Array, place: WrapPlace, secret: Uint8Array): Uint8Array {
  if (secret.length !== hashLength) throw new RangeError("a wrapped secret has 32 bytes");
  return encrypt(hkdf(wrappingSecret, labels.derive[purpose]), associatedData(purpose, place), secret);
}

export function unwrapKey(purpose: WrapPurpose, wrappingSecret: Uint8Array, place: WrapPlace, wrapped: Uint8Array): Unwrapped {
  const opened = decrypt(hkdf(wrappingSecret, labels.derive[purpose]), associatedData(purpose, place), wrapped);
  switch (opened.kind) {
    case "decrypted":
      if (opened.plaintext.length !== hashLength) return { kind: "refused" };
      return { kind: "unwrapped", secret: opened.plaintext };
    case "unknown-suite":
    case "refused":
      return opened;
    default:
      return opened satisfies never;
  }
}

function associatedData(purpose: WrapPurpose, place: WrapPlace): LabelledBytes {
  return encodeParts(labels.encrypt[purpose], place.account, place.record, purpose, place.version);
}
