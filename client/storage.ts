/**
 * Where a profile keeps what it knows: one ordered map from text to bytes.
 *
 * An implementation MUST:
 *   - apply a commit whole or not at all, and resolve only when it would survive the loss of power;
 *   - let every later read, in any process of the profile, see a resolved commit;
 *   - order keys by their UTF-16 code units (all keys here are ASCII);
 *   - reject a commit for which there is no room with StorageFullError, having changed nothing;
 *   - call `onForeignChange` listeners within 100 ms after another process or page committed;
 *   - return bytes that stay as they are, and keep its own copy of bytes it was given.
 * It MUST NOT call a listener for its own commits, interpret keys or values, or keep anything outside the profile.
 */
export interface Storage {
  get(key: string): Promise<Uint8Array | undefined>;
  /** In the order of the keys. */
  getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>;
  /** Keys with `from` ≤ key < `to`, ascending unless `reverse`, at most `limit`. */
  range(range: KeyRange): Promise<readonly Item[]>;
  /** In order: a later change of a key wins. */
  commit(changes: readonly Change[]): Promise<void>;
  /**
   * Leaves nothing in the profile's files of what was deleted or replaced before, as far as the platform lets it. False: another process or page is
   * in the way at this moment.
   */
  scrub(): Promise<boolean>;
  /** Returns the function that ends the subscription. */
  onForeignChange(listener: () => void): () => void;
  close(): Promise<void>;
}

export interface KeyRange {
  readonly from: string;
  readonly to: string;
  readonly limit?: number;
  readonly reverse?: boolean;
}

export interface Item {
  readonly key: string;
  readonly value: Uint8Array;
}

export type Change =
  | { readonly kind: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: string };

/** The disk, or the browser's quota, is full: nothing was changed, and the same commit may succeed later. */
export class StorageFullError extends Error {
  constructor(cause: unknown) {
    super("The disk of this device is full: make room and try again; nothing is lost.", { cause });
    this.name = "StorageFullError";
  }
}

/** All keys that begin with the prefix. */
export function prefixRange(prefix: string): { from: string; to: string } {
  const last = prefix.charCodeAt(prefix.length - 1);
  return { from: prefix, to: prefix.slice(0, -1) + String.fromCharCode(last + 1) };
}
