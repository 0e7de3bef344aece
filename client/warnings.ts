import { create } from "@bufbuild/protobuf";
import { type DeviceId, deviceId, idBytes, isHash } from "@fastchat/protocol";
import type { ClientEvent, Warning } from "./api.ts";
import { type StoredWarning, StoredWarningSchema } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { Lane } from "./lane.ts";
import { keys, put, read, schemas } from "./records.ts";
import type { Storage } from "./storage.ts";

/** So many of each kind wait, the newest: a server that causes many of one kind hides none of another. */
const WAITING_OF_A_KIND = 10;
/** Who took one to show it, and did not say within this time that it was shown, is thought to have ended. */
const CLAIM_MS = 10_000;

export interface NumberedWarning extends Warning {
  readonly number: number;
}

/** What became of the devices of this account. */
export interface DeviceNews {
  /** Index of the chain's link up to which this is all. */
  readonly upTo: number;
  readonly added: readonly DeviceId[];
  /** QuickChat sessions that signed themselves out, by the names that they gave. */
  readonly quickEnded: readonly { readonly device: DeviceId; readonly name: string }[];
}

export interface WarningsParts {
  readonly storage: Storage;
  readonly emit: (event: ClientEvent) => void;
  /** It could not be stored: it waits in this process alone. Never throws. */
  readonly onTrouble: (error: unknown) => void;
}

/**
 * What people are to be told once, whichever process of the profile hears of it and whichever shows it. The holder keeps the record. Who shows one
 * claims it, shows it, and says so: killed in between, it has left it waiting.
 */
export class Warnings {
  readonly #parts: WarningsParts;
  readonly #lane = new Lane();
  readonly #claims = new Map<number, number>();
  #record = create(schemas.warnings);

  constructor(parts: WarningsParts) {
    this.#parts = parts;
  }

  /** A device that an earlier process waited for in vain is called what is known by now. */
  async load(nameOf: (device: DeviceId) => string | undefined): Promise<void> {
    this.#record = (await read(this.#parts.storage, keys.warnings, schemas.warnings)) ?? this.#record;
    for (const { unnamed, device } of this.#record.waiting) {
      if (unnamed && isHash(device)) await this.name(deviceId(device), nameOf(deviceId(device)));
    }
  }

  /** Index of the own chain's link up to which its devices were told of; 0: none was. */
  get toldUpTo(): number {
    return this.#record.toldUpTo;
  }

  async add(warning: Warning): Promise<void> {
    this.#push(warning, false);
    await this.#save();
    this.#parts.emit({ kind: "warning", ...warning });
  }

  /** New devices wait for `name`. Together with how far this goes: a process that is killed here has told of all of it, or of nothing. */
  async addDevices({ upTo, added, quickEnded }: DeviceNews): Promise<void> {
    this.#record.toldUpTo = upTo;
    for (const device of added) this.#push({ warning: "new-device", text: newDeviceWarning(undefined), device }, true);
    const ended = quickEnded.map(({ device, name }): Warning => ({ warning: "quick-ended", text: quickEndedWarning(name), device }));
    for (const each of ended) this.#push(each, false);
    await this.#save();
    for (const each of ended) this.#parts.emit({ kind: "warning", ...each });
  }

  /** What a new device calls itself; undefined: it has not said so. */
  async name(device: DeviceId, name: string | undefined): Promise<void> {
    const waiting = this.#record.waiting.find((each) => each.unnamed && isHash(each.device) && deviceId(each.device) === device);
    if (waiting === undefined) return;
    waiting.unnamed = false;
    waiting.text = newDeviceWarning(name);
    await this.#save();
    this.#parts.emit({ kind: "warning", ...shownOf(waiting) });
  }

  /** The oldest that is to be shown and that nobody else has taken. */
  claim(): NumberedWarning | undefined {
    const now = performance.now();
    const isFree = ({ number, unnamed }: StoredWarning) => !unnamed && now >= (this.#claims.get(number) ?? 0);
    const next = this.#record.waiting.find(isFree);
    if (next === undefined) return undefined;
    this.#claims.set(next.number, now + CLAIM_MS);
    return { ...shownOf(next), number: next.number };
  }

  async shown(number: number): Promise<void> {
    this.#claims.delete(number);
    this.#record.waiting = this.#record.waiting.filter((each) => each.number !== number);
    await this.#save();
  }

  close(): Promise<void> {
    return this.#lane.idle();
  }

  #push({ warning, text, device }: Warning, unnamed: boolean): void {
    const { waiting } = this.#record;
    const isSame = (each: StoredWarning) => each.warning === warning && each.text === text && shownOf(each).device === device;
    if (waiting.some(isSame)) return;
    const number = ++this.#record.last;
    waiting.push(create(StoredWarningSchema, { number, warning, text, unnamed, ...(device !== undefined && { device: idBytes(device) }) }));
    const ofItsKind = waiting.filter((each) => each.warning === warning);
    const over = new Set(ofItsKind.slice(0, Math.max(0, ofItsKind.length - WAITING_OF_A_KIND)));
    this.#record.waiting = waiting.filter((each) => !over.has(each));
  }

  async #save(): Promise<void> {
    const { storage, onTrouble } = this.#parts;
    await this.#lane.run(() => storage.commit([put(keys.warnings, schemas.warnings, this.#record)])).catch(onTrouble);
  }
}

/** Those that are to be shown, for a process that is not the holder. */
export async function waitingWarnings(storage: Storage): Promise<NumberedWarning[]> {
  const record = await read(storage, keys.warnings, schemas.warnings);
  return (record?.waiting ?? []).filter(({ unnamed }) => !unnamed).map((each) => ({ ...shownOf(each), number: each.number }));
}

const shownOf = ({ warning, text, device }: StoredWarning): Warning => ({
  warning: warning as Warning["warning"],
  text,
  ...(isHash(device) && { device: deviceId(device) }),
});

/** What is to be done comes first: whoever signed in chose the name, and may have chosen a long one that says something else. */
const newDeviceWarning = (name: string | undefined): string =>
  `A new device signed in to your account. If that was not you, revoke it, and replace all that opens your account (passwd --somebody-knows).${name === undefined ? "" : ` It calls itself "${inSentence(name)}".`}`;
const quickEndedWarning = (name: string): string =>
  `${inSentence(name)} is over. If that machine is not yours, it may have kept your keys: revoke it, and it reads nothing more.`;

/** Letters of a device's name in a sentence about it. */
const NAME_IN_SENTENCE = 40;
const inSentence = (name: string): string =>
  name.length > NAME_IN_SENTENCE ? `${name.slice(0, NAME_IN_SENTENCE - 1).toWellFormed()}…` : name;
