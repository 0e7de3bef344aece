import { expect, test } from "vitest";
import { applyConversationLink, messageAllowed } from "./index.ts";
import { addDevice, authorOf, fresh, grow, openDirect, revoke, signUp } from "./test-people.ts";

test("[C2] two people open their direct conversation and write", () => {
  const alice = signUp("alice");
  const bob = signUp("bob");
  const { state, entry } = openDirect(alice, bob);
  expect(state.members.size).toBe(2);
  expect(messageAllowed(state, { ...authorOf(bob), epoch: 1 })).toEqual({ kind: "allowed" });
  expect(applyConversationLink(state, entry).kind).toBe("invalid");
  const second = addDevice(bob);
  expect(messageAllowed(state, { ...authorOf(bob, second), epoch: 1 })).toEqual({ kind: "refused", reason: "device-unknown" });
  const recorded = grow(state, { by: bob, device: second, knows: [bob], change: { case: "headsOnly", value: {} } }).state;
  expect(messageAllowed(recorded, { ...authorOf(bob, second), epoch: 1 })).toEqual({ kind: "allowed" });
  revoke(bob, second);
  const due = grow(recorded, { by: alice, knows: [bob], change: { case: "headsOnly", value: {} } }).state;
  expect(messageAllowed(due, { ...authorOf(alice), epoch: 1 })).toEqual({ kind: "refused", reason: "turn-due" });
  const turned = grow(due, { by: alice, change: { case: "rekey", value: { reason: "revoked" } }, opening: fresh }).state;
  expect(messageAllowed(turned, { ...authorOf(alice), epoch: 1 })).toEqual({ kind: "refused", reason: "stale-epoch" });
  expect(messageAllowed(turned, { ...authorOf(alice), epoch: 2 })).toEqual({ kind: "allowed" });
});
