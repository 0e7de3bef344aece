import { join } from "node:path";
import type { Client } from "@fastchat/client";
import { listProfiles } from "@fastchat/client/node";
import type { OtherAccount } from "./accounts.ts";
import { type Store, type StoreOptions, startStore } from "./store.ts";

export interface OpenedAccount {
  readonly profile: string;
  readonly client: Client;
  readonly store: Store;
}

export interface OpenedAccountsParts {
  readonly home: string;
  /** Undefined: nobody is signed in in this profile. */
  readonly open: (profile: string) => Promise<Client | undefined>;
  readonly storeOptions: Omit<StoreOptions, "columns" | "rows" | "profileFolder">;
}

/** Accounts that were shown once stay connected, and say what is unread in them, until the terminal client ends. */
export class OpenedAccounts implements AsyncDisposable {
  readonly #parts: OpenedAccountsParts;
  readonly #opened = new Map<string, OpenedAccount>();
  #shown: OpenedAccount | undefined;
  /** With somebody signed in, as of when one of them was shown last: each is opened to find out. */
  #profiles: readonly string[] = [];

  constructor(parts: OpenedAccountsParts) {
    this.#parts = parts;
  }

  /** One of those that are open. */
  get any(): OpenedAccount | undefined {
    return [...this.#opened.values()][0];
  }

  /** Takes in a client that is open. */
  add(profile: string, client: Client): OpenedAccount {
    const { columns, rows } = process.stdout;
    const { home, storeOptions } = this.#parts;
    const profileFolder = client.quick ? undefined : join(home, profile);
    const store = startStore(client, { ...storeOptions, columns, rows, profileFolder });
    const opened = { profile, client, store };
    this.#opened.set(profile, opened);
    store.subscribe(() => this.#tell());
    return opened;
  }

  /** Undefined: nobody is signed in there any more. */
  async get(profile: string): Promise<OpenedAccount | undefined> {
    const opened = this.#opened.get(profile);
    if (opened !== undefined) return opened;
    const client = await this.#parts.open(profile);
    return client && this.add(profile, client);
  }

  /** From now on this one is told what waits in the others. */
  async show(opened: OpenedAccount): Promise<void> {
    this.#shown = opened;
    if (!opened.client.quick) this.#profiles = await listProfiles(this.#parts.home);
    this.#tell();
  }

  /** It was signed out: what it had open is closed. */
  async drop({ profile, client, store }: OpenedAccount): Promise<void> {
    this.#opened.delete(profile);
    await store[Symbol.asyncDispose]();
    await client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#opened.values()].map((opened) => this.drop(opened)));
  }

  #tell(): void {
    const shown = this.#shown;
    if (shown === undefined || shown.client.quick) return;
    const profiles = new Set([...this.#profiles, ...this.#opened.keys()]);
    // From the one behind it round.
    const all = [...profiles].sort();
    const at = all.indexOf(shown.profile);
    const others = [...all.slice(at + 1), ...all.slice(0, Math.max(0, at))].map((profile) => this.#otherAccount(profile));
    if (JSON.stringify(others) === JSON.stringify(shown.store.state().others)) return;
    shown.store.dispatch({ kind: "accounts", others });
  }

  #otherAccount(profile: string): OtherAccount {
    const state = this.#opened.get(profile)?.store.state();
    return { profile, unread: state?.conversations.reduce((sum, { unread, mute }) => sum + (mute === "none" ? unread : 0), 0) };
  }
}
