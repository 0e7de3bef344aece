import { expect, test } from "vitest";
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
  const { alice } = people();
  const phone = addDevice(alice);
  const rolledBack = twin(alice);
  const fork = twin(alice);
  const revocation = revoke(alice, phone);
  const later = newRecovery(alice);
  const onFork = newRecovery(fork);
  for (const link of [revocation, later, onFork]) expect(isMissingFrom(rolledBack.state, link)).toBe(true);
  expect(isMissingFrom(alice.state, onFork)).toBe(true);
  for (const link of alice.links) expect(isMissingFrom(alice.state, link)).toBe(false);
  const out = signOut(rolledBack, phone);
  expect(isMissingFrom(fork.state, out)).toBe(false);
  expect(isMissingFrom(signUp("bob").state, revocation)).toBe(false);
  const forged = forgeAccountLink(revocation, { signing: phone.signingSeed }, (body) => (body.index = 9));
  expect(isMissingFrom(rolledBack.state, forged)).toBe(false);
  expect(isMissingFrom(rolledBack.state, { ...revocation, body: bytesOf("nothing") })).toBe(false);
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
