import { deviceId, type DeviceId, ErrorCode, FastChatError, idBytes, isHash, limits } from "@fastchat/protocol";
import { toHex, utf8, type VaultPlace } from "@fastchat/protocol/seal";
import type { DeviceInfo, Me, SessionPolicy } from "./api.ts";
import type { Connection } from "./connection.ts";
import type { Gateway } from "./gateway.ts";
import type { OwnAccount } from "./own-account.ts";
import { pause } from "./pause.ts";
import { believableTime } from "./server-words.ts";
import type { Vault } from "./vault.ts";

/** How long a device that has just been added may take to say what it calls itself, milliseconds. */
const INTRODUCTION_MS = 5_000;
/** Letters of a name that a program gives; in bytes below `limits.deviceNameBytes`. */
const LONGEST_GIVEN_NAME = 60;
/** Letters of a name that is shown: nobody can give a longer one by `name`. */
const LONGEST_SHOWN_NAME = limits.deviceNameBytes;

export interface DevicesParts {
  readonly me: Me;
  readonly ownAccount: OwnAccount;
  readonly vault: Vault;
  readonly connection: Pick<Connection, "online" | "request">;
  readonly gateway: Gateway;
  /** Resolves when what others wrote before this connection is here, or does not come in time. */
  readonly vaultKnown: () => Promise<void>;
  /** What this device is called until its owner calls it otherwise. */
  readonly givenName: string | undefined;
  /** A QuickChat session, which says so to the others [H5]. */
  readonly quick: boolean;
}

/** The devices of this account: who they are says its chain, what they are called its vault, and when they were seen the server. */
export class Devices {
  readonly #parts: DevicesParts;
  /** Told when a note of a device comes. */
  readonly #awaiting = new Map<DeviceId, () => void>();

  constructor(parts: DevicesParts) {
    this.#parts = parts;
  }

  /** Newest first. */
  async all(): Promise<DeviceInfo[]> {
    const { me, ownAccount, connection } = this.#parts;
    await connection.online();
    const [{ state, times }] = await Promise.all([ownAccount.fetchDevices(), this.#parts.vaultKnown()]);
    const byDevice = new Map(times.flatMap((each) => (isHash(each.device) ? [[deviceId(each.device), each]] : [])));
    return [...state.devices.values()]
      .toSorted((one, other) => other.addedAt - one.addedAt)
      .map(({ device, status }) => ({
        device,
        name: this.nameOf(device) ?? (device === me.device ? (this.#givenName ?? "") : ""),
        state: status.kind,
        me: device === me.device,
        quick: this.quickName(device) !== undefined,
        added: knownTime(byDevice.get(device)?.added),
        lastSeen: knownTime(byDevice.get(device)?.lastSeen),
      }));
  }

  get #givenName(): string | undefined {
    return this.#parts.givenName?.slice(0, LONGEST_GIVEN_NAME);
  }

  /** As its owner calls it, else as it calls itself. */
  nameOf(device: DeviceId): string | undefined {
    return this.#note(device, "owner") ?? this.#note(device, "itself");
  }

  #note(device: DeviceId, by: "owner" | "itself"): string | undefined {
    const note = this.#parts.vault.get(deviceNotePlace(device, by))?.kind;
    return note?.case === "deviceNote" ? shownName(note.value.name) : undefined;
  }

  /** What a QuickChat session calls itself; undefined: it is none, as far as is known [H5]. */
  quickName(device: DeviceId): string | undefined {
    const note = this.#parts.vault.get(deviceNotePlace(device, "itself"))?.kind;
    return note?.case === "deviceNote" && note.value.quick ? shownName(note.value.name) : undefined;
  }

  /** What a device that has just been added calls itself [H3]; undefined: it has not said so in time. */
  async introductionOf(device: DeviceId, closing: AbortSignal): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#awaiting.set(device, resolve);
    if (this.nameOf(device) === undefined) await Promise.race([promise, pause(INTRODUCTION_MS, closing)]);
    this.#awaiting.delete(device);
    return this.nameOf(device);
  }

  /** The vault has something new. */
  vaultChanged(): void {
    for (const [device, come] of this.#awaiting) if (this.nameOf(device) !== undefined) come();
  }

  async name(device: DeviceId, given: string): Promise<void> {
    const name = given.toWellFormed().trim();
    if (utf8(name).length > limits.deviceNameBytes)
      throw new FastChatError(ErrorCode.TOO_LARGE, { sentence: "That name is too long for a device: choose a shorter one." });
    if (!(await this.#parts.ownAccount.hasDevice(device)))
      throw new FastChatError(ErrorCode.NOT_FOUND, { sentence: "This account has no such device." });
    await this.#parts.vault.set({ kind: { case: "deviceNote", value: { device: idBytes(device), name } } });
  }

  async sessionPolicy(): Promise<SessionPolicy> {
    const { connection, gateway, ownAccount } = this.#parts;
    await connection.online();
    const [{ singleSession }, info] = await Promise.all([ownAccount.fetchDevices(), gateway.info()]);
    return { account: singleSession ? "single" : "many", server: info.singleSession ? "single" : "many" };
  }

  /** [H8] The server keeps it: it is the one that asks at the next sign-in. */
  async setSessionPolicy(account: SessionPolicy["account"]): Promise<void> {
    await this.#parts.connection.online();
    await this.#parts.connection.request({ case: "setSessions", value: { single: account === "single" } }, "sessionsSet");
  }

  /** Whether it is said what this device calls itself, as far as it does. */
  get isIntroduced(): boolean {
    return this.#givenName === undefined || this.#note(this.#parts.me.device, "itself") !== undefined;
  }

  /** Once the vault is read: says what this device calls itself. A session does not depend on it. */
  async introduce(): Promise<void> {
    const { me, quick, vault } = this.#parts;
    const name = this.#givenName;
    if (name === undefined || this.isIntroduced) return;
    await vault.set({ kind: { case: "deviceNote", value: { device: idBytes(me.device), name, own: true, quick } } }).catch(() => undefined);
  }
}

/** A device of whoever signed in may write any name there, for itself and for others: what is longer than a name hides what stands beside it. */
export const shownName = (name: string): string => name.slice(0, LONGEST_SHOWN_NAME).toWellFormed();

/** Where the vault holds what a device is called: by its owner, which counts, or by itself. */
export const deviceNotePlace = (device: DeviceId, by: "owner" | "itself"): VaultPlace => ({
  kind: "deviceNote",
  key: `${toHex(idBytes(device))}${by === "itself" ? "/own" : ""}`,
});

/** A server's time of a device; undefined: not known. */
export const knownTime = (time: bigint | undefined): number | undefined =>
  time === undefined || time === 0n ? undefined : Number(believableTime(time));
