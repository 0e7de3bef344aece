/** What of Node's own cryptography is used where there is Node: it answers at once, without a thread and a copy, and gives the same as WebCrypto. */
export interface NodeCrypto {
  readonly createHash: (algorithm: "sha256") => { update(data: Uint8Array): unknown; digest(): Uint8Array };
  readonly hash: (algorithm: "sha256", data: Uint8Array, encoding: "buffer") => Uint8Array;
  readonly createCipheriv: (algorithm: "aes-256-gcm", key: Uint8Array, nonce: Uint8Array) => NodeCipher & { getAuthTag(): Uint8Array };
  readonly createDecipheriv: (
    algorithm: "aes-256-gcm",
    key: Uint8Array,
    nonce: Uint8Array,
    options: { readonly authTagLength: number },
  ) => NodeCipher & { setAuthTag(tag: Uint8Array): unknown };
}

interface NodeCipher {
  setAAD(associated: Uint8Array): unknown;
  update(data: Uint8Array): Uint8Array<ArrayBuffer>;
  /** Throws where what was opened is not authentic. */
  final(): Uint8Array;
}

/** Undefined in browsers. */
export function nodeCrypto(): NodeCrypto | undefined {
  const { process } = globalThis as { readonly process?: { readonly getBuiltinModule?: (name: string) => unknown } };
  return process?.getBuiltinModule?.("node:crypto") as NodeCrypto | undefined;
}
