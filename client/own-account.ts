import { type DeviceId, ErrorCode, FastChatError, idBytes } from "@fastchat/protocol";
import { type AccountState, buildSignOut } from "@fastchat/protocol/chain";
import { deviceSealingKeyHash, toHex, type VaultKeys, vaultKeysOf } from "@fastchat/protocol/seal";
import type { AccountAttachments, SignedLink } from "@fastchat/protocol/wire/account";
import type { DeviceTimes } from "@fastchat/protocol/wire/frames";
import { openNewAccountKeys } from "./account-keys.ts";
import type { KnownAccounts } from "./accounts.ts";
import type { Connection } from "./connection.ts";
import type { Gateway } from "./gateway.ts";
import { type AccountKeySecret, type LocalProfile, saveAccountKey } from "./profile.ts";
import { buildRevocation } from "./revocation.ts";
import { openAccount, type OpenedKeys } from "./sign-in.ts";
import type { Storage } from "./storage.ts";
import type { Vault } from "./vault.ts";

/** How often a link is written anew when somebody else's came first. */
const LINK_ATTEMPTS = 5;

export interface OwnAccountParts {
  readonly storage: Storage;
  readonly profile: LocalProfile;
  readonly accounts: KnownAccounts;
  readonly connection: Pick<Connection, "online" | "request">;
  readonly gateway: Gateway;
  readonly vault: () => Vault;
  readonly onNewDevice: () => void;
  /** It signed itself out: its notes in the vault have been read. */
  readonly onSignedOut: (device: DeviceId) => void;
}

/** The account that is signed in here: its chain as it moves, and its keys. */
export class OwnAccount {
  readonly #parts: OwnAccountParts;
  /** Each message asks for them: they are derived once. */
  #vaultKeys: VaultKeys | undefined;
  #keys: readonly AccountKeySecret[];

  constructor(parts: OwnAccountParts) {
    this.#parts = parts;
    this.#keys = parts.profile.accountKeys;
  }

  secretOf(generation: number): Uint8Array | undefined {
    return this.#keys.find((key) => key.generation === generation)?.secret;
  }

  /** Of the newest account-key generation. */
  get vaultKeys(): VaultKeys {
    const newest = this.#keys.at(-1)!;
    if (this.#vaultKeys?.generation !== newest.generation) this.#vaultKeys = vaultKeysOf(newest);
    return this.#vaultKeys;
  }

  /** Every new device is shown on all devices of the account [A5]. */
  async refresh(): Promise<void> {
    const { me } = this.#parts.profile;
    const before = (await this.#parts.accounts.get(me.account))?.state;
    const { state } = await this.#parts.accounts.refresh(me.account);
    if (await this.renewKeys()) await this.#parts.vault().renew();
    if (before === undefined) return;
    // What a device wrote before it ended is read now: what it signs from here on is refused [P4].
    const isOver = (device: DeviceId) => before.devices.get(device)?.status.kind !== state.devices.get(device)?.status.kind;
    const ended = [...state.devices.values()].filter(({ device, status }) => status.kind !== "active" && isOver(device));
    if (ended.length > 0) await this.#parts.vault().refresh();
    for (const { device } of state.devices.values()) {
      if (before.devices.has(device) || device === me.device) continue;
      this.#parts.onNewDevice();
    }
    for (const { device, status } of ended) if (status.kind === "signed-out") this.#parts.onSignedOut(device);
  }

  /** True: the account has a newer key, and this device has it now. */
  async renewKeys(): Promise<boolean> {
    const { me, sealingSecret } = this.#parts.profile;
    const { state } = await this.#parts.accounts.need(me.account);
    const newest = () => this.#keys.at(-1)?.generation ?? 0;
    if ((state.accountKeys.at(-1)?.generation ?? 0) <= newest()) return false;
    const answer = await this.#fetch(state.head.index);
    const opened = await openNewAccountKeys(state, answer, this.#keys, { device: me.device, sealingSecret });
    const fresh = opened.filter(({ generation }) => generation > newest());
    if (fresh.length === 0) return false;
    await this.#parts.storage.commit(fresh.map(saveAccountKey));
    this.#keys = [...this.#keys, ...fresh];
    return true;
  }

  /** Who they are says the chain, when they were seen the server. */
  async fetchDevices(): Promise<{
    readonly state: AccountState;
    readonly times: readonly DeviceTimes[];
    /** As the account wants it [H7]. */
    readonly singleSession: boolean;
  }> {
    const { state } = await this.#parts.accounts.refresh(this.#parts.profile.me.account);
    const { deviceTimes, singleSession } = await this.#fetch(state.head.index);
    return { state, times: deviceTimes, singleSession };
  }

  async hasDevice(device: DeviceId): Promise<boolean> {
    return (await this.#parts.accounts.need(this.#parts.profile.me.account)).state.devices.has(device);
  }

  #fetch(after: number) {
    const by = { case: "account", value: idBytes(this.#parts.profile.me.account) } as const;
    return this.#parts.connection.request({ case: "fetchAccount", value: { by, after } }, "account");
  }

  /**
   * [H3] Takes all rights from devices of this account: new account key, and the vault sealed again [P4]. Needs the password,
   * because a device alone can change nothing [A1].
   */
  async revoke(password: string, devices: readonly DeviceId[]): Promise<void> {
    const { me, passwordServerKey } = this.#parts.profile;
    await this.#parts.connection.online();
    await this.#parts.vault().refresh();
    const { state } = await this.#parts.accounts.refresh(me.account);
    const account = await openAccount(this.#parts.gateway, me.name, password, { state, passwordServerKey });
    await this.revokeWith(account, devices);
  }

  /** The same by who has just opened the account, once the vault is read. */
  async revokeWith(account: OpenedKeys, devices: readonly DeviceId[]): Promise<void> {
    const { deviceSealingKeys } = await this.#fetch(account.state.head.index);
    const byHash = new Map(deviceSealingKeys.map((key) => [toHex(deviceSealingKeyHash(key)), key]));
    const sealingKeys = new Map(
      [...account.state.devices.values()].flatMap(({ device, sealingKeyHash }) => {
        const key = byHash.get(toHex(sealingKeyHash));
        return key === undefined ? [] : [[device, key] as const];
      }),
    );
    const { link, attachments, accountKey } = await buildRevocation(account, devices, sealingKeys);
    await this.#replaceAccountKey(link, attachments, vaultKeysOf(accountKey));
    await this.refresh();
  }

  /** [P4] The vault goes with the link. Should another device write to the vault in between, it is read and sealed again. */
  async #replaceAccountKey(link: SignedLink, attachments: AccountAttachments, vaultKeys: VaultKeys): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const { revision: vaultRevision, entries } = await this.#parts.vault().sealedUnder(vaultKeys);
      const vault = [...entries];
      try {
        await this.#parts.connection.request({ case: "appendAccountLink", value: { link, attachments, vault, vaultRevision } }, "appended");
        return;
      } catch (error) {
        const conflict = error instanceof FastChatError && error.code === ErrorCode.VERSION_CONFLICT;
        if (!conflict || attempt === LINK_ATTEMPTS) throw error;
        await this.#parts.vault().refresh();
      }
    }
  }

  /** [H3] The device signs itself out; whether the server heard it. The profile is erased by whoever owns it. */
  async signOut(): Promise<"told" | "not-reached"> {
    const { me, signingSeed } = this.#parts.profile;
    for (let attempt = 1; ; attempt++) {
      try {
        const { state } = await this.#parts.accounts.refresh(me.account);
        const link = buildSignOut(state, { device: me.device, signingSeed });
        await this.#parts.connection.request({ case: "appendAccountLink", value: { link } }, "appended");
        return "told";
      } catch (error) {
        const stale = error instanceof FastChatError && error.code === ErrorCode.STALE_HEAD;
        if (error instanceof FastChatError && error.code === ErrorCode.DEVICE_REVOKED) return "told";
        if (!stale || attempt === LINK_ATTEMPTS) return "not-reached";
      }
    }
  }
}
