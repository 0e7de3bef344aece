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
  expect([shows(alice, "takes all rights"), shows(alice, "take its rights")]).toEqual([false, false]);
  alice.presses("x");
  expect(alice.state.overlay.kind).toBe("devices");
  alice.presses(key("down"));
  expect([shows(alice, "x takes all rights from it"), shows(alice, "x take its rights")]).toEqual([true, true]);
  alice.presses(key("escape"));
  expect(alice.state.overlay.kind).toBe("none");
});

test("however long a device's name is, its id shows, and when it was there", () => {
  const alice = new Alice().knows(withBob).presses("/devices", enter);
  const devices = [device(0xaa, "Kitchen", { me: true }), device(0xbb, "x".repeat(200), { lastSeen: alice.state.now - 180_000 })];
  alice.does({ kind: "devices", devices, now: morning });
  expect(rowWith(alice, "xxxx")).toMatch(/x… {2}bbbbbbbb +seen 3 min ago/u);
});

test("[H3] a device is revoked on the screen: the password never shows, a wrong one is typed again", () => {
  const alice = new Alice().knows(withBob).presses("/devices", enter);
  const phone = device(0xbb, "Lost phone");
  alice.does({ kind: "devices", devices: [device(0xaa, "Kitchen", { me: true }), phone], now: morning });
  alice.presses(key("down"), "x", enter);
  expect(shows(alice, "Type your password first.")).toBe(true);
  alice.presses("/se cret", enter);
  expect(alice.asked("revoke-device")).toEqual([{ kind: "revoke-device", device: phone, password: "/se cret" }]);
  expect(shows(alice, "one moment")).toBe(true);
  // What is typed while it is being done goes nowhere.
  alice.presses("x", enter);
  expect(alice.asked("revoke-device")).toEqual([]);
  alice.does({ kind: "revoke-refused", sentence: "Wrong password: try again.", now: morning });
  expect(shows(alice, "Wrong password: try again.")).toBe(true);
  alice.presses("xyzzy");
  expect(rowWith(alice, "Password:")).toMatch(/Password: •••••\s*$/u);
  expect(shows(alice, "xyzzy")).toBe(false);
  alice.presses(enter);
  alice.does({ kind: "revoked", device: phone, now: morning });
  expect(shows(alice, "Lost phone bbbbbbbb has no rights any more.")).toBe(true);
  expect(alice.state.overlay.kind).toBe("none");
});
