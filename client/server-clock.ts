import { create } from "@bufbuild/protobuf";
import { keys, put, read, schemas } from "./records.ts";
import type { Storage } from "./storage.ts";

/** A server is believed to be so far ahead of this machine's clock, or behind it. */
const BELIEVED_MS = 86_400_000;
/** What is kept may be so old, and so far away from what was heard last. */
const KEEP_EVERY_MS = 600_000;
const KEEP_APART_MS = 1_000;

/** This machine's clocks, milliseconds. */
export interface Clocks {
  /** Since 1970. May be wrong, and may be set at any moment. */
  readonly wall: () => number;
  /** Since whenever. Nobody sets it, and it goes on while the machine sleeps, as far as the platform can tell. */
  readonly steady: () => number;
}

/** The server's time as this device has it, milliseconds since 1970: the same on all devices, whatever their own clocks say. */
export interface ServerTime {
  now(): number;
}

/**
 * [H4] Holds this machine's clocks against the server's: what was heard last goes on by the steady clock, so that setting the other one changes
 * nothing. Without a connection in this run, the difference to this machine's clock that was kept counts. Never goes back behind what was heard
 * before; a server that lies can move it by a day at most.
 */
export class ServerClock implements ServerTime {
  readonly #storage: Storage;
  readonly #clocks: Clocks;
  /** The server's time when the steady clock stood there. */
  #known: { readonly server: number; readonly steady: number };
  /** What is kept in the profile. */
  #kept = { offset: 0, heard: 0 };

  constructor(storage: Storage, clocks: Clocks) {
    this.#storage = storage;
    this.#clocks = clocks;
    this.#known = { server: clocks.wall(), steady: clocks.steady() };
  }

  now(): number {
    const { server, steady } = this.#known;
    return Math.round(server + this.#clocks.steady() - steady);
  }

  /** Takes over what is kept, unless that was done: at the start, and beside the holder when it may have heard more. */
  async load(): Promise<void> {
    const record = await read(this.#storage, keys.serverClock, schemas.serverClock);
    if (record === undefined) return;
    const kept = { offset: Number(record.offset), heard: Number(record.heard) };
    if (kept.offset === this.#kept.offset && kept.heard === this.#kept.heard) return;
    this.#kept = kept;
    const { wall, steady } = this.#clocks;
    this.#known = { server: Math.max(kept.heard, wall() + kept.offset), steady: steady() };
  }

  /** The server says what time it is. */
  async hear(time: bigint): Promise<void> {
    const { wall, steady } = this.#clocks;
    const here = wall();
    const server = Math.max(here - BELIEVED_MS, Math.min(Number(time), here + BELIEVED_MS));
    this.#known = { server, steady: steady() };
    const { offset, heard } = this.#kept;
    if (Math.abs(server - here - offset) < KEEP_APART_MS && Math.abs(server - heard) < KEEP_EVERY_MS) return;
    this.#kept = { offset: Math.round(server - here), heard: Math.round(server) };
    const record = create(schemas.serverClock, { offset: BigInt(this.#kept.offset), heard: BigInt(this.#kept.heard) });
    await this.#storage.commit([put(keys.serverClock, schemas.serverClock, record)]);
  }
}
