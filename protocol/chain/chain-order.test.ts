import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AccountChainPartSchema, type SignedLink, SignedLinkSchema } from "../generated/fastchat/v1/account_pb.ts";
import type { LinkEntry } from "../generated/fastchat/v1/conversation_pb.ts";
import { idBytes } from "../ids.ts";
import { limits } from "../limits.ts";
import {
  applyAccountLink,
  buildRecovery,
  buildSignOut,
  compareChains,
  compareHead,
  isLostSignOut,
  isMissingFrom,
  recordedLinks,
  sameOrLonger,
} from "./index.ts";
import {
  addDevice,
  bytesOf,
  close,
  forgeAccountLink,
  grow,
  newRecovery,
  openDirect,
  people,
  revoke,
  signOut,
  signUp,
  take,
  twin,
} from "./test-people.ts";
import { publicKeyOf } from "../seal/signature.ts";

test("[G5] nobody accepts a chain that is shorter than or different from the one known", () => {
  const { alice } = people();
  newRecovery(alice);
  const [one, two] = [twin(alice), twin(alice)];
  newRecovery(one);
  close(two);
  const chain = (person: typeof alice) => person.state.hashes;
  const compared = (known: typeof alice, offered: typeof alice) => [
    compareChains(chain(known), chain(offered)),
    sameOrLonger(chain(known), chain(offered)),
  ];
  expect(compared(alice, alice)).toEqual(["same", true]);
  expect(compared(alice, one)).toEqual(["longer", true]);
  expect(compared(one, alice)).toEqual(["shorter", false]);
  expect(compared(one, two)).toEqual(["different", false]);
  newRecovery(one);
  expect(compared(two, one)).toEqual(["different", false]);
  expect(compareChains([], chain(one))).toBe("longer");
});

test("[A4] a head that somebody names lies on the known chain, is ahead of it, or contradicts it", () => {
  const { alice } = people();
  newRecovery(alice);
  const fork = twin(alice);
  newRecovery(alice);
  close(fork);
  expect(compareHead(alice.state, alice.state.head)).toBe("same");
  expect(compareHead(alice.state, { index: 2, hash: alice.state.hashes[1]! })).toBe("behind");
  expect(compareHead(alice.state, { index: 4, hash: alice.state.head.hash })).toBe("ahead");
  expect(compareHead(alice.state, fork.state.head)).toBe("different");
  expect(compareHead(alice.state, { index: 0, hash: alice.state.head.hash })).toBe("different");
});

test("[G5] a sign-out loses to a link of the identity key, and is invalid on top of it", () => {
  const { alice } = people();
  const phone = addDevice(alice);
  const before = alice.state;
  const out = buildSignOut(before, phone);
  const recovery = buildRecovery(before, { identitySeed: alice.identitySeed, recoveryPublicKey: publicKeyOf(bytesOf("new")) });
  expect(isLostSignOut(out, recovery)).toBe(true);
  expect(isLostSignOut(recovery, out)).toBe(false);
  expect(isLostSignOut(out, out)).toBe(false);
  take(alice, recovery);
  expect(applyAccountLink(alice.state, out)).toEqual({ kind: "invalid", reason: "not the next link", stale: true });
  expect(isLostSignOut(out, signOut(alice, phone))).toBe(false);
  expect(isLostSignOut(out, newRecovery(alice))).toBe(false);
});

test("[H1] what the identity key signed and a chain lacks proves it rolled back or forked; nobody else's word does", () => {
  const { alice, bob } = people();
  const phone = addDevice(alice);
  const rolledBack = twin(alice);
  const fork = twin(alice);
  const revocation = revoke(alice, phone);
  const later = newRecovery(alice);
  const onFork = newRecovery(fork);
  for (const link of [revocation, later, onFork]) expect(isMissingFrom(rolledBack.state, rolledBack.links, link)).toBe(true);
  expect(isMissingFrom(alice.state, alice.links, onFork)).toBe(true);
  for (const link of alice.links) expect(isMissingFrom(alice.state, alice.links, link)).toBe(false);
  const out = signOut(rolledBack, phone);
  expect(isMissingFrom(fork.state, fork.links, out)).toBe(false);
  expect(isMissingFrom(bob.state, bob.links, revocation)).toBe(false);
  const forged = forgeAccountLink(revocation, { signing: phone.signingSeed }, (body) => (body.index = 9));
  expect(isMissingFrom(rolledBack.state, rolledBack.links, forged)).toBe(false);
  expect(isMissingFrom(rolledBack.state, rolledBack.links, { ...revocation, body: bytesOf("nothing") })).toBe(false);
});

test("[H1] what a conversation's link records of an account is what its head commits to, and not what else its author put beside it", () => {
  const { alice, bob } = people();
  const { state, entry } = openDirect(alice, bob);
  expect(recordedLinks(entry, alice.account)).toEqual(alice.links);
  expect(recordedLinks(entry, signUp("carol").account)).toEqual([]);
  const lost = newRecovery(twin(alice));
  const phone = addDevice(alice);
  revoke(alice, phone);
  const heads = grow(state, { by: bob, knows: [alice], change: { case: "headsOnly", value: {} } }).entry;
  expect(recordedLinks(heads, alice.account)).toEqual(alice.links.slice(1).toReversed());
  const [part] = heads.evidence;
  const evidence = [{ ...part!, links: [lost, ...part!.links, lost] }];
  expect(recordedLinks({ ...heads, evidence }, alice.account)).toEqual(alice.links.slice(1).toReversed());
  expect(recordedLinks({ ...heads, evidence: [{ ...part!, links: [lost] }] }, alice.account)).toEqual([]);
});

test("[H1] a shown link with another cosignature or signature beside it is not missing: the identity key signed only its body", () => {
  const { alice } = people();
  addDevice(alice);
  const shown = alice.links.at(-1)!;
  expect(shown.cosignature).toHaveLength(64);
  for (const cosignature of [new Uint8Array(0), new Uint8Array(64), shown.signature]) {
    expect(isMissingFrom(alice.state, alice.links, { ...shown, cosignature })).toBe(false);
  }
  const rolledBack = { state: signUp("alice").state, links: alice.links.slice(0, -1) };
  expect(isMissingFrom(rolledBack.state, rolledBack.links, { ...shown, cosignature: new Uint8Array(0) })).toBe(true);
});

test("[H1] junk beside a link is not looked at without a head, and within bounds with one", () => {
  const { alice, bob } = people();
  const { state, entry: opening } = openDirect(alice, bob);
  let looked = 0;
  const junk = Array.from({ length: 1_000 }, () => ({
    ...create(SignedLinkSchema),
    get body() {
      looked += 1;
      return new Uint8Array(0);
    },
  }));
  const beside = (entry: LinkEntry, ...links: SignedLink[]) => ({
    ...entry,
    evidence: [create(AccountChainPartSchema, { account: idBytes(alice.account) })].map((part) => ({ ...part, links })),
  });
  const rekey = grow(state, { by: bob, change: { case: "rekey", value: { reason: "none" } }, opening: { kind: "fresh" } }).entry;
  expect(recordedLinks(beside(rekey, ...junk), alice.account)).toEqual([]);
  expect(looked).toBe(0);
  expect(recordedLinks(beside(opening, ...alice.links, ...junk), alice.account)).toEqual([]);
  expect(looked).toBe(limits.recordingLinksSearched);
  expect(recordedLinks(beside(opening, ...junk, ...alice.links), alice.account)).toEqual(alice.links);
  expect(looked).toBe(limits.recordingLinksSearched);
  for (let count = 0; count <= limits.recordedLinks; count++) newRecovery(alice);
  const heads = grow(state, { by: bob, knows: [alice], change: { case: "headsOnly", value: {} } }).entry;
  expect(recordedLinks(heads, alice.account)).toEqual(alice.links.slice(-limits.recordedLinks).toReversed());
});
