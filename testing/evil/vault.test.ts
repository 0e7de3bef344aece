import { create } from "@bufbuild/protobuf";
import { equal, random, toHex } from "@fastchat/protocol/seal";
import { type VaultEntry, VaultEntrySchema } from "@fastchat/protocol/wire/vault";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { anotherDevice, type Person } from "../person.ts";
import { bodyOf, changedServerFrame, type Script } from "../proxy.ts";
import { type EvilCase, type Stage, until, warned, play } from "./case.ts";

/** Alice's vault on the server, and what the server knows about it by having watched. */
interface Watched {
  /** Slots of the contacts bob and carol. */
  readonly bob: Uint8Array;
  readonly carol: Uint8Array;
  /** Of the manifest. */
  readonly manifest: Uint8Array;
  /** Every version of every entry that was ever written. */
  readonly written: readonly VaultEntry[];
  /** Of somebody else. */
  readonly others: readonly VaultEntry[];
}

const slotOf = (entries: readonly VaultEntry[], slot: Uint8Array): VaultEntry => entries.find((entry) => equal(entry.slot, slot))!;

async function vaultOf(stage: Stage, person: Person): Promise<VaultEntry[]> {
  const entries: VaultEntry[] = [];
  for (let more = true, after = 0; more;) {
    const page = bodyOf(await stage.connectionOf(person).ask({ case: "readVault", value: { afterRevision: after } }), "vault");
    entries.push(...page.entries);
    ({ more } = page);
    after = page.revision;
  }
  return entries;
}

const CALM_MS = 300;

/** Resolves when the number has stayed the same for a while. */
async function calm(count: () => number): Promise<void> {
  for (let last = -1; last !== count(); await wait(CALM_MS)) last = count();
}

const tamperings: readonly [attack: string, tamper: (entries: readonly VaultEntry[], watched: Watched) => readonly VaultEntry[]][] = [
  [
    "swapped",
    (entries, { bob, carol }) => {
      const [ofBob, ofCarol] = [slotOf(entries, bob), slotOf(entries, carol)];
      return entries.map((entry) => {
        if (entry === ofBob) return create(VaultEntrySchema, { ...ofCarol, slot: bob });
        return entry === ofCarol ? create(VaultEntrySchema, { ...ofBob, slot: carol }) : entry;
      });
    },
  ],
  ["left out", (entries, { bob }) => entries.filter(({ slot }) => !equal(slot, bob))],
  ["rolled back", (entries, { bob, written }) => entries.map((entry) => (equal(entry.slot, bob) ? slotOf(written, bob) : entry))],
  [
    "rolled back under its newest version number",
    (entries, { bob, written }) =>
      entries.map((entry) =>
        equal(entry.slot, bob) ? create(VaultEntrySchema, { ...slotOf(written, bob), version: entry.version }) : entry,
      ),
  ],
  [
    "malleable: one bit turned",
    (entries, { bob }) =>
      entries.map((entry) => {
        if (!equal(entry.slot, bob)) return entry;
        const sealed = Uint8Array.from(entry.sealed);
        sealed[sealed.length >> 1]! ^= 1;
        return create(VaultEntrySchema, { ...entry, sealed });
      }),
  ],
];

/** The first entry whose slot it is, changed. */
const instead = (
  entries: readonly VaultEntry[],
  slot: Uint8Array,
  change: (entry: VaultEntry) => Partial<Omit<VaultEntry, "$typeName">>,
): VaultEntry[] => entries.map((entry) => (equal(entry.slot, slot) ? create(VaultEntrySchema, { ...entry, ...change(entry) }) : entry));

/** The same once more, for one device that is shown one after the other. */
const more: typeof tamperings = [
  ["another account's", (entries, { bob, others }) => instead(entries, bob, () => ({ sealed: others[0]!.sealed }))],
  ["all of another account", (_, { others }) => others],
  ["of another generation", (entries, { bob }) => instead(entries, bob, ({ generation }) => ({ generation: generation + 1 }))],
  ["of a later version", (entries, { bob }) => instead(entries, bob, ({ version }) => ({ version: version + 1 }))],
  ["the manifest left out", (entries, { manifest }) => entries.filter(({ slot }) => !equal(slot, manifest))],
  ["an old manifest", (entries, { manifest, written }) => instead(entries, manifest, () => slotOf(written, manifest))],
  ["only the manifest", (entries, { manifest }) => entries.filter(({ slot }) => equal(slot, manifest))],
  ["one too many", (entries, { bob }) => [...entries, create(VaultEntrySchema, { ...slotOf(entries, bob), slot: random(32) })]],
];

/**
 * Alice writes notes about bob and carol, twice about bob. Then she signs in on new devices, whose vault was tampered with: each must be
 * warned, and never see another's note or an old one as if all were well.
 */
const tampered: EvilCase = {
  attack: `malleable, swapped, missing or old vault entries (MEGA): ${[...tamperings, ...more].map(([attack]) => attack).join(", ")}`,
  rules: "[P4]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const carol = await stage.honest("carol");
    const mallory = await stage.victim("mallory");
    await mallory.client.setNote(bob.name, "somebody");
    await alice.say(carol.name, "hello");
    const written: VaultEntry[] = [];
    stage.proxy.script = {
      toServer: (frame) => {
        if (frame.body.case === "writeVault") written.push(...frame.body.value.entries);
        return frame;
      },
    };
    const slotsOfNote = async (name: string, note: string): Promise<Set<string>> => {
      // Read positions and contacts are written by themselves; they must not be taken for the note.
      await calm(() => written.length);
      const from = written.length;
      await alice.client.setNote(name, note);
      await until(alice, "the note on the server", () => (written.length > from ? true : undefined));
      await calm(() => written.length);
      return new Set(written.slice(from).map(({ slot }) => toHex(slot)));
    };
    // What both writes touch is the manifest; what one alone touches is the contact.
    const first = await slotsOfNote(bob.name, "old note about bob");
    const second = await slotsOfNote(carol.name, "note about carol");
    const third = await slotsOfNote(bob.name, "new note about bob");
    const only = (mine: Set<string>, others: Set<string>): Uint8Array => {
      const found = [...mine].filter((slot) => !others.has(slot));
      expect(found).toHaveLength(1);
      return Buffer.from(found[0]!, "hex");
    };
    const both = [...third].filter((slot) => second.has(slot));
    expect(both).toHaveLength(1);
    const others = await vaultOf(stage, mallory);
    expect(others.length).toBeGreaterThan(0);
    const watched: Watched = {
      bob: only(third, second),
      carol: only(second, first),
      manifest: Buffer.from(both[0]!, "hex"),
      written,
      others,
    };
    const newest = written.findLast(({ slot }) => equal(slot, watched.bob))!;
    await until(alice, "the newest note on the server", async () =>
      slotOf(await vaultOf(stage, alice), watched.bob).version === newest.version ? true : undefined,
    );

    const showing = (tamper: (typeof tamperings)[number][1], writes: string[] = []): Script => ({
      toServer: (frame) => {
        if (frame.body.case === "writeVault") writes.push(frame.body.case);
        return frame;
      },
      toClient: (frame) => {
        if (frame.body.case !== "vault") return frame;
        const entries = [...tamper(frame.body.value.entries, watched)];
        return changedServerFrame(frame, { case: "vault", value: { ...frame.body.value, entries } });
      },
    });
    for (const [attack, tamper] of tamperings) {
      stage.proxy.script = showing(tamper);
      await using device = await anotherDevice(stage.system, alice, {
        profile: `${alice.profile}-${attack.replaceAll(/[^a-z]/g, "-")}`,
        gateway: stage.proxy.url,
      });
      await warned(device, "vault");
      const notes = (await device.client.people()).filter(({ contact }) => contact).map(({ name, note }) => [name, note]);
      expect(notes.filter(([name, note]) => name === bob.name && note !== "" && note !== "new note about bob")).toEqual([]);
      expect(notes.filter(([name, note]) => name === carol.name && note !== "" && note !== "note about carol")).toEqual([]);
      await stage.honestTalk(device, bob);
    }

    const writes: string[] = [];
    stage.proxy.script = showing(more[0]![1], writes);
    await using device = await anotherDevice(stage.system, alice, { profile: `${alice.profile}-more`, gateway: stage.proxy.url });
    const sentences = new Set<string>();
    for (const [attack, tamper] of more) {
      stage.proxy.script = showing(tamper, writes);
      const from = device.events.length;
      await device.reopen();
      const warning = await until(device, `a warning of the vault: ${attack}`, () =>
        device.events.slice(from).find((event) => event.kind === "warning" && event.warning === "vault"),
      );
      sentences.add(warning.kind === "warning" ? warning.text : "");
      expect((await device.client.people()).filter(({ note }) => note !== "")).toEqual([]);
    }
    // One and the same, and nothing is written on top of what is not as it must be.
    expect(sentences.size).toBe(1);
    expect(writes).toEqual([]);
    await stage.honestTalk(device, bob);
    await until(device, "the newest note", async () => (await device.client.people()).find(({ note }) => note === "new note about bob"));
  },
};

play([tampered]);
