import { expect, test } from "vitest";
import { Alice, enter, key, rowWith, shows, withBob } from "./test-state.ts";

const altS = key("s", { alt: true });

test("one key goes round the accounts on this machine; with one alone it says how to sign in to another", () => {
  const alice = new Alice().knows(withBob).presses(altS);
  expect(alice.asked("switch-account")).toEqual([]);
  expect(shows(alice, "You are the only one")).toBe(true);
  alice.does({
    kind: "accounts",
    others: [
      { profile: "work", unread: 3 },
      { profile: "club", unread: undefined },
    ],
  });
  alice.presses(altS);
  expect(alice.asked("switch-account")).toEqual([{ kind: "switch-account", profile: "work" }]);
  expect(rowWith(alice, "Welcome")).toMatch(/Welcome, alice.*work 3 unread/u);
});

test("/accounts shows who is signed in on this machine, with what is unread, and signs in to one more", () => {
  const alice = new Alice().knows(withBob);
  alice.does({
    kind: "accounts",
    others: [
      { profile: "wo\u001b[2Jrk", unread: 3 },
      { profile: "club", unread: undefined },
    ],
  });
  alice.presses("/accounts", enter);
  expect(rowWith(alice, "wo␛[2Jrk")).toMatch(/3 unread/u);
  expect(rowWith(alice, "club")).toMatch(/not opened yet/u);
  alice.presses(key("down"), enter);
  expect(alice.asked("switch-account")).toEqual([{ kind: "switch-account", profile: "club" }]);
  // The key that goes round does so from here, too.
  alice.presses("/accounts", enter, altS);
  expect(alice.asked("switch-account")).toEqual([{ kind: "switch-account", profile: alice.state.others[0]!.profile }]);
  expect(alice.state.overlay.kind).toBe("none");
  alice.presses("/accounts", enter, key("down"), key("down"), enter);
  expect(alice.asked("add-account")).toEqual([{ kind: "add-account" }]);
});

test("an account that is put away reads nothing: its open chat is left", () => {
  const alice = new Alice().knows(withBob).opens(withBob, []);
  alice.does({ kind: "put-away" });
  expect(alice.state.open).toBeUndefined();
});
