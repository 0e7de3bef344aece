import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { random, toHex } from "@fastchat/protocol/seal";
import { type Wish, WishSchema } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { keys, prefixes, put, read, remove, schemas } from "./records.ts";
import { prefixRange, type Storage } from "./storage.ts";

export type WishKind = NonNullable<MessageInitShape<typeof WishSchema>["kind"]>;

/** How often a process that waits looks by itself. The timer also keeps it alive: who waits is not done. */
const LOOK_MS = 1_000;

/** Leaves a wish for the holder and waits for its answer. Throws FastChatError as the holder says. */
export async function wish<Result>(storage: Storage, kind: WishKind, signal?: AbortSignal): Promise<Result> {
  signal?.throwIfAborted();
  const id = toHex(random(16));
  const answered = Promise.withResolvers<Result>();
  const look = async () => {
    const granted = await read(storage, keys.granted(id), schemas.granted);
    if (granted === undefined) return;
    await storage.commit([remove(keys.granted(id))]);
    const { error, detail, sentence } = granted;
    if (error !== 0) answered.reject(new FastChatError(error as ErrorCode, { detail, ...(sentence !== "" && { sentence }) }));
    else answered.resolve(granted.result === "" ? (undefined as Result) : (JSON.parse(granted.result) as Result));
  };
  const end = storage.onForeignChange(() => void look().catch(answered.reject));
  const timer = setInterval(() => void look().catch(answered.reject), LOOK_MS);
  const abort = () => answered.reject(signal?.reason as Error);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await storage.commit([put(keys.wish(id), schemas.wish, create(WishSchema, { kind }))]);
    return await answered.promise;
  } finally {
    clearInterval(timer);
    end();
    signal?.removeEventListener("abort", abort);
  }
}

/** Fulfils what processes beside wish; each wish once. */
export class WishGranter {
  readonly #storage: Storage;
  readonly #fulfil: (wish: Wish) => Promise<unknown>;
  readonly #taken = new Set<string>();

  constructor(storage: Storage, fulfil: (wish: Wish) => Promise<unknown>) {
    this.#storage = storage;
    this.#fulfil = fulfil;
  }

  async look(): Promise<void> {
    for (const { key, value } of await this.#storage.range(prefixRange(prefixes.wishes))) {
      if (this.#taken.has(key)) continue;
      this.#taken.add(key);
      void this.#grant(key, fromBinary(WishSchema, value));
    }
  }

  async #grant(key: string, asked: Wish): Promise<void> {
    const answer = await this.#answer(asked);
    const id = key.slice(prefixes.wishes.length);
    await this.#storage.commit([remove(key), put(keys.granted(id), schemas.granted, create(schemas.granted, answer))]).catch(() => {
      // Closed meanwhile, or the disk is full: the next holder finds the wish again.
    });
    this.#taken.delete(key);
  }

  async #answer(asked: Wish) {
    try {
      const result = await this.#fulfil(asked);
      return { result: result === undefined ? "" : JSON.stringify(result) };
    } catch (error) {
      if (error instanceof FastChatError) return { error: error.code, detail: error.message, sentence: error.row.sentence };
      return { error: ErrorCode.UNAVAILABLE, detail: "The process that holds this profile could not do it." };
    }
  }
}
