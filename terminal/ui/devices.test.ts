import { deviceId } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { Alice, enter, key, morning, rowWith, shows, withBob } from "./test-state.ts";

const device = (number: number, name: string, more: { me?: boolean; state?: "active" | "revoked"; lastSeen?: number } = {}) => {
  const { me = false, state = "active" as const, lastSeen } = more;
  return { device: deviceId(new Uint8Array(32).fill(number)), name, state, me, quick: false, added: morning, lastSeen };
};

test("/devices shows what is signed in, and how to take rights from what is lost", () => {
  const alice = new Alice().knows(withBob).presses("/devices", enter);
  expect(alice.asked("list-devices")).toEqual([{ kind: "list-devices", line: "/devices" }]);
  const devices = [
    device(0xaa, "Kitchen\u001b[2J", { me: true }),
    device(0xbb, "", { lastSeen: alice.state.now - 180_000 }),
    device(0xcc, "Lost phone", { state: "revoked" }),
  ];
  alice.does({ kind: "devices", devices, now: morning });
  expect(rowWith(alice, "Kitchen")).toMatch(/Kitchen␛\[2J {2}aaaaaaaa +this one/u);
  expect(rowWith(alice, "(no name)")).toMatch(/bbbbbbbb +seen 3 min ago/u);
  expect(shows(alice, "Lost phone")).toBe(false);
  // Of the one that is used here there is nothing to take away.
  expect(shows(alice, "devices revoke")).toBe(false);
  alice.presses(key("down"));
  expect(shows(alice, "devices revoke bbbbbbbb")).toBe(true);
  alice.presses(key("escape"));
  expect(alice.state.overlay.kind).toBe("none");
});
