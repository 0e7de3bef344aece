import { create } from "@bufbuild/protobuf";
import { ed25519, ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { AccountHeadSchema, SignedLinkSchema } from "../generated/fastchat/v1/account_pb.ts";
import { type ConversationLink, type LinkEntry, LinkEntrySchema } from "../generated/fastchat/v1/conversation_pb.ts";
import { idBytes } from "../ids.ts";
import { concat, encodeParts, fromHex } from "../seal/bytes.ts";
import { labels } from "../seal/labels.ts";
import { acceptedByWebCrypto, signLink } from "../seal/signature.ts";
import {
  accountIdOf,
  additionsOf,
  applyAccountLink,
  applyAccountLinks,
  applyConversationLink,
  buildAddDevice,
  buildConversationLink,
  compareHead,
  deviceKeysOf,
  messageAllowed,
  removalOf,
  rolesOf,
  sameOrLonger,
  stateHash,
} from "./index.ts";
import {
  addDevice,
  authorOf,
  bytesOf,
  commitmentsOf,
  derived,
  deviceOf,
  first,
  forgeAccountLink,
  forgeLink,
  fresh,
  grow,
  heads,
  knownOf,
  newRecovery,
  openDirect,
  openGroup,
  people,
  rekey,
  revoke,
  signUp,
  twin,
  verdict,
} from "./test-people.ts";

test("ghost device: the server adds a device to alice's account", () => {
  const { alice } = people();
  const ghost = deviceOf("mallory", 1);
  const link = buildAddDevice(alice.state, { identitySeed: bytesOf("mallory/identity"), device: ghost.keys, sealedHash: bytesOf("copy") });
  expect(applyAccountLink(alice.state, link)).toEqual({ kind: "invalid", reason: "signature" });
});

test("somebody else's key registered as one's own: its owner did not co-sign", () => {
  const [mallory, bob] = [signUp("mallory"), signUp("bob")];
  const stolen = deviceKeysOf(first(bob).keys);
  const before = mallory.state;
  addDevice(mallory);
  // The best she can do: bob's keys, and the co-signature of the link by which bob registered them himself.
  const forged = forgeAccountLink(mallory.links[1]!, { signing: mallory.identitySeed, cosigning: first(mallory).signingSeed }, (body) => {
    if (body.change.case === "addDevice") body.change.value.device = stolen;
  });
  expect(applyAccountLink(before, forged)).toEqual({ kind: "invalid", reason: "co-signature" });
  const replayed = create(SignedLinkSchema, { ...forged, cosignature: bob.links[0]!.cosignature });
  expect(applyAccountLink(before, replayed)).toEqual({ kind: "invalid", reason: "co-signature" });
});

test("two chains under one id: another create has another id, whatever it repeats", () => {
  const { alice } = people();
  const seeds = { signing: alice.identitySeed, cosigning: first(alice).signingSeed };
  const second = forgeAccountLink(alice.links[0]!, seeds, (body) => (body.extra = bytesOf("another")));
  expect(applyAccountLink(undefined, second).kind).toBe("valid");
  expect(accountIdOf(second)).not.toBe(alice.account);
  // A link of the first chain does not continue the second one.
  newRecovery(alice);
  expect(applyAccountLinks(undefined, [second, alice.links[1]!])).toMatchObject({ kind: "invalid", position: 1 });
  // Nor can it be named in a conversation under the first one's id.
  const { bob } = people();
  const { entry } = openDirect(bob, alice);
  const other = applyAccountLink(undefined, second);
  if (other.kind !== "valid") throw new Error("the second create is valid by itself");
  const swapped = forgeLink(entry, first(bob).signingSeed, (body) => {
    body.heads = body.heads.map((head) =>
      head.index === 2 ? create(AccountHeadSchema, { account: head.account, index: 1, hash: idBytes(other.state.head.hash) }) : head,
    );
  });
  const evidence = entry.evidence.map((part) => (part.links.length === 2 ? { ...part, links: [second] } : part));
  expect(verdict(undefined, create(LinkEntrySchema, { link: swapped.link!, evidence }))).toBe("invalid: names a head of another account");
});

test("server-run membership: nobody is added without a member's device", () => {
  const [alice, bob, mallory] = [signUp("alice"), signUp("bob"), signUp("mallory")];
  const { state } = openGroup([alice, bob]);
  const change = additionsOf(new Map([[mallory.account, "member"]]));
  const plan = { state, author: authorOf(alice), known: knownOf(mallory), change, opening: derived };
  const built = buildConversationLink(plan, first(mallory).signingSeed, commitmentsOf("ghost"));
  expect(built.kind === "built" && verdict(state, built.entry)).toBe("invalid: signature");
});

test("removing or promoting without the right", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob, carol]);
  const asAlice = (change: Parameters<typeof grow>[1]["change"], opening?: typeof fresh) =>
    opening === undefined ? grow(state, { by: alice, change }) : grow(state, { by: alice, change, opening });
  const byBob = (body: ConversationLink) => Object.assign(body, { account: idBytes(bob.account), device: idBytes(first(bob).device) });
  const clearHash = (body: ConversationLink) => {
    byBob(body);
    if (body.opening !== undefined) body.opening.stateHash = new Uint8Array(0);
  };
  const removal = asAlice(removalOf([carol.account]), fresh).entry;
  expect(verdict(state, forgeLink(removal, first(bob).signingSeed, clearHash))).toBe("invalid: may not remove");
  const promotion = asAlice(rolesOf(new Map([[bob.account, "admin"]]))).entry;
  expect(verdict(state, forgeLink(promotion, first(bob).signingSeed, byBob))).toBe("invalid: may not change roles");
});

test("a change replayed in another conversation, or again in the same one", () => {
  const { alice, bob, carol } = people();
  const one = openDirect(alice, bob).state;
  const other = openDirect(alice, carol).state;
  const { entry, state } = grow(one, { by: alice, change: rekey, opening: fresh });
  expect(verdict(other, entry)).toBe("invalid: of another conversation");
  expect(verdict(state, entry)).toBe("invalid: not the next link");
  const ahead = grow(state, { by: alice, change: rekey, opening: fresh, commitments: commitmentsOf("ahead") }).entry;
  expect(verdict(other, ahead)).toBe("invalid: of another conversation");
});

test("a storm of garbage links does not wedge the group", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob]);
  const good = grow(state, { by: bob, change: rekey, opening: fresh });
  const seed = first(alice).signingSeed;
  const nowhere = create(AccountHeadSchema, { account: idBytes(bob.account), index: 9, hash: bytesOf("nowhere") });
  const storm: LinkEntry[] = [
    create(LinkEntrySchema, {}),
    create(LinkEntrySchema, { link: create(SignedLinkSchema, { body: fromHex("ff"), signature: new Uint8Array(64) }) }),
    // Unsigned, and naming a head for which nobody has evidence: it must not count as incomplete.
    forgeLink(good.entry, bytesOf("mallory"), (body) => (body.heads = [nowhere])),
    forgeLink(good.entry, bytesOf("mallory"), (body) =>
      Object.assign(body, { heads: [nowhere], account: idBytes(carol.account), device: idBytes(first(carol).device) }),
    ),
    forgeLink(good.entry, bytesOf("mallory"), (body) =>
      Object.assign(body, { heads: [nowhere], device: bytesOf("unknown"), account: idBytes(alice.account) }),
    ),
    forgeLink(good.entry, bytesOf("mallory"), (body) => (body.version = 9)),
    forgeLink(good.entry, seed, (body) => (body.version = 9)),
    forgeLink(good.entry, seed, (body) => (body.change = { case: undefined })),
    forgeLink(good.entry, seed, (body) => (body.previous = bytesOf("elsewhere"))),
  ];
  expect(storm.map((entry) => applyConversationLink(state, entry).kind)).toEqual(storm.map(() => "invalid"));
  expect(verdict(state, good.entry)).toBe("valid");
});

test("a revoked device cannot stop the chain with a head that nobody can show", () => {
  const { alice, bob } = people();
  const phone = addDevice(bob);
  const { state } = openDirect(alice, bob);
  revoke(bob, phone);
  const after = grow(state, { by: alice, knows: [bob], change: heads }).state;
  const { entry } = grow(after, { by: alice, change: rekey, opening: fresh });
  const nowhere = create(AccountHeadSchema, { account: idBytes(alice.account), index: 9, hash: bytesOf("nowhere") });
  const stop = forgeLink(entry, phone.signingSeed, (body) =>
    Object.assign(body, { account: idBytes(bob.account), device: idBytes(phone.device), heads: [nowhere] }),
  );
  expect(verdict(after, stop)).toBe("invalid: by a device whose rights have ended");
});

test("a revocation hidden from some shows as soon as somebody who knows of it writes", () => {
  const { alice, bob, carol } = people();
  const phone = addDevice(bob);
  const { state } = openGroup([alice, bob, carol]);
  const shown = twin(bob);
  revoke(bob, phone);
  // The server keeps showing alice the shorter chain, but carol knows.
  expect(compareHead(shown.state, bob.state.head)).toBe("ahead");
  expect(sameOrLonger(bob.state.hashes, shown.state.hashes)).toBe(false);
  const { state: after, entry } = grow(state, { by: carol, knows: [bob], change: heads });
  expect(messageAllowed(after, { ...authorOf(bob, phone), epoch: 1 })).toEqual({ kind: "refused", reason: "device-ended" });
  // Nor can the server hand out carol's link without what it names.
  expect(verdict(state, create(LinkEntrySchema, { link: entry.link! }))).toBe("incomplete: evidence");
  const cut = entry.evidence.map((part) => ({ ...part, links: shown.links }));
  expect(verdict(state, create(LinkEntrySchema, { link: entry.link!, evidence: cut }))).toBe("incomplete: evidence");
});

test("an old head named on purpose, and a fork of the account chain", () => {
  const { alice, bob } = people();
  const phone = addDevice(bob);
  const fork = twin(bob);
  const old = twin(bob);
  revoke(bob, phone);
  newRecovery(fork);
  newRecovery(fork);
  const { state } = openDirect(alice, bob);
  const { entry } = grow(openDirect(alice, old).state, { by: alice, knows: [fork], change: heads });
  const moved = (head: { index: number; hash: Uint8Array }) =>
    verdict(
      state,
      forgeLink(entry, first(alice).signingSeed, (body) => {
        Object.assign(body, { previous: idBytes(state.head.hash) });
        Object.assign(body.heads[0]!, head);
      }),
    );
  const backwards = "invalid: names a head that does not follow the recorded one";
  expect(moved({ index: 2, hash: idBytes(bob.state.hashes[1]!) })).toBe(backwards);
  expect(moved({ index: 3, hash: idBytes(fork.state.hashes[2]!) })).toBe(backwards);
  expect(moved({ index: 4, hash: idBytes(fork.state.hashes[3]!) })).toMatch(
    /^invalid: names a head of no valid chain|^incomplete: evidence/,
  );
  // With the fork's whole chain at hand the verdict is final, for everybody.
  const all = forgeLink(entry, first(alice).signingSeed, (body) => {
    Object.assign(body, { previous: idBytes(state.head.hash) });
    Object.assign(body.heads[0]!, { index: 4, hash: idBytes(fork.state.hashes[3]!) });
  });
  const evidence = [{ account: idBytes(bob.account), links: fork.links }];
  const final = create(LinkEntrySchema, { link: all.link!, evidence });
  expect(verdict(state, final)).toBe("invalid: names a head of no valid chain");
  // Having found the fork valid by itself, elsewhere, changes nothing.
  const verified = new Map([[fork.state.head.hash, fork.state]]);
  expect(applyConversationLink(state, final, verified)).toEqual({ kind: "invalid", reason: "names a head of no valid chain" });
});

test("rollback of roster or admin list: a link built on an older state does not apply", () => {
  const { alice, bob, carol } = people();
  const { state } = openGroup([alice, bob, carol]);
  const before = grow(state, { by: carol, change: rekey, opening: fresh }).entry;
  const removed = grow(state, { by: alice, change: removalOf([carol.account]), opening: fresh }).state;
  expect(applyConversationLink(removed, before).kind).toBe("invalid");
  const again = forgeLink(before, first(carol).signingSeed, (body) =>
    Object.assign(body, { index: 3, previous: idBytes(removed.head.hash) }),
  );
  expect(verdict(removed, again)).toBe("invalid: not by a member");
});

test("a removed member or revoked device that still writes, also with an epoch key it knows", () => {
  const { alice, bob, carol } = people();
  const phone = addDevice(bob);
  const { state } = openGroup([alice, bob, carol]);
  const removed = grow(state, { by: alice, change: removalOf([carol.account]), opening: fresh }).state;
  expect([1, 2].map((epoch) => messageAllowed(removed, { ...authorOf(carol), epoch }).kind)).toEqual(["refused", "refused"]);
  expect(messageAllowed(removed, { ...authorOf(alice), epoch: 1 })).toEqual({ kind: "refused", reason: "stale-epoch" });
  revoke(bob, phone);
  const revoked = grow(removed, { by: bob, knows: [bob], change: heads }).state;
  expect(messageAllowed(revoked, { ...authorOf(bob, phone), epoch: 2 })).toEqual({ kind: "refused", reason: "device-ended" });
  // By way of a derived epoch: while the turn is due none opens, so that the old key leads nowhere.
  const { dave } = people();
  const change = additionsOf(new Map([[dave.account, "member"]]));
  const plan = { state: revoked, author: authorOf(alice), known: knownOf(dave), change, opening: derived };
  expect(buildConversationLink(plan, first(alice).signingSeed, commitmentsOf("derived"))).toMatchObject({ kind: "invalid" });
});

/** A signature with a point of order 8 in R: valid by the cofactored equation alone (ZIP 215), made by the key's owner. */
function torsionSignature(seed: Uint8Array, message: Uint8Array): Uint8Array {
  const { scalar, pointBytes } = ed25519.utils.getExtendedPublicKey(seed);
  const { Fn } = ed25519.Point;
  const little = (bytes: Uint8Array): bigint => bytes.reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);
  const r = Fn.create(little(sha512(concat(bytesOf("torsion"), message))));
  const torsion = ed25519.Point.fromHex(ED25519_TORSION_SUBGROUP[1]!);
  const R = ed25519.Point.BASE.multiply(r).add(torsion).toBytes();
  const k = Fn.create(little(sha512(concat(R, pointBytes, message))));
  return concat(R, Fn.toBytes(Fn.create(r + k * scalar)));
}

test("one signature that half of the clients accept: everybody gets one verdict, where WebCrypto disagrees", async () => {
  const { alice, bob } = people();
  const { state } = openDirect(alice, bob);
  const { entry } = grow(state, { by: alice, change: rekey, opening: fresh });
  const { body } = entry.link!;
  const device = first(alice);
  const message = encodeParts(labels.signature.conversationLink, body);
  const signature = torsionSignature(device.signingSeed, message);
  const key = alice.state.devices.get(device.device)!.signingKey;
  expect(await acceptedByWebCrypto(key, signature, message)).toBe(false);
  const link = create(SignedLinkSchema, { body, signature });
  const split = create(LinkEntrySchema, { link, evidence: entry.evidence });
  const [one, other] = [applyConversationLink(state, split), applyConversationLink(state, split, new Map())];
  expect(one.kind).toBe("valid");
  expect(one.kind === "valid" && other.kind === "valid" && stateHash(one.state)).toEqual(other.kind === "valid" && stateHash(other.state));
});

test("[G1] a signature or co-signature made for any other use is worthless in a link", () => {
  const { alice } = people();
  const { state } = openDirect(alice, alice);
  const before = alice.state;
  const phone = addDevice(alice);
  const link = alice.links[1]!;
  const { entry } = grow(state, { by: alice, change: rekey, opening: fresh });
  const { body } = entry.link!;
  const accepted: string[] = [];
  for (const label of Object.values(labels.signature)) {
    const seeds = { signing: alice.identitySeed, cosigning: phone.signingSeed };
    const signed = forgeAccountLink(link, { ...seeds, label }, () => undefined);
    if (applyAccountLink(before, signed).kind === "valid") accepted.push(`signed as ${label}`);
    const cosigned = forgeAccountLink(link, { ...seeds, cosignLabel: label }, () => undefined);
    if (applyAccountLink(before, cosigned).kind === "valid") accepted.push(`co-signed as ${label}`);
    const written = create(SignedLinkSchema, { body, signature: signLink(first(alice).signingSeed, label, body) });
    if (verdict(state, create(LinkEntrySchema, { link: written })) === "valid") accepted.push(`written as ${label}`);
  }
  const { accountLink, deviceOfLink, conversationLink } = labels.signature;
  expect(accepted.toSorted()).toEqual([`co-signed as ${deviceOfLink}`, `signed as ${accountLink}`, `written as ${conversationLink}`]);
});
