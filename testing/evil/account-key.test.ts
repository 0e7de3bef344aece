import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { applyAccountLinks } from "@fastchat/protocol/chain";
import { deviceSealingKeyHash, equal, generateSealingKey, sealAccountKey } from "@fastchat/protocol/seal";
import { type Account, AccountSchema } from "@fastchat/protocol/wire/frames";
import { expect } from "vitest";
import { bodyOf, changedServerFrame, type Script } from "../proxy.ts";
import { type EvilCase, play, until } from "./case.ts";

/** What the server says of the account instead; it knows what it gave before. */
type Tampering = readonly [
  what: string,
  tamper: (answer: Account, known: { readonly old: Account; readonly made: Uint8Array }) => Partial<Account>,
];

const turned = (bytes: Uint8Array): Uint8Array => {
  const changed = Uint8Array.from(bytes);
  changed[changed.length >> 1]! ^= 1;
  return changed;
};

const tamperings: readonly Tampering[] = [
  ["one bit of the copy turned", ({ copies }) => ({ copies: copies.map((copy) => ({ ...copy, sealed: turned(copy.sealed) })) })],
  ["no copy", () => ({ copies: [] })],
  ["an old copy", (_, { old }) => ({ copies: old.copies })],
  [
    "an old copy as the newest",
    ({ copies }, { old }) => ({ copies: old.copies.map((copy) => ({ ...copy, generation: copies[0]!.generation })) }),
  ],
  [
    "a key of the server's own, sealed to the device",
    ({ copies }, { made }) => ({ copies: copies.map((copy) => ({ ...copy, sealed: made })) }),
  ],
  ["one bit of each wrap turned", ({ wraps }) => ({ wraps: wraps.map((wrap) => ({ ...wrap, sealed: turned(wrap.sealed) })) })],
  ["no wraps", () => ({ wraps: [] })],
];

/**
 * While alice's telephone was away, her tablet revoked two devices: there are two newer account keys. Whatever is wrong with what the server gives the
 * telephone of them, it warns of the vault, takes none of them, and writes nothing.
 */
const newKeys: EvilCase = {
  attack: `key supplied by the server (Matrix, Nextcloud) in place of the account's new one: ${tamperings.map(([what]) => what).join(", ")}`,
  rules: "[A2] [P4]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const [tablet, lost, stolen] = [
      await stage.deviceOf(alice, "tablet"),
      await stage.deviceOf(alice, "lost"),
      await stage.deviceOf(alice, "stolen"),
    ];
    const by = { case: "account", value: idBytes(alice.me.account) } as const;
    const asked = bodyOf(await stage.connectionOf(alice).ask({ case: "fetchAccount", value: { by, after: 0 } }), "account");
    // The proxy decodes from a Buffer, whose slices share memory.
    const old = fromBinary(AccountSchema, toBinary(AccountSchema, asked));
    await alice.client.close();
    for (const each of [lost, stolen]) await tablet.client.revokeDevices(alice.password, [each.me.device]);
    await tablet.client.setNote(bob.name, "written under the newest key");
    const chain = applyAccountLinks(undefined, old.links);
    if (chain.kind !== "valid") throw new Error("not a valid account chain");
    const { sealingKeyHash } = chain.state.devices.get(alice.me.device)!;
    const publicKey = old.deviceSealingKeys.find((key) => equal(deviceSealingKeyHash(key), sealingKeyHash))!;
    const own = await generateSealingKey();
    const made = (await sealAccountKey({ generation: 3, secret: own.secret }, chain.state.nonce, { device: alice.me.device, publicKey }))!;

    const written: string[] = [];
    const sentences = new Set<string>();
    for (const [what, tamper] of tamperings) {
      const toClient: Script["toClient"] = (frame) => {
        if (frame.body.case !== "account" || !equal(frame.body.value.account, idBytes(alice.me.account))) return frame;
        return changedServerFrame(frame, { case: "account", value: { ...frame.body.value, ...tamper(frame.body.value, { old, made }) } });
      };
      stage.proxy.script = {
        toClient,
        toServer: (frame) => {
          if (["writeVault", "appendAccountLink"].includes(frame.body.case ?? "")) written.push(`${what}: ${frame.body.case}`);
          return frame;
        },
      };
      const from = alice.events.length;
      await alice.reopen();
      const warning = await until(alice, `a warning of the vault: ${what}`, () =>
        alice.events.slice(from).find((event) => event.kind === "warning" && event.warning === "vault"),
      );
      sentences.add(warning.kind === "warning" ? warning.text : "");
      expect((await alice.client.people()).find(({ name }) => name === bob.name)?.note).toBe("");
      await alice.client.close();
    }
    expect(sentences.size).toBe(1);
    expect(written).toEqual([]);
    stage.proxy.script = {};
    await alice.reopen();
    await until(alice, "the note", async () => (await alice.client.people()).find(({ note }) => note === "written under the newest key"));
    await stage.honestTalk(alice, bob);
  },
};

play([newKeys]);
