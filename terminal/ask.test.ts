import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TemporaryFolder, TestScreen } from "../testing/index.ts";

// At a terminal, with no server: what is judged here is judged before anybody is asked.

const ENTER = "\r";

test("a new password is judged as soon as it is typed, and may be typed three times", async () => {
  using folder = new TemporaryFolder();
  const home = folder.path;
  const environment = { FASTCHAT_HOME: home, FASTCHAT_GATEWAY: "http://127.0.0.1:9", FASTCHAT_PASSWORD: "" };
  await using screen = new TestScreen({ args: ["signup", "eve"], environment });
  const asked = (times: number) => screen.until(({ text }) => text.split("Password:").length === times + 1, `"Password:" ${times} times`);
  await asked(1);
  // Typed before it is asked for: not shown, and the next answer.
  screen.type(`secret${ENTER}${ENTER}`);
  await screen.shows("too easy to guess");
  await screen.shows("The password is empty");
  await asked(3);
  screen.type(`eve${ENTER}`);
  expect(await screen.ended()).toBe(4);
  expect(screen.text).not.toMatch(/secret|Again/u);
  expect(existsSync(join(home, "eve"))).toBe(false);
});
