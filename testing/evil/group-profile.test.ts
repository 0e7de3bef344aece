import { create } from "@bufbuild/protobuf";
import { ErrorCode, limits } from "@fastchat/protocol";
import { epochContext, newestEpoch } from "@fastchat/protocol/chain";
import { openProfile, random, signProfile } from "@fastchat/protocol/seal";
import { type Entry, EntrySchema, LinkEntrySchema, ProfileContentSchema, type SignedProfile } from "@fastchat/protocol/wire/conversation";
import { expect } from "vitest";
import { takeDump } from "../groups/dump.ts";
import { agree, hears, say, viewOf } from "../groups/group-talk.ts";
import { fastchat } from "../fastchat.ts";
import type { Person } from "../person.ts";
import { type EvilCase, play, type Stage, until } from "./case.ts";
import { FalseLog } from "./false-log.ts";
import { goesOn, type StagedGroup, stagedGroup } from "./group-stage.ts";
import type { Wrong } from "./modified-client.ts";

const titleOf = async ({ client }: Person, { id }: StagedGroup): Promise<string> => (await client.conversation(id))!.title;

/** The profile beside the newest link that has one, as everybody in the group can open it. */
async function profileAt(stage: Stage, { id, mallory }: StagedGroup, back = 0): Promise<SignedProfile> {
  const dump = await takeDump(stage.system, id);
  const { entry, state } = dump.links.filter((link) => link.entry.profile.length > 0).at(-1 - back)!;
  const epoch = newestEpoch(state);
  const key = (await mallory.epochKey(dump, epoch.epoch))!;
  const opened = openProfile(key, epochContext(state, epoch), epoch.epoch, entry.profile);
  if (opened.kind !== "opened") throw new Error(`the profile is ${opened.reason}`);
  return opened.profile;
}

const swapped: EvilCase = {
  attack: "server-made rename: the profile beside a link is swapped, cut, blown up, or an older one",
  rules: "[C8]",
  async run(stage) {
    const group = await stagedGroup(stage, "Chess club");
    const { id, alice, bob } = group;
    const older = (await takeDump(stage.system, id)).links[0]!.entry.profile;
    const profiles = [older, random(older.length), older.slice(0, 40), new Uint8Array(0), new Uint8Array(10_000_000)];
    for (const [number, profile] of profiles.entries()) {
      const length = (await alice.client.conversation(id))!.head;
      stage.proxy.script = new FalseLog(id, (real) =>
        real.map((entry): Entry => {
          if (entry.body.case !== "link" || entry.sequence <= length) return entry;
          return create(EntrySchema, {
            ...entry,
            body: { case: "link", value: create(LinkEntrySchema, { ...entry.body.value, profile }) },
          });
        }),
      ).script;
      await bob.client.groups.setProfile(id, { name: `Poker club ${number}` });
      await say(bob, id, `new name, round ${number}`);
      await hears(alice, id, `new name, round ${number}`);
      // The link counts; what the server gives in the profile's place does not.
      expect((await viewOf(alice, id))!.head).toBe((await viewOf(bob, id))!.head);
      expect(await titleOf(alice, group)).not.toMatch(/Chess|Poker/);
    }
    await goesOn(stage, group);
  },
};

const resealed: EvilCase = {
  attack: "server-made rename by a member without the right: another name, or an older one, is sealed into a new key",
  rules: "[C8]",
  async run(stage) {
    const group = await stagedGroup(stage, "Chess club", { own: true });
    const { id, alice, bob, carol, mallory } = group;
    await bob.client.groups.setProfile(id, { name: "Go club" });
    await agree([alice, bob, carol], id);
    const [{ profile }, dump] = [mallory, await takeDump(stage.system, id)];
    const { nonce, head } = dump.links.at(-1)!.state;
    const own = { ...profile.me, signingSeed: profile.signingSeed };
    const named = (index: number) => signProfile(create(ProfileContentSchema, { name: "Mallory's club" }), { nonce, index }, own);
    const real = await profileAt(stage, group);
    const reseals: readonly SignedProfile[] = [
      await profileAt(stage, group, 1),
      // Signed by her: for the link that opens the key, and for the one that set the name.
      await named(head.index + 1),
      await named(head.index),
      // Under the setter's name.
      { ...(await named(head.index)), account: real.account, device: real.device },
      { ...real, content: (await named(head.index)).content },
      { ...real, signature: random(64) },
    ];
    const rekey: Wrong = { change: { case: "rekey", value: { reason: "quietly" } } };
    for (const [number, seals] of reseals.entries()) {
      expect(await mallory.append(id, await mallory.forge(id, { ...rekey, seals }))).toBe("appended");
      await say(carol, id, `still the Go club, round ${number}`);
      for (const who of [alice, bob]) await hears(who, id, `still the Go club, round ${number}`);
      for (const who of [alice, bob, carol]) expect(await titleOf(who, group)).toBe("Go club");
    }
    // A device that comes now finds the name of whom it is; and somebody new gets it from who adds them.
    const fresh = await stage.deviceOf(carol, "new");
    await until(fresh, "the group", async () => (await viewOf(fresh, id)) ?? undefined);
    expect(await titleOf(fresh, group)).not.toContain("Mallory");
    const dave = await stage.ownHonest("dave");
    await bob.client.groups.add(id, [dave.name]);
    await until(dave, "the name", async () => ((await dave.client.conversation(id))?.title === "Go club" ? true : undefined));
    await goesOn(stage, group);
  },
};

const tooLarge: EvilCase = {
  attack: "a profile of 10 MB, and one whose name is longer than a name may be",
  rules: "[C8] [W5]",
  async run(stage) {
    const group = await stagedGroup(stage, "Small", { mallory: "admin" });
    const { id, alice, bob, carol, mallory } = group;
    const blownUp = async (bytes: number) => {
      const forged = await mallory.forge(id, { change: { case: "profile", value: { profileHash: new Uint8Array(32) } }, name: "Large" });
      return { ...forged, entry: create(LinkEntrySchema, { ...forged.entry, profile: new Uint8Array(bytes) }) };
    };
    expect(await mallory.append(id, await blownUp(limits.profileBytes + 1))).toBe(ErrorCode.LINK_INVALID);
    // Sealed it fits, and no server can look inside.
    const longName = "x".repeat(limits.groupNameBytes + 1);
    const renamed = await mallory.forge(id, { change: { case: "profile", value: { profileHash: new Uint8Array(32) } }, name: longName });
    expect(await mallory.append(id, renamed)).toBe("appended");
    await say(carol, id, "what are we called?");
    for (const who of [alice, bob]) {
      await hears(who, id, "what are we called?");
      expect(await titleOf(who, group)).not.toContain("xxx");
    }
    await goesOn(stage, group);
    const socket = mallory.socket;
    await Promise.race([mallory.append(id, await blownUp(10_000_000)).catch(() => undefined), socket.closed]);
    // "Message too big" (RFC 6455, 7.4.1): it is not even read.
    expect(await socket.closed).toBe(1_009);
    expect(stage.system.processes.every(({ running }) => running)).toBe(true);
  },
};

/** Title of the terminal, a link, the clipboard, colours; right-to-left, zero width, many marks, lines. */
const nasty = "\u001b]0;owned\u0007\u001b]8;;http://evil\u0007\u001b[31mfriends\u202egnp.exe\u200b\u0300\u0301\u0302\n\r\u009b2Jend";

const escapes: EvilCase = {
  attack: "terminal escape sequences, right-to-left and look-alike names: a group's name and description",
  rules: "[C8]",
  async run(stage) {
    const group = await stagedGroup(stage, "Harmless", { mallory: "admin" });
    const { id, alice, bob, mallory } = group;
    await alice.client.openDirect(bob.name);
    await expect(bob.client.groups.setProfile(id, { name: nasty })).rejects.toMatchObject({ code: ErrorCode.LINK_INVALID });
    const wrong: Wrong = { change: { case: "profile", value: { profileHash: new Uint8Array(32) } }, name: nasty };
    expect(await mallory.append(id, await mallory.forge(id, wrong))).toBe("appended");
    await say(bob, id, "look at our name");
    await hears(alice, id, "look at our name");
    const place = { home: alice.home, gateway: stage.proxy.url };
    for (const command of [["conversations"], ["group", "list"], ["group", "info", id]]) {
      for (const json of [[], ["--json"]]) {
        const { code, output, errors } = await fastchat(stage.system, [...command, ...json, "--profile", alice.profile], place);
        expect([command, code, errors]).toEqual([command, 0, ""]);
        expect(output).toMatch(/\S/);
        expect(output).not.toMatch(/(?!\n)\p{Cc}|[\u202a-\u202e\u2066-\u2069\u200b]/u);
      }
    }
    await bob.client.groups.setProfile(id, { name: "Harmless", description: "" });
    await goesOn(stage, group);
  },
};

play([swapped, resealed, tooLarge, escapes]);
