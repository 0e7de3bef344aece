import { clone, create } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { applyAccountLinks } from "@fastchat/protocol/chain";
import { equal, manifestOf, openVaultEntry, sealVaultEntry, vaultKeysOf } from "@fastchat/protocol/seal";
import { type VaultContent, VaultContentSchema } from "@fastchat/protocol/wire/vault";
import { expect } from "vitest";
import { bodyOf, changedServerFrame, type Script } from "../proxy.ts";
import { type EvilCase, until, warned, play } from "./case.ts";
import { accountOf } from "./false-conversation.ts";
import { DeviceSecrets } from "./secrets.ts";

const REVISION = 1_000;

function manifestIn(all: readonly { readonly content: VaultContent }[]) {
  const kinds = all.map(({ content }) => content.kind);
  return kinds.find((kind) => kind.case === "manifest")?.value;
}

const rewrittenVault: EvilCase = {
  attack: "vault entries signed by a device that has signed out: a contact swapped and marked as verified",
  rules: "[P4] [H3]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const mallory = await stage.ownHonest("mallory");
    await alice.client.setVerified(bob.name, true);
    const out = await stage.deviceOf(alice, "out");
    await out.client.caughtUp(AbortSignal.timeout(10_000));
    await until(out, "the verified mark", async () =>
      (await out.client.conversation(conversation))?.peer?.verification === "verified" ? true : undefined,
    );
    // It does not erase what it has.
    const { profile } = await DeviceSecrets.take(out, conversation);
    let readAgain = false;
    stage.proxy.script = {
      toServer: (frame) => {
        readAgain ||= frame.body.case === "readVault";
        return frame;
      },
    };
    await out.client.signOut();
    // Alice hears of it by itself: what that device wrote until then is read then, and counts.
    await until(alice, "that the device is gone", () => readAgain || undefined);
    const connection = stage.connectionOf(alice);
    const own = applyAccountLinks(undefined, (await accountOf(alice, connection)).links);
    const other = applyAccountLinks(undefined, (await accountOf(mallory, connection)).links);
    if (own.kind !== "valid" || other.kind !== "valid") throw new Error("not a valid account chain");
    expect(own.state.devices.get(profile.me.device)?.status.kind).toBe("signed-out");
    // Whatever this device then had to do about it is done when it has written.
    await alice.client.setNote(bob.name, "a friend");
    await alice.say(bob.name, "one more");

    const vaultKeys = vaultKeysOf(profile.accountKeys.at(-1)!);
    const author = { account: profile.me.account, device: profile.me.device, signingSeed: profile.signingSeed };
    const read = async () => {
      const { entries } = bodyOf(await connection.ask({ case: "readVault", value: { afterRevision: 0 } }), "vault");
      const opening = entries.map(async (entry) => {
        const opened = await openVaultEntry(vaultKeys, author.account, entry, (device) => own.state.devices.get(device)?.signingKey);
        if (opened.kind !== "opened") throw new Error("an entry of alice's that does not open");
        return { entry, ...opened };
      });
      return Promise.all(opening);
    };
    const all = await read();
    const bobs = all.find(({ place }) => place.kind === "contact" && place.key === bob.name)!;
    const content = clone(VaultContentSchema, bobs.content);
    const forgery = { account: idBytes(mallory.me.account), identityKey: other.state.identityKey, verified: true };
    if (content.kind.case === "contact") Object.assign(content.kind.value, forgery);
    const contact = await sealVaultEntry(vaultKeys, author, bobs.entry.version + 5, content);
    const before = all.find(({ place }) => place.kind === "manifest")!.entry;
    const listed = all.filter(({ place }) => !["manifest", "draft", "readPosition"].includes(place.kind)).map(({ entry }) => entry);
    expect(manifestIn(all)).toEqual(manifestOf(vaultKeys, listed));
    const forgedList = manifestOf(
      vaultKeys,
      listed.map((entry) => (entry === bobs.entry ? contact : entry)),
    );
    const forgedManifest = create(VaultContentSchema, { kind: { case: "manifest", value: forgedList } });
    const manifest = await sealVaultEntry(vaultKeys, author, before.version + 5, forgedManifest);
    const toClient: Script["toClient"] = (frame) => {
      if (frame.body.case !== "vault") return frame;
      const kept = frame.body.value.entries.filter(({ slot }) => !equal(slot, contact.slot) && !equal(slot, manifest.slot));
      return changedServerFrame(frame, {
        case: "vault",
        value: { entries: [...kept, contact, manifest], revision: REVISION, more: false },
      });
    };
    stage.proxy.script = { toClient };
    connection.push({ case: "vaultMoved", value: { revision: REVISION } });
    await warned(alice, "vault");
    const peer = (await alice.client.conversation(conversation))!.peer!;
    expect(peer).toMatchObject({ account: bob.me.account, verification: "verified" });
    // A new device knows nothing older; it takes nobody for verified on the word of a device that has ended.
    const fresh = await stage.deviceOf(alice, "new", stage.proxy.url);
    await fresh.client.caughtUp(AbortSignal.timeout(10_000)).catch(() => undefined);
    const seen = (await fresh.client.people()).filter(({ verification }) => verification === "verified");
    expect(seen.filter(({ account }) => account !== alice.me.account)).toEqual([]);
    await stage.honestTalk(alice, bob);
  },
};

play([rewrittenVault]);
