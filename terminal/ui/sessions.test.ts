import { deviceId } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { rowText } from "./rows.ts";
import { askedElsewhere, initialSignIn, pressSignIn, signInFrame, typeSignIn } from "./sign-in.ts";
import { Alice, key, message, morning, shows, text, withBob } from "./test-state.ts";

test("[H8] whether to sign out elsewhere is asked, and nothing but y does it", () => {
  const typed = typeSignIn(typeSignIn(initialSignIn("alice"), "secret").state, "!").state;
  const asked = askedElsewhere(typed, "Already signed in on Terminal on kitchen-pc");
  const press = (...pressed: Parameters<typeof pressSignIn>[1][]) =>
    pressed.reduce((before, each) => pressSignIn(before.state, each), { state: asked, effect: undefined } as ReturnType<
      typeof pressSignIn
    >);
  const frame = signInFrame(asked, 80, 24, "http://127.0.0.1:8080");
  expect(frame.rows.map(rowText).join("\n")).toMatch(/kitchen-pc\.\s+Sign out there and go on here\?/u);
  expect(frame.cursor).toBeUndefined();
  for (const other of [key("enter"), text("x"), key("tab"), key("n", { ctrl: true })]) {
    const { state, effect } = press(other);
    expect([state.elsewhere, effect, state.fields.password.text]).toEqual([asked.elsewhere, undefined, "secret!"]);
  }
  expect(press(text("y")).effect).toMatchObject({ kind: "submit", name: "alice", password: "secret!", signOutOthers: true });
  const no = press(key("escape"));
  expect([no.effect, no.state.elsewhere, no.state.fields.password.text]).toEqual([undefined, undefined, ""]);
  expect(no.state.answer?.text).toContain("Nothing was changed");
});

test("who signs in to one more account goes back by Escape, and who is alone here cannot", () => {
  const keysShown = (back: boolean) =>
    signInFrame(initialSignIn("", "sign-in", back), 80, 24, "http://127.0.0.1:8080")
      .rows.map(rowText)
      .join("\n");
  expect(keysShown(true)).toMatch(/Esc back/u);
  expect(keysShown(true)).not.toContain("quit");
  expect(keysShown(false)).toMatch(/Ctrl\+Q quit/u);
  expect(pressSignIn(initialSignIn("", "sign-in", true), key("escape")).effect).toEqual({ kind: "quit" });
  expect(pressSignIn(initialSignIn(""), key("escape")).effect).toBeUndefined();
});

test("[H5] in QuickChat older messages are fetched for who scrolls up, and not before", () => {
  const known = { ...withBob, readUpTo: 200, head: 200 };
  const alice = new Alice();
  alice.state = { ...alice.state, quick: true };
  alice.knows(known).opens(known, [], true);
  expect(shows(alice, "PgUp shows what was written before")).toBe(true);
  expect(alice.asked("load-items").map(({ before }) => before)).toEqual([undefined]);
  alice.presses(key("page-up"));
  expect(alice.asked("load-items").map(({ before }) => before)).toEqual([201]);
  const older = Array.from({ length: 5 }, (_, index) => message(withBob, 196 + index, `number ${index}`));
  alice.does({ kind: "items", id: withBob.id, items: older, more: true, newest: false });
  // It goes on with the next one, not by itself.
  expect(shows(alice, "number 4")).toBe(true);
  alice.presses(key("page-up"));
  expect(alice.asked("load-items").map(({ before }) => before)).toEqual([196]);
});

test("[H3] the notice of a QuickChat session that ended says how to revoke it", () => {
  const device = deviceId(new Uint8Array(32).fill(0xab));
  const alice = new Alice().does({
    kind: "event",
    event: { kind: "warning", warning: "quick-ended", text: "QuickChat on hotel-pc is over.", device },
    now: morning,
  });
  expect(alice.state.flash).toMatchObject({
    tone: "warning",
    text: "QuickChat on hotel-pc is over. It is abababab in /devices, where x revokes.",
  });
});
