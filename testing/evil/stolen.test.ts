import type { AppendAccountLink } from "@fastchat/protocol/wire/frames";
import type { SignInFinished } from "@fastchat/protocol/wire/gateway";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { equal, random, sealVaultEntry, toHex, vaultKeysOf } from "@fastchat/protocol/seal";
import { VaultContentSchema } from "@fastchat/protocol/wire/vault";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import type { Person } from "../person.ts";
import { changedServerFrame, type Script } from "../proxy.ts";
import { type EvilCase, noticed, notices, type Stage, until, warned, play } from "./case.ts";
import { FalseLog } from "./false-log.ts";
import { type Entry, EntrySchema } from "@fastchat/protocol/wire/conversation";
import { DeviceSecrets } from "./secrets.ts";
import { rawDeviceOf, RawSocket } from "../raw-device.ts";
import { withoutUncaught } from "./uncaught.ts";

/** What the server does with a device that was stolen, and with what it signed. */
const revokedOnOldChain: EvilCase = {
  attack: "rollback of the own chain: a revocation that would give the new account key to a revoked device",
  rules: "[G5] [P1] [H3]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const thief = await stage.deviceOf(alice, "thief");
    const third = await stage.deviceOf(alice, "third");
    let old: Pick<SignInFinished, "links" | "wraps" | "accountPublicKey"> | undefined;
    let sealingKeys: Uint8Array[] = [];
    const sent: AppendAccountLink[] = [];
    const toServer: Script["toServer"] = (frame) => {
      if (frame.body.case === "appendAccountLink") sent.push(frame.body.value);
      return frame;
    };
    stage.proxy.script = {
      toServer,
      posts: {
        "/v1/sign-in/finish": (answer) => {
          old ??= { links: answer.links, wraps: answer.wraps, accountPublicKey: answer.accountPublicKey };
          return answer;
        },
      },
      toClient: (frame) => {
        if (frame.body.case === "account" && frame.body.value.deviceSealingKeys.length > sealingKeys.length)
          sealingKeys = frame.body.value.deviceSealingKeys.map((key) => Uint8Array.from(key));
        return frame;
      },
    };
    await alice.client.revokeDevices(alice.password, [thief.me.device]);
    expect(sent).toHaveLength(1);
    stage.proxy.script = {
      toServer,
      posts: { "/v1/sign-in/finish": (answer) => ({ ...answer, ...old }) },
      toClient: (frame) => {
        if (frame.body.case !== "account" || frame.body.value.deviceSealingKeys.length === 0) return frame;
        return changedServerFrame(frame, { case: "account", value: { ...frame.body.value, deviceSealingKeys: sealingKeys } });
      },
    };
    await expect(alice.client.revokeDevices(alice.password, [third.me.device])).rejects.toThrow(/another history/);
    // Nothing at all was made on the old chain.
    expect(sent.slice(1).flatMap(({ attachments }) => attachments!.copies.map(({ device }) => toHex(device)))).toEqual([]);
    await warned(alice, "account-fork");
    stage.proxy.script = {};
    await alice.client.revokeDevices(alice.password, [third.me.device]);
    await stage.honestTalk(alice, bob);
  },
};

/** Alice's device that was stolen, closed, with what was in it; it has been heard of in the conversation. */
async function stolenDevice(stage: Stage) {
  const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
  const stolen = await stage.deviceOf(alice, "stolen");
  await stolen.say(bob.name, "still mine");
  await alice.hears(bob.name, "still mine");
  await stolen.client.close();
  return { alice, bob, conversation, secrets: await DeviceSecrets.take(stolen, conversation) };
}

const topmostSlot = (counter: number): EvilCase => ({
  attack: `a stolen device's receipt with the counter ${counter}, which none can follow`,
  rules: "[S5]",
  async run(stage) {
    const { alice, bob, conversation, secrets } = await stolenDevice(stage);
    const slot = await secrets.slot(counter);
    await withoutUncaught(async () => {
      // The honest server takes it while nobody knows that the device is stolen.
      const { device } = secrets.profile.me;
      await using socket = await RawSocket.signedIn(rawDeviceOf(stage.system, secrets.profile));
      await socket.ask({ case: "writeSlot", value: { conversation: idBytes(conversation), slot } });
      await bob.say(alice.name, "before");
      await alice.hears(bob.name, "before");
      await alice.client.markRead(conversation, (await alice.client.conversation(conversation))!.head);
      await alice.client.revokeDevices(alice.password, [device]);
      await alice.reopen();
      await alice.client.caughtUp();
      // An evil one shows it again afterwards.
      stage.connectionOf(alice).push({ case: "slots", value: { conversation: idBytes(conversation), slots: [slot] } });
      await bob.say(alice.name, "read me");
      await alice.hears(bob.name, "read me");
      await alice.client.markRead(conversation, (await alice.client.conversation(conversation))!.head);
      await until(bob, "that it was read", async () =>
        (await bob.messages(alice.name)).find(({ text, status }) => text === "read me" && status === "read"),
      );
      await stage.honestTalk(alice, bob);
    });
  },
});

const topmostVersion: EvilCase = {
  attack:
    "a stolen device's vault entry of the highest version, put back after a restore that never was: it is told, and the revocation mends it",
  rules: "[P4] [H3] [H6]",
  async run(stage) {
    const { alice, bob, conversation, secrets } = await stolenDevice(stage);
    const { me, signingSeed, accountKeys } = secrets.profile;
    const author = { account: me.account, device: me.device, signingSeed };
    const content = create(VaultContentSchema, {
      kind: { case: "draft", value: { conversation: idBytes(conversation), text: "the last one" } },
    });
    const entry = await sealVaultEntry(vaultKeysOf(accountKeys.at(-1)!), author, limits.largestStoredNumber, content);
    {
      await using socket = await RawSocket.signedIn(rawDeviceOf(stage.system, secrets.profile));
      const { body } = await socket.ask({ case: "writeVault", value: { entries: [entry], putBack: true } });
      expect(body.case).toBe("vaultWritten");
    }
    await warned(alice, "vault");
    await alice.client.revokeDevices(alice.password, [me.device]);
    await alice.client.setDraft(conversation, "not the last one");
    const other = await stage.deviceOf(alice, "after");
    await until(other, "the draft", async () =>
      (await other.client.conversation(conversation))?.draft === "not the last one" ? true : undefined,
    );
    await stage.honestTalk(alice, bob);
  },
};

const junkInTheVault = (revoker: "one that knows the vault" | "a fresh one"): EvilCase => ({
  attack: `a stolen device's junk in the vault, which nobody can open: its own revocation, by ${revoker}, must go through`,
  rules: "[P4] [H3]",
  async run(stage) {
    const { alice, bob, secrets } = await stolenDevice(stage);
    await alice.client.setVerified(bob.name, true);
    await alice.client.setNote(bob.name, "from school");
    const bobOn = async ({ client }: Person) => (await client.people()).find(({ name }) => name === bob.name);
    const noted = (on: Person) => until(on, "the note", async () => ((await bobOn(on))?.note === "from school" ? true : undefined));
    await noted(await stage.deviceOf(alice, "before"));
    {
      await using socket = await RawSocket.signedIn(rawDeviceOf(stage.system, secrets.profile));
      const entries = [{ slot: random(32), generation: 1, version: 1, sealed: random(60) }];
      expect((await socket.ask({ case: "writeVault", value: { entries } })).body.case).toBe("vaultWritten");
    }
    await warned(alice, "vault");
    const isFresh = revoker === "a fresh one";
    const by = isFresh ? await stage.deviceOf(alice, "fresh") : alice;
    await warned(by, "vault");
    await by.client.revokeDevices(alice.password, [secrets.profile.me.device]);
    await stage.honestTalk(alice, bob);
    const after = await stage.deviceOf(alice, "after");
    await noted(after);
    // Who knows nothing else takes nobody for verified on the word of a vault that is not as it must be.
    expect((await bobOn(after))?.verification).toBe(isFresh ? "not-verified" : "verified");
  },
});

/** The stolen device as one that writes entries of the vault which are as they must be. */
async function vaultWriter(stage: Stage, { profile }: DeviceSecrets) {
  const { me, signingSeed, accountKeys } = profile;
  const keys = vaultKeysOf(accountKeys.at(-1)!);
  const socket = stage.use(await RawSocket.signedIn(rawDeviceOf(stage.system, profile)));
  return async (version: number, ...contents: MessageInitShape<typeof VaultContentSchema>[]): Promise<boolean> => {
    const author = { account: me.account, device: me.device, signingSeed };
    const entries = await Promise.all(contents.map((each) => sealVaultEntry(keys, author, version, create(VaultContentSchema, each))));
    return (await socket.ask({ case: "writeVault", value: { entries } })).body.case === "vaultWritten";
  };
}

const draft = (text: string) => ({ kind: { case: "draft", value: { conversation: random(32), text, time: 1n } } }) as const;

const fullVault = (what: string, drafts: readonly (readonly string[])[]): EvilCase => ({
  attack: `a stolen device's ${what}, more than one write holds: its own revocation must go through`,
  rules: "[P4] [H3]",
  async run(stage) {
    const { alice, bob, secrets } = await stolenDevice(stage);
    await alice.client.setNote(bob.name, "from school");
    const write = await vaultWriter(stage, secrets);
    for (const texts of drafts) expect(await write(1, ...texts.map(draft))).toBe(true);
    await alice.client.revokeDevices(alice.password, [secrets.profile.me.device]);
    await stage.honestTalk(alice, bob);
    const after = await stage.deviceOf(alice, "after");
    await until(after, "the note", async () => (await after.client.people()).find(({ note }) => note === "from school"));
  },
});

const wrongPin: EvilCase = {
  attack: "a stolen device's wrong pin of a contact, in a vault that is refused: who has pinned the right one keeps it when it revokes",
  rules: "[P4] [H3]",
  async run(stage) {
    const { alice, bob, secrets } = await stolenDevice(stage);
    const write = await vaultWriter(stage, secrets);
    const value = { name: bob.name, account: idBytes(bob.me.account), identityKey: random(32), verified: true, note: "x" };
    const wrong = { kind: { case: "contact", value } } as const;
    // Without the manifest, so that the vault is refused.
    let version = 1;
    while (!(await write(version, wrong))) version += 1;
    const fresh = await stage.deviceOf(alice, "fresh");
    await warned(fresh, "vault");
    await until(fresh, "bob", async () => (await fresh.client.people()).find(({ name }) => name === bob.name));
    await stage.honestTalk(fresh, bob);
    await fresh.client.revokeDevices(alice.password, [secrets.profile.me.device]);
    await stage.honestTalk(fresh, bob);
    const after = await stage.deviceOf(alice, "after");
    await stage.honestTalk(after, bob);
    for (const { client } of [fresh, after]) {
      expect((await client.people()).filter(({ name }) => name === bob.name)).toMatchObject([{ verification: "not-verified", note: "" }]);
    }
  },
};

const keptApart: EvilCase = {
  attack: "a revoked device that still writes, where its revocation is withheld: its messages come by catch-up",
  rules: "[C1]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
    const stolen = await stage.deviceOf(bob, "stolen");
    await stolen.say(alice.name, "still mine");
    await alice.hears(bob.name, "still mine");
    await stolen.client.close();
    const secrets = await DeviceSecrets.take(stolen, conversation);
    const { head } = (await alice.client.conversation(conversation))!;
    const fromThief: Entry[] = [];
    stage.proxy.script = new FalseLog(conversation, (real) => [...real.slice(0, head), ...fromThief]).script;
    // That the account moved is not withheld; what it means for the conversation is.
    await bob.client.revokeDevices(bob.password, [stolen.me.device]);
    await wait(1_000);
    for (const text of ["send me money", "quickly"]) {
      const [account, device] = [idBytes(bob.me.account), idBytes(stolen.me.device)];
      const message = await secrets.message(text, 50 + fromThief.length);
      fromThief.push(create(EntrySchema, { time: BigInt(Date.now()), account, device, body: { case: "message", value: message } }));
      const moved = { conversation: idBytes(conversation), entries: [], head: head + fromThief.length };
      stage.connectionOf(alice).push({ case: "entries", value: moved });
      await alice.hears(bob.name, text);
    }
    const doubts = new Map((await alice.messages(bob.name)).map(({ text, doubt }) => [text, doubt]));
    expect(["still mine", "send me money", "quickly"].map((text) => doubts.get(text))).toEqual([
      "none",
      "revoked-device",
      "revoked-device",
    ]);
  },
};

const refusedTurn: EvilCase = {
  attack: "a revocation hidden from most: one conversation refuses its new key, so that the others get none",
  rules: "[C1] [C5]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
    const carol = await stage.ownHonest("carol");
    const other = await alice.say(carol.name, "hello carol");
    await carol.hears(alice.name, "hello carol");
    const lost = await stage.deviceOf(alice, "lost");
    stage.proxy.script = {
      toServer: (frame, connection) => {
        if (frame.body.case !== "appendLink" || !equal(frame.body.value.conversation, idBytes(conversation))) return frame;
        connection.answer(frame, { case: "error", value: { code: ErrorCode.FORBIDDEN } });
        return undefined;
      },
    };
    await alice.client.revokeDevices(alice.password, [lost.me.device]);
    await noticed(carol, other, ["rekeyed"]);
    expect((await notices(bob, conversation)).map(({ notice }) => notice)).not.toContain("rekeyed");
    // Nobody has to send anything for what is left.
    stage.proxy.script = {};
    await noticed(bob, conversation, ["rekeyed"]);
    await stage.honestTalk(alice, bob);
  },
};

play([
  refusedTurn,
  keptApart,
  topmostVersion,
  junkInTheVault("one that knows the vault"),
  junkInTheVault("a fresh one"),
  wrongPin,
  fullVault(
    "long drafts",
    Array.from({ length: 40 }, () => ["x".repeat(120_000)]),
  ),
  ...(process.env["SIZE"] === "large" ? [fullVault("many drafts", Array<string[]>(3).fill(Array<string>(1_400).fill("x")))] : []),
  revokedOnOldChain,
  ...(process.env["SIZE"] === "large" ? [topmostSlot(limits.largestNumber - 1)] : []),
  topmostSlot(limits.largestNumber),
]);
