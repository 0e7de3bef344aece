import { create } from "@bufbuild/protobuf";
import type { ConnectionState } from "./api.ts";
import { Lane } from "./lane.ts";
import { keys, put, read, remove, schemas } from "./records.ts";
import type { Storage } from "./storage.ts";

/** What the holder of a profile says about its connection to processes beside it; in the order in which it was said. */
export class ToldConnection {
  readonly #storage: Storage;
  readonly #callKey: () => Promise<Uint8Array>;
  readonly #lane = new Lane();

  /** @param callKey see HolderConnection */
  constructor(storage: Storage, callKey: () => Promise<Uint8Array>) {
    this.#storage = storage;
    this.#callKey = callKey;
  }

  tell(state: ConnectionState): Promise<void> {
    return this.#lane.run(async () => {
      const record = create(schemas.holderConnection, { state: JSON.stringify(state), callKey: await this.#callKey() });
      await this.#storage.commit([put(keys.holderConnection, schemas.holderConnection, record)]);
    });
  }

  /** The holder goes. */
  forget(): Promise<void> {
    return this.#lane.run(() => this.#storage.commit([remove(keys.holderConnection)]));
  }
}

/** To be believed only while somebody holds the profile's lock. Undefined: its holder has not said anything yet, or goes. */
export async function readHolderConnection(storage: Storage): Promise<ConnectionState | undefined> {
  const record = await read(storage, keys.holderConnection, schemas.holderConnection);
  return record && (JSON.parse(record.state) as ConnectionState);
}
