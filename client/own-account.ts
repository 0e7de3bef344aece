import { create } from "@bufbuild/protobuf";
import { type DeviceId, ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { type AccountState, applyAccountLinks, buildSignOut } from "@fastchat/protocol/chain";
import { deviceSealingKeyHash, sealingPublicKeyOf, toHex, type VaultKeys, vaultKeysOf } from "@fastchat/protocol/seal";
import { type AppendAccountLink, type DeviceTimes, PutBackAccountSchema } from "@fastchat/protocol/wire/frames";
import { openNewAccountKeys } from "./account-keys.ts";
import { AccountForked, type KnownAccounts } from "./accounts.ts";
import type { SuccessionResult } from "./api.ts";
import { type Connection, ConnectionLost } from "./connection.ts";
import type { Gateway } from "./gateway.ts";
import { weaknessOf } from "./password.ts";
import { pause } from "./pause.ts";
import { Lane } from "./lane.ts";
import { linkSize } from "./link-pieces.ts";
import { inPieces } from "./pieces.ts";
import { type AccountKeySecret, type LocalProfile, saveAccountKey } from "./profile.ts";
import { keys, put, read, schemas } from "./records.ts";
import type { BesideOwn } from "./restore.ts";
import { buildRevocation, type KeyTurn } from "./revocation.ts";
import { asLongAsItHolds, openAccount, type OpenedAccount, type OpenedKeys, refusing, registerNewPassword } from "./sign-in.ts";
import { type Storage, StorageFullError } from "./storage.ts";
import { buildSuccession, makeSecrets, recoveryWordsIn, successionUnknown } from "./succession.ts";
import type { Vault } from "./vault.ts";

/** How often a link is written anew when somebody else's came first. */
const LINK_ATTEMPTS = 5;
/** Of a change whose answer was lost: whether it counts is asked again, so often and after this time. */
const UNKNOWN_ATTEMPTS = 20;
const UNKNOWN_RETRY_MS = 1_000;

/** Up to which link of the chain people were told of its devices. */
export interface ToldDevices {
  /** 0: of none. */
  readonly upTo: number;
  /** Takes effect at once, and durably together with what is told. Of those that are signed out the notes in the vault have been read. */
  tell(upTo: number, news: { readonly added: readonly DeviceId[]; readonly signedOut: readonly DeviceId[] }): Promise<void>;
}

export interface OwnAccountParts {
  readonly storage: Storage;
  readonly profile: LocalProfile;
  readonly accounts: KnownAccounts;
  readonly connection: Pick<Connection, "online" | "request" | "state">;
  readonly gateway: Gateway;
  readonly vault: () => Vault;
  /** Of devices that come and go people are told. */
  readonly told: ToldDevices;
  /** What is sealed to keys that were not here can be opened now. */
  readonly onNewKeys: () => void;
  readonly closing: AbortSignal;
}

/** The account that is signed in here: its chain as it moves, and its keys. */
export class OwnAccount {
  readonly #parts: OwnAccountParts;
  /** Each message asks for them: they are derived once. */
  #vaultKeys: VaultKeys | undefined;
  #keys: readonly AccountKeySecret[];
  readonly #telling = new Lane();

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

  /** Every new device is shown on all devices of the account [A5], whoever proved it to this one first: the server, or a conversation. */
  async grown(before: AccountState, after: AccountState): Promise<void> {
    if (after.account !== this.#parts.profile.me.account) return;
    await this.#tellFrom(before);
    await this.#tellOf(after);
  }

  async refresh(): Promise<void> {
    const { accounts, profile, vault } = this.#parts;
    const { me } = profile;
    const known = (await accounts.get(me.account))?.state;
    if (known !== undefined) await this.#tellFrom(known);
    const { state } = await accounts.refresh(me.account);
    if (await this.renewKeys()) await vault().renew();
    await this.#tellOf(state);
  }

  /** What was there before this device knew the account is no news. */
  async #tellFrom(known: AccountState): Promise<void> {
    const { told } = this.#parts;
    if (told.upTo === 0) await told.tell(known.head.index, { added: [], signedOut: [] });
  }

  /** Once, whoever hears of it first. */
  async #tellOf(state: AccountState): Promise<void> {
    const { profile, told, vault } = this.#parts;
    await this.#telling.run(async () => {
      const last = told.upTo;
      if (last === 0 || state.head.index <= last) return;
      const ended = endedSince(last, state);
      // What a device wrote before it ended is read now: what it signs from here on is refused [P4]. A server that keeps the vault back keeps nobody from being told.
      if (ended.length > 0)
        await vault()
          .refresh()
          .catch(() => undefined);
      const added = [...state.devices.values()].filter(({ device, addedAt }) => addedAt > last && device !== profile.me.device);
      const signedOut = ended.filter(({ status }) => status.kind === "signed-out");
      const idsOf = (devices: typeof added) => devices.map(({ device }) => device);
      await told.tell(state.head.index, { added: idsOf(added), signedOut: idsOf(signedOut) });
    });
  }

  /** The same where something of a newer key turned up: perhaps before this device heard of the link that brought it. */
  async lookForNewerKeys(): Promise<boolean> {
    await this.#parts.accounts.refresh(this.#parts.profile.me.account);
    return this.renewKeys();
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
    this.#parts.onNewKeys();
    return true;
  }

  /** Who they are says the chain, when they were seen the server. */
  async fetchDevices(): Promise<{
    readonly state: AccountState;
    readonly times: readonly DeviceTimes[];
    /** As the account wants it [H8]. */
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
    await this.revokeWith(await this.#open(password), devices);
  }

  /** The same by who has just opened the account, once the vault is read. */
  async revokeWith(account: OpenedKeys, devices: readonly DeviceId[]): Promise<void> {
    await this.#turnKey(account, (state, sealingKeys) => buildRevocation(account, state, { devices, sealingKeys }));
    // It is done, and must not look as if it were not: what cannot be read now is read when the next session begins.
    await this.refresh().catch((error: unknown) => {
      if (!(error instanceof ConnectionLost || error instanceof FastChatError)) throw error;
    });
  }

  /**
   * [P2] Somebody knows the password: a new one, and new keys in the place of all that opened the account. Only this device stays. What follows from
   * it waits for `refresh`: nobody has the new recovery words before they are returned.
   *
   * @returns the new recovery words
   */
  async succeed(old: string, givenPassword: string): Promise<SuccessionResult> {
    return refusing(async () => {
      const { gateway, profile } = this.#parts;
      const { me, passwordServerKey } = profile;
      const password = givenPassword.normalize("NFKC");
      const weak = await weaknessOf(password, me.name);
      if (weak !== undefined) return weak;
      const { account, registered } = await asLongAsItHolds(async () => {
        const opened = await this.#open(old);
        return { account: opened, registered: await registerNewPassword(gateway, opened, password, passwordServerKey) };
      });
      const secrets = makeSecrets(registered);
      const { device } = me;
      await this.#turnKey(account, (state, sealingKeys) => buildSuccession(account, state, { device, sealingKeys, secrets })).catch(
        (error: unknown) => {
          throw error instanceof FastChatError && error.code === ErrorCode.UNAVAILABLE ? successionUnknown(error) : error;
        },
      );
      return { kind: "succeeded", recoveryWords: recoveryWordsIn(secrets) };
    });
  }

  /** [H6] For putting back what the server lost. */
  async besideLinks(): Promise<BesideOwn> {
    const { storage, profile } = this.#parts;
    const turn = await read(storage, keys.keyTurn, schemas.keyTurn);
    const { accountPublicKeys = [], copies = [], wraps = [], signInRecord } = turn ?? {};
    const deviceSealingKeys = [await sealingPublicKeyOf(profile.sealingSecret)];
    return { accountPublicKeys, copies, wraps, deviceSealingKeys, ...(signInRecord !== undefined && { signInRecord }) };
  }

  /** [H6] The server does not know this device: links of the account may bring it back. What is said here, another installation may hear. */
  async putBack(): Promise<void> {
    const { accounts, profile, gateway } = this.#parts;
    const own = await accounts.get(profile.me.account);
    if (own === undefined) return;
    const deviceSealingKeys = [await sealingPublicKeyOf(profile.sealingSecret)];
    const accountPublicKeys = own.publicKey === undefined ? [] : [own.publicKey];
    // In order: what the server has of them is no news to it.
    const most = { bytes: limits.gatewayLinkBodyBytes / 2, count: limits.accountLinks };
    for (const links of inPieces(own.links, linkSize, most)) await gateway.putBackAccount({ links, accountPublicKeys, deviceSealingKeys });
  }

  /** With the password, on top of what this device knows. */
  async #open(password: string): Promise<OpenedAccount> {
    const { me, passwordServerKey } = this.#parts.profile;
    await this.#parts.connection.online();
    await this.#parts.vault().refresh();
    const { state } = await this.#parts.accounts.refresh(me.account);
    return openAccount(this.#parts.gateway, me.name, password, { state, passwordServerKey });
  }

  /**
   * Writes a link that brings a new account key, and with it the vault, sealed again [P4]. Should another device write to the vault in between,
   * it is read and sealed again; should another link come first, this one is made anew on top of it.
   */
  async #turnKey(
    account: OpenedKeys,
    build: (state: AccountState, sealingKeys: ReadonlyMap<DeviceId, Uint8Array>) => Promise<KeyTurn>,
  ): Promise<void> {
    const { accounts, profile, vault } = this.#parts;
    let { state } = account;
    let turn = await build(state, await this.#sealingKeys(state));
    for (let attempt = 1; ; attempt++) {
      const { accountKey, ...change } = turn;
      const { revision: vaultRevision, entries } = await vault().sealedUnder(vaultKeysOf(accountKey));
      try {
        await this.#append({ ...change, vault: [...entries], vaultRevision });
        await this.#keepTurn(state, change);
        break;
      } catch (error) {
        if (!(error instanceof FastChatError) || attempt === LINK_ATTEMPTS) throw error;
        if (error.code === ErrorCode.VERSION_CONFLICT) await vault().refresh();
        else if (error.code === ErrorCode.STALE_HEAD) {
          const newer = (await accounts.refresh(profile.me.account)).state;
          // What was opened is not what the account has now.
          if (newer.lastTurn !== state.lastTurn) throw error;
          state = newer;
          turn = await build(state, await this.#sealingKeys(state));
        } else throw error;
      }
    }
  }

  /** The link counts: this device knows of it before it writes anything else [C1]. It is too late for anything to stop it. */
  async #keepTurn(state: AccountState, { link, attachments, signInRecord }: Omit<KeyTurn, "accountKey">): Promise<void> {
    const { accountPublicKey, copies = [], wraps = [] } = attachments ?? {};
    const beside = { accountPublicKeys: accountPublicKey === undefined ? [] : [accountPublicKey], copies, wraps };
    const record = create(PutBackAccountSchema, { ...beside, ...(signInRecord !== undefined && { signInRecord }) });
    const after = applyAccountLinks(state, [link]);
    try {
      const learned = after.kind === "valid" ? await this.#parts.accounts.learn(after.state, [link]) : undefined;
      await this.#parts.storage.commit([put(keys.keyTurn, schemas.keyTurn, record), ...(learned?.changes ?? [])]);
      learned?.done();
    } catch (error) {
      if (!(error instanceof StorageFullError || error instanceof AccountForked)) throw error;
    }
  }

  /** A link that is stored already is answered as when it was stored: so an answer that was lost is asked for again. */
  async #append(value: Omit<AppendAccountLink, "$typeName" | "$unknown">): Promise<void> {
    const { connection } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      try {
        const { receipt } = await connection.request({ case: "appendAccountLink", value }, "appended");
        // This device may keep the link before it hears of it from the server.
        if (value.link !== undefined) value.link.receipt = receipt;
        return;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        if (attempt === UNKNOWN_ATTEMPTS || this.#parts.closing.aborted) {
          const sentence = "The connection was lost before the answer came: look whether the change was made, and make it again if not.";
          throw new FastChatError(ErrorCode.UNAVAILABLE, { sentence, cause: error });
        }
        await pause(UNKNOWN_RETRY_MS, this.#parts.closing);
        await connection.online().catch(() => undefined);
        // Who was put out meanwhile is not answered any more.
        if (connection.state.kind === "ended") throw new FastChatError(connection.state.code, { cause: error });
      }
    }
  }

  async #sealingKeys(state: AccountState): Promise<ReadonlyMap<DeviceId, Uint8Array>> {
    const { deviceSealingKeys } = await this.#fetch(state.head.index);
    const byHash = new Map(deviceSealingKeys.map((key) => [toHex(deviceSealingKeyHash(key)), key]));
    return new Map(
      [...state.devices.values()].flatMap(({ device, sealingKeyHash }) => {
        const key = byHash.get(toHex(sealingKeyHash));
        return key === undefined ? [] : [[device, key] as const];
      }),
    );
  }

  /** [H3] The device signs itself out; whether the server heard it. The profile is erased by whoever owns it. */
  async signOut(): Promise<"told" | "not-reached"> {
    const { me, signingSeed } = this.#parts.profile;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#parts.connection.online();
        const { state } = await this.#parts.accounts.refresh(me.account);
        const link = buildSignOut(state, { device: me.device, signingSeed });
        await this.#parts.connection.request({ case: "appendAccountLink", value: { link } }, "appended");
        return "told";
      } catch (error) {
        const code = error instanceof FastChatError ? error.code : undefined;
        if (code === ErrorCode.DEVICE_REVOKED) return "told";
        const isLost = error instanceof ConnectionLost;
        if ((code !== ErrorCode.STALE_HEAD && !isLost) || attempt === LINK_ATTEMPTS) return "not-reached";
        // Whether it counts shows when the next connection is refused.
        if (isLost) await pause(UNKNOWN_RETRY_MS, this.#parts.closing);
      }
    }
  }
}

/** Devices that have lost their rights, or went, by a link after this one. */
const endedSince = (index: number, { devices }: AccountState) =>
  [...devices.values()].filter(({ status }) => status.kind !== "active" && status.at > index);
