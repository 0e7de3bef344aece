import { create, equals, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { deviceId, type DeviceId, ErrorCode, FastChatError, idBytes, isHash, limits } from "@fastchat/protocol";
import {
  equal,
  manifestOf,
  openManifestReference,
  openVaultEntry,
  sealManifestReference,
  sealVaultEntry,
  toHex,
  type VaultAuthor,
  vaultEntryHash,
  type VaultKeys,
  type VaultPlace,
  vaultPlaceOf,
} from "@fastchat/protocol/seal";
import { type VaultContent, VaultContentSchema, type VaultEntry, VaultEntrySchema } from "@fastchat/protocol/wire/vault";
import type { KnownAccounts } from "./accounts.ts";
import { backoff } from "./backoff.ts";
import { type Connection, ConnectionLost, isWorthRetrying } from "./connection.ts";
import { Lane } from "./lane.ts";
import { inPieces } from "./pieces.ts";
import { keys, prefixes, put, read, remove, schemas } from "./records.ts";
import { type Change, prefixRange, type Storage, StorageFullError } from "./storage.ts";

/** Entries that the manifest is of; drafts and read positions stand alone [P4]. */
const LISTED: ReadonlySet<VaultPlace["kind"]> = new Set(["contact", "settings", "conversationSettings", "broadcastList", "deviceNote"]);
const MANIFEST: VaultPlace = { kind: "manifest", key: "" };
/** Entries that only a device which is active may write anew. */
const SIGNED: ReadonlySet<VaultPlace["kind"]> = new Set([...LISTED, "manifest"]);
const WRITE_ATTEMPTS = 8;
/** Drafts and read positions go at once when nothing was written for so long; those that follow within this time go together. */
const WRITE_EVERY_MS = 500;

export interface VaultParts {
  readonly storage: Storage;
  readonly author: VaultAuthor;
  readonly accounts: KnownAccounts;
  readonly connection: Pick<Connection, "request">;
  /** Of the newest account-key generation. */
  readonly vaultKeys: () => VaultKeys;
  /** An entry of a newer generation turned up: looks whether there is a newer key for this device. */
  readonly renewKeys: () => Promise<unknown>;
  /** These places have other contents now, from this device or another. */
  readonly onChanged: (places: readonly VaultPlace[]) => void;
  /** [P4]: one and the same for everything that is not as it must be; the old values stay. */
  readonly onWrong: () => void;
  readonly onUnexpected: (error: unknown) => void;
}

/** A manifest as a message of this account names it. */
interface NamedManifest {
  readonly generation: number;
  readonly version: number;
  readonly hash: Uint8Array;
}

interface Noted {
  readonly place: VaultPlace;
  readonly content: VaultContent;
  /** Nobody's wish: a device that ended had written it, and this one signs it in its stead. A process that ends before it is written forgets that. */
  readonly isSignedAgain?: true;
}

interface Kept extends Noted {
  readonly entry: VaultEntry;
  /** Whose signature it bears; undefined in what older software stored. */
  readonly device: DeviceId | undefined;
}

const isConflict = (error: unknown): boolean => error instanceof FastChatError && error.code === ErrorCode.VERSION_CONFLICT;
const nameOf = ({ kind, key }: VaultPlace): string => `${kind}/${key}`;

/**
 * The account's own notes, the same on all its devices [P4]. Written here first and durable at once; brought to the server
 * by compare-and-set, together with the manifest, as soon as there is a connection. What the server gives must open, must be
 * signed by a device of the account, must not be older than what is known, and must be what the manifest lists: otherwise
 * nothing of it is taken.
 */
export class Vault {
  readonly #parts: VaultParts;
  readonly #kept = new Map<string, Kept>();
  readonly #pending = new Map<string, Noted>();
  readonly #changes = new Map<VaultPlace["kind"], number>();
  readonly #lane = new Lane();
  #revision = 0;
  /** Index of the own chain's head that was known when everything up to `#revision` was read; 0: nothing ever was. */
  #head = 0;
  /** The newest that is not here yet. */
  #named: NamedManifest | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When what waited was last written, by this process's clock. */
  #flushedAt = -Infinity;
  /** Scheduled writes that failed one after the other. */
  #failures = 0;
  #online = false;
  #wrong = false;
  /** What the server showed last, where not all of it was as it must be. */
  #refused: { readonly revision: number; readonly readable: ReadonlyMap<string, Kept> } | undefined;

  constructor(parts: VaultParts) {
    this.#parts = parts;
  }

  /** From the profile; a process beside the holder does so again whenever something changed there. */
  async load(): Promise<void> {
    const { storage } = this.#parts;
    const cursor = await read(storage, keys.vaultCursor, schemas.vaultCursor);
    const kept = await storage.range(prefixRange(prefixes.vault));
    const waiting = await storage.range(prefixRange(prefixes.vaultPending));
    // All in one turn: nobody sees a vault that is half there.
    this.#touch([...this.#kept.values(), ...this.#pending.values()]);
    this.#kept.clear();
    this.#pending.clear();
    this.#revision = cursor?.revision ?? 0;
    this.#named = cursor?.named;
    this.#head = cursor?.head ?? 0;
    for (const { value } of kept) {
      const record = fromBinary(schemas.vault, value);
      const content = fromBinary(VaultContentSchema, record.content);
      const place = vaultPlaceOf(content);
      const device = isHash(record.device) ? deviceId(record.device) : undefined;
      if (place !== undefined) this.#kept.set(nameOf(place), { place, content, device, entry: fromBinary(VaultEntrySchema, record.entry) });
    }
    for (const { value } of waiting) {
      const content = fromBinary(VaultContentSchema, value);
      const place = vaultPlaceOf(content);
      if (place !== undefined) this.#pending.set(nameOf(place), { place, content });
    }
    this.#touch([...this.#kept.values(), ...this.#pending.values()]);
  }

  get(place: VaultPlace): VaultContent | undefined {
    const content = this.#pending.get(nameOf(place))?.content ?? this.#kept.get(nameOf(place))?.content;
    return content?.deleted === true ? undefined : content;
  }

  list(kind: VaultPlace["kind"]): VaultContent[] {
    const names = new Set([...this.#kept.keys(), ...this.#pending.keys()].filter((name) => name.startsWith(`${kind}/`)));
    return Array.from(names, (name) => this.get({ kind, key: name.slice(kind.length + 1) })).filter((content) => content !== undefined);
  }

  /** Another number means that entries of this kind have changed: for who keeps something that follows from them. */
  changesOf(kind: VaultPlace["kind"]): number {
    return this.#changes.get(kind) ?? 0;
  }

  /** Durable here when it resolves; on the server soon. */
  async set(init: MessageInitShape<typeof VaultContentSchema>): Promise<void> {
    const content = create(VaultContentSchema, init);
    const place = vaultPlaceOf(content);
    if (place === undefined) throw new RangeError("a vault entry has a kind");
    const now = this.get(place);
    if (now !== undefined && equals(VaultContentSchema, now, content)) return;
    await this.#leavePending([{ place, content }]);
    this.#parts.onChanged([place]);
    this.#schedule(LISTED.has(place.kind) ? 0 : Math.max(0, this.#flushedAt + WRITE_EVERY_MS - performance.now()));
  }

  /** For the account's own messages: what their readers on other devices hold the server's vault against [P4]. */
  manifestReference(): Uint8Array {
    const manifest = this.#kept.get(nameOf(MANIFEST));
    const vaultKeys = this.#parts.vaultKeys();
    if (manifest === undefined || manifest.entry.generation !== vaultKeys.generation) return new Uint8Array(0);
    return sealManifestReference(vaultKeys, this.#parts.author.account, manifest.entry);
  }

  /**
   * [P4] A message of this account carries a reference to the manifest that its device knew: the server must show one that is not
   * older, and no other one of that version. Reads the vault again where it does not.
   */
  async compare(reference: Uint8Array): Promise<void> {
    const { author, storage } = this.#parts;
    await this.#lane.run(async () => {
      const vaultKeys = this.#parts.vaultKeys();
      const opened = openManifestReference(vaultKeys, author.account, reference);
      if (opened === undefined) return;
      const { generation } = vaultKeys;
      const named = { generation, ...opened };
      if (this.#isFollowed(named, this.#kept)) return;
      if (this.#named?.generation === generation && this.#named.version > named.version) return;
      this.#named = named;
      await storage.commit([saveCursor(this.#revision, this.#head, named)]);
      if (this.#online) await this.#refresh();
    });
  }

  /** A connection begins: reads what changed. */
  async online(): Promise<void> {
    this.#online = true;
    await this.refresh();
  }

  /** Writes what waited for a connection. What cannot be written now waits on; the rest of what a connection begins with does not. */
  async writeWaiting(): Promise<void> {
    await this.flush().catch((error: unknown) => this.#onFailed(error));
  }

  offline(): void {
    this.#online = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Another device wrote. */
  async moved(revision: number): Promise<void> {
    if (revision > this.#revision) await this.refresh();
  }

  async refresh(): Promise<void> {
    await this.#lane.run(() => this.#refresh());
  }

  /** [P4] The account has a new key: only what is sealed under it counts, so everything is read again. */
  async renew(): Promise<void> {
    await this.#lane.run(async () => {
      this.#revision = 0;
      await this.#refresh();
    });
    if (this.#pending.size > 0) this.#schedule(0);
  }

  /**
   * [H6] The server's data were put in place anew: what it lost of the vault is written again, as it was, with a manifest of all that is there then.
   * True: it had lost something.
   */
  putBack(): Promise<boolean> {
    return this.#lane.run(async () => {
      for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
        try {
          return await this.#putBack();
        } catch (error) {
          // Another device does the same, or the account has a key that is not here yet.
          if (!isConflict(error)) throw error;
        }
      }
      return false;
    });
  }

  async #putBack(): Promise<boolean> {
    const { storage, author, onChanged } = this.#parts;
    const vaultKeys = this.#parts.vaultKeys();
    const offered = (await this.#readAfter(0))?.offered ?? [];
    const theirs = new Map(offered.map((entry) => [toHex(entry.slot), entry]));
    const own = [...this.#kept.values()].filter(({ entry }) => entry.generation === vaultKeys.generation);
    const behind = own.filter(({ entry }) => (theirs.get(toHex(entry.slot))?.version ?? 0) < entry.version);
    if (behind.length === 0) return false;
    // What another device wrote since the restore counts, and so does what this one did not know.
    const fresh = await this.#openAll(
      vaultKeys,
      offered.filter((entry) => !behind.some((each) => equal(each.entry.slot, entry.slot))),
    );
    // As it stands there, so that every write leaves a manifest of what is there then: whoever reads in between misses nothing.
    const there = new Map([...this.#kept, ...fresh]);
    for (const each of behind) {
      const older = theirs.get(toHex(each.entry.slot));
      if (older === undefined) there.delete(nameOf(each.place));
      else there.set(nameOf(each.place), { ...each, entry: older });
    }
    const manifests = [this.#kept, fresh].map((kept) => kept.get(nameOf(MANIFEST))?.entry.version ?? 0);
    let version = Math.max(...manifests, this.#named?.version ?? 0);
    const back = behind.filter(({ place }) => place.kind !== "manifest");
    const listed = back.filter(({ place }) => LISTED.has(place.kind));
    const sizeOf = ({ entry }: Kept) => entry.sealed.length;
    const most = { bytes: limits.packetBytes / 2, count: limits.vaultEntriesPerWrite - 1 };
    const pieces = inPieces(listed, sizeOf, most);
    for (const some of pieces.length === 0 ? [[]] : pieces) {
      for (const each of some) there.set(nameOf(each.place), each);
      const content = manifestIn(vaultKeys, there.values());
      const entry = await sealVaultEntry(vaultKeys, author, ++version, content);
      await this.#writeBack([...some.map((each) => each.entry), entry]);
      fresh.set(nameOf(MANIFEST), { place: MANIFEST, content, device: author.device, entry });
    }
    const standsAlone = back.filter(({ place }) => !LISTED.has(place.kind));
    for (const some of inPieces(standsAlone, sizeOf, most)) await this.#writeBack(some.map(({ entry }) => entry));
    // Read from the beginning again.
    await storage.commit([...[...fresh.values()].map(saveKept), saveCursor(0, this.#head)]);
    this.#revision = 0;
    this.#named = undefined;
    for (const [name, each] of fresh) this.#kept.set(name, each);
    this.#touch([...fresh.values()]);
    onChanged([...fresh.values()].map(({ place }) => place));
    return true;
  }

  async #writeBack(entries: readonly VaultEntry[]): Promise<void> {
    await this.#parts.connection.request({ case: "writeVault", value: { entries: [...entries], putBack: true } }, "vaultWritten");
  }

  /** Of these entries those that open, are of this account's active devices, and are not what is here. */
  async #openAll(vaultKeys: VaultKeys, entries: readonly VaultEntry[]): Promise<Map<string, Kept>> {
    const { author, accounts } = this.#parts;
    const own = (await accounts.need(author.account)).state;
    const opened = new Map<string, Kept>();
    for (const entry of entries) {
      const result = await openVaultEntry(vaultKeys, author.account, entry, (device) => own.devices.get(device)?.signingKey);
      if (result.kind === "unreadable" || entry.version >= limits.largestStoredNumber) continue;
      const { place, content, device } = result;
      const known = this.#kept.get(nameOf(place))?.entry;
      const isKnown = known?.version === entry.version && equal(known.sealed, entry.sealed);
      const hasEnded = SIGNED.has(place.kind) && (await this.#endOf(device)) !== undefined;
      if (!isKnown && !hasEnded) opened.set(nameOf(place), { place, content, device, entry });
    }
    return opened;
  }

  /** All entries that were written after a revision; undefined: not as they must be. */
  async #readAfter(after: number): Promise<{ readonly offered: readonly VaultEntry[]; readonly revision: number } | undefined> {
    const offered: VaultEntry[] = [];
    let revision = after;
    for (let more = true; more;) {
      const page = await this.#parts.connection.request({ case: "readVault", value: { afterRevision: revision } }, "vault");
      if (page.revision < revision || (page.more && page.revision === revision)) return undefined;
      for (const entry of page.entries) offered.push(entry);
      if (offered.length > limits.vaultEntriesPerAccount) return undefined;
      ({ revision, more } = page);
    }
    return { offered, revision };
  }

  /**
   * Everything, sealed again under other keys: for the revocation that brings them [P4]. A vault that was refused must not stop it, or a
   * stolen device could: it is replaced by what is known here, and by what can be read of it where nothing is known; nobody whom it takes
   * that way counts as verified. What does not fit into the one write of a revocation goes with the writes after it.
   */
  async sealedUnder(vaultKeys: VaultKeys): Promise<{ readonly revision: number; readonly entries: readonly VaultEntry[] }> {
    const { author } = this.#parts;
    const revision = this.#refused?.revision ?? this.#revision;
    const readable = this.#refused?.readable ?? new Map<string, Kept>();
    const contents = new Map<string, Noted>();
    for (const [name, { place, content }] of readable) contents.set(name, { place, content: withoutVerification(content) });
    for (const [name, each] of this.#kept) contents.set(name, each);
    for (const [name, each] of this.#pending) if (!this.#isLate(name, readable)) contents.set(name, each);
    contents.delete(nameOf(MANIFEST));
    // Drafts and read positions last: anybody who has a device can write many of them, at any size.
    const inOrder = [...contents.values()].sort((one, other) => Number(LISTED.has(other.place.kind)) - Number(LISTED.has(one.place.kind)));
    const sealed: Kept[] = [];
    let bytes = 0;
    for (const { place, content } of inOrder) {
      if (sealed.length === limits.vaultEntriesPerWrite - 1 || bytes > limits.packetBytes / 2) break;
      const entry = await sealVaultEntry(vaultKeys, author, 1, content);
      sealed.push({ place, content, device: author.device, entry });
      bytes += entry.sealed.length;
    }
    // Durable before the revocation: should that fail, they are written as they were. What is pending meanwhile is newer.
    await this.#leavePending(inOrder.slice(sealed.length).filter(({ place }) => !this.#pending.has(nameOf(place))));
    const manifest = await sealVaultEntry(vaultKeys, author, 1, manifestIn(vaultKeys, sealed));
    return { revision, entries: [...sealed.map(({ entry }) => entry), manifest] };
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushedAt = performance.now();
    return this.#lane.run(async () => {
      let conflicts = 0;
      while (this.#pending.size > 0 && this.#online) {
        try {
          await this.#write();
          conflicts = 0;
        } catch (error) {
          if (!isConflict(error) || ++conflicts === WRITE_ATTEMPTS) throw error;
          if (!(await this.#refresh())) return;
        }
      }
      this.#failures = 0;
    });
  }

  async close(): Promise<void> {
    this.offline();
    await this.#lane.idle();
  }

  /** To be written to the server; durable here when it resolves. */
  async #leavePending(noted: readonly Noted[]): Promise<void> {
    if (noted.length === 0) return;
    const changes = noted.map(({ place, content }): Change => {
      return { kind: "put", key: keys.vaultPending(place), value: toBinary(VaultContentSchema, content) };
    });
    await this.#parts.storage.commit(changes);
    for (const each of noted) this.#pending.set(nameOf(each.place), each);
    this.#touch(noted);
  }

  #touch(changed: readonly Noted[]): void {
    for (const kind of new Set(changed.map(({ place }) => place.kind))) this.#changes.set(kind, this.changesOf(kind) + 1);
  }

  /** A write that failed holds up those after it: they go together when it is tried again. */
  #schedule(delay: number): void {
    if (!this.#online || (this.#timer !== undefined && (delay > 0 || this.#failures > 0))) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.flush().catch((error: unknown) => this.#onFailed(error));
    }, delay);
  }

  /** What could not be written lies in the profile: it is tried again after a while, or with the next connection. */
  #onFailed(error: unknown): void {
    if (!(error instanceof ConnectionLost || error instanceof FastChatError)) this.#parts.onUnexpected(error);
    const mayHelp = isWorthRetrying(error) || isConflict(error) || error instanceof StorageFullError;
    if (mayHelp) this.#schedule(backoff(++this.#failures, Math.random(), error instanceof FastChatError ? error.retryAfterMs : 0));
  }

  async #write(): Promise<void> {
    const { storage, connection } = this.#parts;
    const vaultKeys = this.#parts.vaultKeys();
    const writing: Noted[] = [];
    const written: Kept[] = [];
    let bytes = 0;
    for (const each of this.#pending.values()) {
      // With room for the manifest; what is left goes with the next write.
      if (writing.length === limits.vaultEntriesPerWrite - 1 || bytes > limits.packetBytes / 2) break;
      const sealed = await this.#seal(vaultKeys, each.place, each.content);
      writing.push(each);
      written.push(sealed);
      bytes += sealed.entry.sealed.length;
    }
    if (written.some(({ place }) => LISTED.has(place.kind))) {
      const all = new Map(this.#kept);
      for (const each of written) all.set(nameOf(each.place), each);
      written.push(await this.#seal(vaultKeys, MANIFEST, manifestIn(vaultKeys, all.values())));
    }
    const { revision } = await connection.request(
      { case: "writeVault", value: { entries: written.map(({ entry }) => entry) } },
      "vaultWritten",
    );
    const done = writing.filter(({ place, content }) => this.#pending.get(nameOf(place))?.content === content);
    // Whatever others wrote in between is still to be read.
    const cursor = revision === this.#revision + 1 ? revision : this.#revision;
    await storage.commit([
      ...written.map((each) => saveKept(each)),
      ...done.map(({ place }) => remove(keys.vaultPending(place))),
      saveCursor(cursor, this.#head, this.#named),
    ]);
    for (const each of written) this.#kept.set(nameOf(each.place), each);
    for (const { place } of done) this.#pending.delete(nameOf(place));
    this.#revision = cursor;
  }

  async #seal(vaultKeys: VaultKeys, place: VaultPlace, content: VaultContent): Promise<Kept> {
    const stored = this.#kept.get(nameOf(place))?.entry;
    const version = stored?.generation === vaultKeys.generation ? stored.version + 1 : 1;
    const { author } = this.#parts;
    return { place, content, device: author.device, entry: await sealVaultEntry(vaultKeys, author, version, content) };
  }

  /** False: what the server gave is not as it must be. */
  async #refresh(): Promise<boolean> {
    const { storage, onChanged } = this.#parts;
    let vaultKeys = this.#parts.vaultKeys();
    const named = this.#named;
    // Before anything is read: what a device wrote before its end is there then.
    const head = (await this.#parts.accounts.need(this.#parts.author.account)).state.head.index;
    const newer = await this.#readAfter(this.#revision);
    if (newer === undefined) return this.#refuse();
    const { offered, revision } = newer;
    if (offered.some(({ generation }) => generation > vaultKeys.generation)) {
      await this.#parts.renewKeys();
      // Also where somebody else has renewed them meanwhile.
      vaultKeys = this.#parts.vaultKeys();
    }
    const fresh = new Map<string, Kept>();
    let isRight = true;
    // Once for all: entries that nobody can open cost no more than that.
    let asked: ReturnType<KnownAccounts["refresh"]> | undefined;
    const newest = () => (asked ??= this.#parts.accounts.refresh(this.#parts.author.account));
    for (const entry of offered) {
      const kept = await this.#open(vaultKeys, entry, newest);
      if (kept === "known") continue;
      const ended = kept !== undefined && SIGNED.has(kept.place.kind) ? await this.#endOf(kept.device) : undefined;
      if (kept === undefined || (ended !== undefined && ended <= this.#head)) isRight = false;
      else fresh.set(nameOf(kept.place), kept);
    }
    const isOutdated = named !== undefined && named.generation < vaultKeys.generation;
    const isFollowed = named === undefined || isOutdated || this.#isFollowed(named, new Map([...this.#kept, ...fresh]));
    if (!isRight || !isFollowed || !this.#isComplete(vaultKeys, fresh)) {
      this.#refused = { revision, readable: fresh };
      return this.#refuse();
    }
    this.#wrong = false;
    this.#refused = undefined;
    // Of an older generation nothing counts any more.
    const gone = [...this.#kept].filter(([name, { entry }]) => !fresh.has(name) && entry.generation < vaultKeys.generation);
    const late = [...this.#pending].filter(([name]) => this.#isLate(name, fresh));
    const changes: Change[] = [
      ...gone.map(([, { place }]) => remove(keys.vault(place))),
      ...[...fresh.values()].map(saveKept),
      ...late.map(([, { place }]) => remove(keys.vaultPending(place))),
    ];
    if (revision !== this.#revision || head !== this.#head || changes.length > 0 || named !== undefined) {
      await storage.commit([...changes, saveCursor(revision, head)]);
    }
    const isFirst = this.#head === 0;
    this.#head = head;
    this.#named = undefined;
    this.#revision = revision;
    for (const [name] of gone) this.#kept.delete(name);
    for (const [name, pending] of late) if (this.#pending.get(name) === pending) this.#pending.delete(name);
    for (const [name, each] of fresh) this.#kept.set(name, each);
    this.#touch([...gone.map(([, each]) => each), ...fresh.values()]);
    await this.#signAgain(fresh, isFirst);
    if (fresh.size > 0) onChanged([...fresh.values()].map(({ place }) => place));
    return true;
  }

  async #open(
    vaultKeys: VaultKeys,
    entry: VaultEntry,
    newest: () => ReturnType<KnownAccounts["refresh"]>,
  ): Promise<Kept | "known" | undefined> {
    const { author, accounts } = this.#parts;
    const own = (await accounts.need(author.account)).state;
    let result = await openVaultEntry(vaultKeys, author.account, entry, (device) => own.devices.get(device)?.signingKey);
    if (result.kind === "unreadable") {
      // Perhaps of a device that was added a moment ago.
      const newer = (await newest()).state;
      if (newer.head.index > own.head.index) {
        result = await openVaultEntry(vaultKeys, author.account, entry, (device) => newer.devices.get(device)?.signingKey);
      }
    }
    // Nothing could follow the highest version that a server stores.
    if (result.kind === "unreadable" || entry.version >= limits.largestStoredNumber) return undefined;
    const { place, content } = result;
    const known = this.#kept.get(nameOf(place))?.entry;
    if (known !== undefined && known.generation === entry.generation && entry.version <= known.version) {
      return entry.version === known.version && equal(known.sealed, entry.sealed) ? "known" : undefined;
    }
    return { place, content, entry, device: result.device };
  }

  /** Index of the link that ended a device of the account; undefined while it is active. */
  async #endOf(device: DeviceId | undefined): Promise<number | undefined> {
    const own = (await this.#parts.accounts.need(this.#parts.author.account)).state;
    const status = device && own.devices.get(device)?.status;
    return status === undefined || status.kind === "active" ? undefined : status.at;
  }

  /**
   * [P4] What is listed and bears the signature of a device that has ended, is signed again by this one, so that such signatures need not
   * be believed any more. What was known here stays as it is; of what came now, nobody can tell whether it was written before that end, so
   * no contact in it counts as verified. On a device that knows nothing older, the same goes for all that such a device's manifest lists.
   */
  async #signAgain(fresh: ReadonlyMap<string, Kept>, isFirst: boolean): Promise<void> {
    const manifestEnded = (await this.#endOf(this.#kept.get(nameOf(MANIFEST))?.device)) !== undefined;
    const again: Noted[] = [];
    for (const [name, { place, content, device }] of this.#kept) {
      if (!LISTED.has(place.kind) || this.#pending.has(name)) continue;
      const ended = (await this.#endOf(device)) !== undefined;
      if (!ended && !manifestEnded) continue;
      const isDoubtful = (ended && fresh.has(name)) || (manifestEnded && isFirst);
      again.push({ place, content: isDoubtful ? withoutVerification(content) : content, isSignedAgain: true });
    }
    if (again.length === 0) return;
    await this.#leavePending(again);
    this.#schedule(0);
  }

  /** Whether what is here is what the newest manifest is of, and nothing else. */
  #isComplete(vaultKeys: VaultKeys, fresh: ReadonlyMap<string, Kept>): boolean {
    const all = new Map([...this.#kept, ...fresh]);
    const manifest = all.get(nameOf(MANIFEST));
    if (manifest !== undefined && manifest.entry.generation === vaultKeys.generation)
      return equals(VaultContentSchema, manifest.content, manifestIn(vaultKeys, all.values()));
    return listedOf(vaultKeys, all.values()).length === 0;
  }

  #isFollowed({ generation, version, hash }: NamedManifest, kept: ReadonlyMap<string, Kept>): boolean {
    const entry = kept.get(nameOf(MANIFEST))?.entry;
    if (entry === undefined || entry.generation < generation) return false;
    if (entry.generation > generation || entry.version > version) return true;
    return entry.version === version && equal(vaultEntryHash(entry), hash);
  }

  /** Somebody whom this device pinned before it knew that another one had: what that one wrote about them stays. */
  #isLate(name: string, fresh: ReadonlyMap<string, Kept>): boolean {
    const pending = this.#pending.get(name);
    const other = fresh.get(name)?.content;
    if (pending === undefined || other === undefined) return false;
    // What somebody wrote since then is newer.
    if (pending.isSignedAgain === true) return true;
    if (this.#kept.has(name)) return false;
    return isBarePin(pending.content) && isSameContact(pending.content, other);
  }

  #refuse(): false {
    if (!this.#wrong) this.#parts.onWrong();
    this.#wrong = true;
    return false;
  }
}

/** A contact of whom no more is said than who it is. */
function isBarePin({ deleted, kind }: VaultContent): boolean {
  return !deleted && kind.case === "contact" && !kind.value.verified && !kind.value.blocked && kind.value.note === "";
}

function isSameContact({ kind: one }: VaultContent, { kind: other, deleted }: VaultContent): boolean {
  if (one.case !== "contact" || other.case !== "contact" || deleted) return false;
  return equal(one.value.account, other.value.account) && equal(one.value.identityKey, other.value.identityKey);
}

function listedOf({ generation }: VaultKeys, entries: Iterable<Kept>): Kept[] {
  return Array.from(entries).filter(({ place, entry }) => LISTED.has(place.kind) && entry.generation === generation);
}

function manifestIn(vaultKeys: VaultKeys, entries: Iterable<Kept>): VaultContent {
  const listed = listedOf(vaultKeys, entries).map(({ entry }) => entry);
  return create(VaultContentSchema, { kind: { case: "manifest", value: manifestOf(vaultKeys, listed) } });
}

function withoutVerification(content: VaultContent): VaultContent {
  if (content.kind.case !== "contact") return content;
  return create(VaultContentSchema, { ...content, kind: { case: "contact", value: { ...content.kind.value, verified: false } } });
}

function saveKept({ place, entry, content, device }: Kept): Change {
  const record = create(schemas.vault, {
    entry: toBinary(VaultEntrySchema, entry),
    content: toBinary(VaultContentSchema, content),
    version: entry.version,
    device: device === undefined ? new Uint8Array(0) : idBytes(device),
  });
  return put(keys.vault(place), schemas.vault, record);
}

const saveCursor = (revision: number, head: number, named?: NamedManifest): Change =>
  put(keys.vaultCursor, schemas.vaultCursor, create(schemas.vaultCursor, { revision, head, ...(named !== undefined && { named }) }));
