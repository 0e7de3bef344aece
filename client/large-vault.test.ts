import { create, toBinary } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import { equal, random, vaultPlaceOf } from "@fastchat/protocol/seal";
import { ClientPacketSchema, VaultWrittenSchema } from "@fastchat/protocol/wire/frames";
import { type VaultContent, VaultContentSchema, type VaultEntry, VaultEntrySchema } from "@fastchat/protocol/wire/vault";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, changedServerFrame, FrameProxy, type Person, person, startSystem, type System } from "../testing/index.ts";
import { keys } from "./records.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

const CONTACTS = 3_000;

const names = Array.from({ length: CONTACTS }, (_, place) => `acquaintance${place}`);
const contactOf = new Map(names.map((name) => [name, { name, account: random(32), identityKey: random(32) }]));
const withNote = (name: string, note: string): VaultContent =>
  create(VaultContentSchema, { kind: { case: "contact", value: { ...contactOf.get(name)!, note } } });

/** Writes into the profile while nobody has it open, and brings it to the server. */
async function writeAll(writer: Person, contents: readonly VaultContent[]): Promise<void> {
  await writer.client.close();
  const storage = openSqliteStorage(join(writer.home, writer.profile));
  await storage.commit(
    contents.map((content) => ({
      kind: "put",
      key: keys.vaultPending(vaultPlaceOf(content)!),
      value: toBinary(VaultContentSchema, content),
    })),
  );
  await storage.close();
  await writer.reopen();
}

const contactsOf = async ({ client }: Person) => (await client.people()).filter(({ contact }) => contact);
const warnings = ({ events }: Person) => events.filter((event) => event.kind === "warning" && event.warning === "vault").length;

test(
  `[P4] ${CONTACTS} contacts reach a fresh device; without one of them, or with an old one, nothing is taken`,
  { timeout: 180_000 },
  async () => {
    await using proxy = await FrameProxy.start(system.gatewayUrl);
    const writes: VaultEntry[][] = [];
    proxy.script = {
      toServer: (frame) => {
        if (frame.body.case === "writeVault") writes.push(frame.body.value.entries);
        return frame;
      },
    };
    await using alice = await person(system, "alice", { gateway: proxy.url });
    const [one, other] = [names[7]!, names[8]!];
    await writeAll(
      alice,
      names.map((name) => withNote(name, "")),
    );
    await expect.poll(() => writes.flat().length, { timeout: 60_000 }).toBeGreaterThan(CONTACTS);
    const first = writes.splice(0).flat();
    await writeAll(alice, [withNote(one, "first")]);
    await expect.poll(() => writes.flat().length).toBe(2);
    const second = writes.splice(0).flat();
    await writeAll(alice, [withNote(other, "second")]);
    await expect.poll(() => writes.flat().length).toBe(2);
    const third = writes.splice(0).flat();

    await using bystander = await anotherDevice(system, alice, { profile: "alice-whole" });
    await expect.poll(async () => (await contactsOf(bystander)).length, { timeout: 30_000 }).toBe(CONTACTS);
    const noted = (await contactsOf(bystander)).filter(({ note }) => note !== "").map(({ name, note }) => [name, note]);
    expect(noted).toEqual([
      [one, "first"],
      [other, "second"],
    ]);
    expect(warnings(bystander)).toBe(0);

    const isIn = (entries: readonly VaultEntry[], { slot }: VaultEntry) => entries.some((entry) => equal(entry.slot, slot));
    const manifests = [...first, ...second, ...third].filter((entry) => isIn(second, entry) && isIn(third, entry));
    expect(manifests).toHaveLength(first.length - CONTACTS + 2);
    // As small for many as for few.
    expect(Math.max(...manifests.map(({ sealed }) => sealed.length))).toBeLessThan(limits.smallCiphertextBytes);
    const ofOne = second.find((entry) => !isIn(manifests, entry))!;
    const ofOther = third.find((entry) => !isIn(manifests, entry))!;
    const olderOf = (entry: VaultEntry) => first.find(({ slot }) => equal(slot, entry.slot))!;
    const replaced = (from: VaultEntry, to: readonly VaultEntry[]) => (entries: readonly VaultEntry[]) =>
      entries.flatMap((entry) => (equal(entry.slot, from.slot) ? to : [entry]));
    const newest = manifests.at(-1)!;
    const tamperings: readonly [what: string, tamper: (entries: readonly VaultEntry[]) => readonly VaultEntry[]][] = [
      ["a contact left out", replaced(ofOne, [])],
      ["a contact rolled back", replaced(ofOne, [olderOf(ofOne)])],
      [
        "two contacts swapped",
        (entries) =>
          entries.map((entry) => {
            if (equal(entry.slot, ofOne.slot)) return create(VaultEntrySchema, { ...ofOther, slot: ofOne.slot });
            return equal(entry.slot, ofOther.slot) ? create(VaultEntrySchema, { ...ofOne, slot: ofOther.slot }) : entry;
          }),
      ],
      ["the manifest left out", replaced(newest, [])],
      ["the manifest rolled back", replaced(newest, [manifests.at(-2)!])],
      ["a contact in the manifest's place", replaced(newest, [create(VaultEntrySchema, { ...ofOne, slot: newest.slot })])],
      [
        "all contacts but the last left out",
        (entries) => entries.filter(({ slot }) => equal(slot, newest.slot) || equal(slot, ofOther.slot)),
      ],
    ];
    for (const [place, [what, tamper]] of tamperings.entries()) {
      proxy.script = {
        toClient: (frame) => {
          if (frame.body.case !== "vault") return frame;
          return changedServerFrame(frame, {
            case: "vault",
            value: { ...frame.body.value, entries: [...tamper(frame.body.value.entries)] },
          });
        },
      };
      await using device = await anotherDevice(system, alice, { profile: `alice-${place}`, gateway: proxy.url });
      await expect.poll(() => warnings(device), { message: what, timeout: 30_000 }).toBe(1);
      expect([what, ...(await contactsOf(device))]).toEqual([what]);
    }
  },
);

test("[H6] a large vault that a restored server lost is put back in writes that it takes", { timeout: 120_000 }, async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using bob = await person(system, "bob", { gateway: proxy.url });
  const count = 45;
  const text = "x".repeat(100_000);
  const drafts = Array.from({ length: count }, () =>
    create(VaultContentSchema, { kind: { case: "draft", value: { conversation: random(32), text } } }),
  );
  await writeAll(bob, drafts);
  let isLost = false;
  const written: number[] = [];
  let left = 0;
  proxy.script = {
    toServer: (frame, connection) => {
      if (frame.body.case !== "writeVault" || !frame.body.value.putBack) return frame;
      const { entries } = frame.body.value;
      written.push(entries.reduce((sum, { sealed }) => sum + sealed.length, 0));
      left -= entries.length;
      connection.answer(frame, { case: "vaultWritten", value: create(VaultWrittenSchema, { revision: 1_000 }) });
      return undefined;
    },
    toClient: (frame) => {
      if (frame.body.case === "welcome" && isLost)
        return changedServerFrame(frame, { case: "welcome", value: { ...frame.body.value, running: random(32) } });
      if (frame.body.case !== "vault" || !isLost) return frame;
      isLost = false;
      left = count;
      return changedServerFrame(frame, { case: "vault", value: { ...frame.body.value, entries: [], more: false } });
    },
  };
  // All of it is there, and a next session finds it gone.
  await expect
    .poll(
      async () =>
        Number((await system.query("SELECT count(*)::integer AS count FROM vault_entry WHERE length(sealed) > 90000"))[0]!["count"]),
      { timeout: 30_000 },
    )
    .toBe(count);
  isLost = true;
  for (const each of proxy.connections) each.close();
  await expect.poll(() => written.length > 0 && left <= 0, { timeout: 30_000 }).toBe(true);
  expect(Math.max(...written)).toBeLessThan(limits.packetBytes);
});

test(
  "[H6] [P4] who reads a vault while it is put back in several writes is not warned of what is only under way",
  { timeout: 120_000 },
  async () => {
    await using proxy = await FrameProxy.start(system.gatewayUrl);
    await using carla = await person(system, "carla", { gateway: proxy.url });
    const count = 45;
    const some = names.slice(0, count);
    await writeAll(
      carla,
      some.map((name) => withNote(name, "x".repeat(100_000))),
    );
    const account = `account = decode('${carla.me.account}', 'hex')`;
    const stored = async () =>
      Number((await system.query(`SELECT count(*)::integer AS count FROM vault_entry WHERE ${account}`))[0]!["count"]);
    await expect.poll(stored, { timeout: 60_000 }).toBeGreaterThan(count);
    await system.query(`DELETE FROM vault_entry WHERE ${account}`);
    await system.query(`UPDATE vault SET entries = 0 WHERE ${account}`);
    const held: (() => void)[] = [];
    let writes = 0;
    proxy.script = {
      toServer: (frame, connection) => {
        if (frame.body.case !== "writeVault" || !frame.body.value.putBack || ++writes === 1) return frame;
        held.push(() => connection.rawToServer(toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: [frame] }))));
        return undefined;
      },
      toClient: (frame) => {
        if (frame.body.case !== "welcome") return frame;
        return changedServerFrame(frame, { case: "welcome", value: { ...frame.body.value, running: random(32) } });
      },
    };
    for (const each of proxy.connections) each.close();
    await expect.poll(() => held.length, { timeout: 30_000 }).toBe(1);
    await using other = await anotherDevice(system, carla, { profile: "carla-2" });
    const known = async () => (await contactsOf(other)).length;
    await expect.poll(known, { timeout: 30_000 }).toBeGreaterThan(0);
    expect(await known()).toBeLessThan(count);
    proxy.script = {};
    for (const pass of held) pass();
    await expect.poll(known, { timeout: 30_000 }).toBe(count);
    expect(warnings(other)).toBe(0);
    expect(warnings(carla)).toBe(0);
  },
);
