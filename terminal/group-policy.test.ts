import { parseName } from "@fastchat/protocol";
import type { GroupPolicy } from "@fastchat/client";
import { expect, test } from "vitest";
import { policyLines, ruleChange, ruleNames, ruleWords, rules } from "./group-policy.ts";

const now = Date.parse("2026-11-20T12:00:00");

const closed: GroupPolicy = {
  mayAdd: "admins",
  mayWrite: "members",
  mayChangeProfile: "admins",
  newcomersRead: "nothing-older",
  retentionSeconds: 0,
  publicName: "",
  joining: "at-once",
};

test("every rule takes the values that it says it takes, in any letter case", () => {
  for (const rule of ruleNames) {
    for (const value of rules[rule].values.replace("TIME", "30D").replace("NAME", "Chess.club").split("|"))
      expect([rule, value, ruleChange(rule, value, now)]).not.toContain(undefined);
    for (const value of ["", "dance", "admins members"].filter((each) => rule !== "public" || parseName(each).kind === "invalid"))
      expect([rule, value, ruleChange(rule, value, now)]).toEqual([rule, value, undefined]);
  }
  expect(ruleChange("public", "Chess.club", now)).toEqual({ publicName: "chess.club" });
});

test("newcomers read from a moment that has come, and from none that has not", () => {
  expect(ruleChange("newcomers", "2h", now)).toEqual({ newcomersRead: { since: now - 7_200_000 } });
  expect(ruleChange("newcomers", "2026-11-20T11:59", now)).toEqual({ newcomersRead: { since: now - 60_000 } });
  for (const value of ["2026-11-20T12:01", "2999-01-01", "yesterday"]) expect(ruleChange("newcomers", value, now)).toBeUndefined();
});

test("messages are kept from a second to as long as a policy can say, and never without a unit", () => {
  expect(["never", "1s", "30d", "49710d", "4294967295s"].map((value) => ruleChange("retention", value, now))).toEqual(
    [0, 1, 2_592_000, 4_294_944_000, 4_294_967_295].map((retentionSeconds) => ({ retentionSeconds })),
  );
  for (const value of ["0s", "100ms", "30", "-1d", "4294967296s", "49711d", "2026-11-20"])
    expect([value, ruleChange("retention", value, now)]).toEqual([value, undefined]);
});

test("how a policy stands is worded alike in a word and in a sentence", () => {
  const policy: GroupPolicy = { ...closed, newcomersRead: { sinceEpoch: 3 }, retentionSeconds: 86_400, publicName: "chess\u202e" };
  expect(ruleNames.map((rule) => ruleWords(policy, rule))).toEqual([
    "admins",
    "members",
    "admins",
    "since epoch 3",
    "after 1 day",
    "chess",
    "at-once",
  ]);
  expect(policyLines(policy)).toEqual([
    "Only admins add members.",
    "Every member writes.",
    "Only admins change name, description and picture.",
    "Newcomers read what was written since epoch 3.",
    "Messages are deleted after 1 day.",
    'Public name "chess": everybody on this server can find it and ask to join.',
    "Who comes with an invitation is let in at once.",
  ]);
  expect(ruleNames.map((rule) => ruleWords(closed, rule))).toEqual(["admins", "members", "admins", "nothing", "never", "none", "at-once"]);
});
