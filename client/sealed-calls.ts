import { ErrorCode, FastChatError } from "@fastchat/protocol";
import {
  decrypt,
  encodeParts,
  encrypt,
  fromHex,
  generateSealingKey,
  labels,
  open,
  random,
  seal,
  type SealingKey,
  sealingInfo,
  toHex,
  utf8,
} from "@fastchat/protocol/seal";
import type { Client } from "./api.ts";
import { keys, read, schemas } from "./records.ts";
import type { Storage } from "./storage.ts";
import { successionUnknown } from "./succession.ts";

/** What needs a password, or answers with recovery words. */
export type SecretCalls = Pick<Client, "revokeDevices" | "succeed" | "deleteAccount">;
type Name = keyof SecretCalls;

const names: readonly string[] = ["revokeDevices", "succeed", "deleteAccount"] satisfies readonly Name[];
const NOBODY = new Uint8Array(32);
const NONE = new Uint8Array(0);

/** One call on its way to the holder of a profile. Both in hex: nothing of it can be read where it lies. */
interface SealedCall {
  /** Of 32 bytes, sealed to the holder. */
  readonly key: string;
  /** Name and arguments. */
  readonly call: string;
}

const info = sealingInfo(labels.seal.callToHolder, { context: NOBODY, number: 1, recipient: NOBODY, recipientGeneration: 0 });
const place = (direction: "call" | "answer") => encodeParts(labels.encrypt.callToHolder, direction);

/** At the holder: its key lives as long as its process, and is nowhere else. */
export class SealedCalls {
  readonly #key: Promise<SealingKey> = generateSealingKey();
  readonly #calls: SecretCalls;

  constructor(calls: SecretCalls) {
    this.#calls = calls;
  }

  get publicKey(): Promise<Uint8Array> {
    return this.#key.then(({ publicKey }) => publicKey);
  }

  /** Opens a call, carries it out, and seals what it gives. Throws what the call throws, UNAVAILABLE for what was sealed to another holder. */
  async take(sealed: SealedCall): Promise<string> {
    const opened = await open((await this.#key).secret, info, fromHex(sealed.key));
    const call = opened.kind === "opened" ? decrypt(opened.plaintext, place("call"), fromHex(sealed.call)) : undefined;
    if (opened.kind !== "opened" || call?.kind !== "decrypted") throw unavailable();
    const [name, ...given] = JSON.parse(new TextDecoder().decode(call.plaintext)) as [string, ...unknown[]];
    if (!names.includes(name)) throw unavailable();
    const target = this.#calls as unknown as Record<string, (...given: readonly unknown[]) => Promise<unknown>>;
    const answer = await target[name]!(...given);
    return toHex(encrypt(opened.plaintext, place("answer"), utf8(JSON.stringify(answer ?? null))));
  }
}

/** Beside the holder: the same calls, by a key that only the two processes have. */
export function sealedCallsThrough(storage: Storage, carry: (sealed: SealedCall) => Promise<string>): SecretCalls {
  const call = async (name: Name, given: readonly unknown[]): Promise<unknown> => {
    const holder = await read(storage, keys.holderConnection, schemas.holderConnection);
    const key = random(32);
    const sealed = await seal(holder?.callKey ?? NONE, info, key);
    // It has not said its key yet, or goes.
    if (sealed.kind !== "sealed") throw unavailable();
    const content = encrypt(key, place("call"), utf8(JSON.stringify([name, ...given])));
    const carried = await carry({ key: toHex(sealed.copy), call: toHex(content) }).catch((error: unknown) => {
      // Perhaps another process holds the profile by now, and the one before had begun.
      const isUnknown = name === "succeed" && error instanceof FastChatError && error.code === ErrorCode.UNAVAILABLE;
      throw isUnknown ? successionUnknown(error) : error;
    });
    const answer = decrypt(key, place("answer"), fromHex(carried));
    if (answer.kind !== "decrypted") throw unavailable();
    return (JSON.parse(new TextDecoder().decode(answer.plaintext)) as unknown) ?? undefined;
  };
  return {
    revokeDevices: (password, devices) => call("revokeDevices", [password, devices]) as Promise<void>,
    deleteAccount: (password) => call("deleteAccount", [password]) as ReturnType<SecretCalls["deleteAccount"]>,
    succeed: (old, fresh) => call("succeed", [old, fresh]) as ReturnType<SecretCalls["succeed"]>,
  };
}

const unavailable = () =>
  new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The process that holds this profile ends or begins: try again." });
