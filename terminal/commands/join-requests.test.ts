import type { GroupSummary } from "@fastchat/client";
import { expect, test } from "vitest";
import { bob, group } from "../ui/test-state.ts";
import { askingWords } from "./join-requests.ts";

const asked = (name: string, joinRequests: number): GroupSummary => group(name, [bob], { group: { joinRequests } });

test("who asks to be let in is told with the command that shows it", () => {
  expect(askingWords(asked("Chess club", 2))).toMatch(/^2 people ask to join Chess club: \S+( \S+)? group requests "Chess club"$/u);
  expect(askingWords(asked("Chess club", 1))).toMatch(/^1 person asks /u);
  // A name that would do something in the shell is not written there.
  for (const name of ["$(reboot)", "`reboot`", '"; reboot', "-x", "person:bob"])
    expect(askingWords(asked(name, 1))).toMatch(/ group requests group:[0-9a-f]{8}$/u);
});
