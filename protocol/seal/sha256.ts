import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";

interface NodeCrypto {
  readonly createHash: (algorithm: "sha256") => { update(data: Uint8Array): unknown; digest(): Uint8Array };
  readonly hash: (algorithm: "sha256", data: Uint8Array, encoding: "buffer") => Uint8Array;
}

/** From so many bytes on the platform's own is faster, by far: the state of a group of 1,000 has some 200 KiB. */
const NATIVE_FROM_BYTES = 512;

/** Node's, which answers at once; browsers have only one that must be waited for. */
function nativeCrypto(): NodeCrypto | undefined {
  const { process } = globalThis as { readonly process?: { readonly getBuiltinModule?: (name: string) => unknown } };
  return process?.getBuiltinModule?.("node:crypto") as NodeCrypto | undefined;
}

const native = nativeCrypto()?.hash;

/** SHA-256 of what comes in pieces. */
export interface RunningSha256 {
  update(bytes: Uint8Array): unknown;
  /** 32 bytes; ends it. */
  digest(): Uint8Array;
}

export const runningSha256 = (): RunningSha256 => nativeCrypto()?.createHash("sha256") ?? nobleSha256.create();

/** SHA-256 (FIPS 180-4): 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  if (native === undefined || bytes.length < NATIVE_FROM_BYTES) return nobleSha256(bytes);
  const digest = native("sha256", bytes, "buffer");
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.length);
}
