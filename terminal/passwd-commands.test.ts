import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CommandOptions, fastchat, fastchatJson, newPassword, startSystem, type System } from "../testing/index.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system?.[Symbol.asyncDispose]());

const at = (device: string, environment: Record<string, string> = {}): CommandOptions => ({
  home: join(system.folder, device),
  environment,
});

test("[P2] a password is changed, and set anew with the recovery words; what is wrong is said, and no secret is", async () => {
  const [first, second, third] = [newPassword(), newPassword(), newPassword()];
  const [signedUp] = await fastchatJson(system, ["signup", "pamela"], at("home", { FASTCHAT_PASSWORD: first }));
  const words = (signedUp!["recoveryWords"] as string[]).join(" ");
  const run = (device: string, environment: Record<string, string>, ...args: string[]) => fastchat(system, args, at(device, environment));

  const wrong = await run("home", { FASTCHAT_PASSWORD: "not it", FASTCHAT_NEW_PASSWORD: second }, "passwd");
  expect([wrong.code, wrong.errors]).toEqual([4, "fastchat: Wrong password: try again.\n"]);
  const weak = await run("home", { FASTCHAT_PASSWORD: first, FASTCHAT_NEW_PASSWORD: "pamela" }, "passwd");
  expect([weak.code, weak.errors]).toEqual([4, expect.stringContaining("too easy to guess")]);
  for (const more of [[], ["--somebody-knows"]]) {
    const same = await run("home", { FASTCHAT_PASSWORD: first, FASTCHAT_NEW_PASSWORD: first }, "passwd", ...more);
    expect([same.code, same.errors]).toEqual([4, "fastchat: The new password is the current one: choose another.\n"]);
  }
  const nowhere = await run("home", { FASTCHAT_PASSWORD: first }, "passwd");
  expect([nowhere.code, nowhere.errors]).toEqual([2, expect.stringContaining("There is no terminal to ask at")]);
  const changed = await fastchat(system, ["passwd", "--password-stdin"], { ...at("home"), input: `${first}\n${second}\n` });
  expect([changed.code, changed.output]).toEqual([0, "Your password is changed.\n"]);
  expect((await run("other", { FASTCHAT_PASSWORD: first }, "signin", "pamela")).code).toBe(4);
  expect((await run("home", {}, "whoami")).code).toBe(0);

  const misspelt = { FASTCHAT_RECOVERY_WORDS: `${words} more`, FASTCHAT_NEW_PASSWORD: third };
  const count = await run("other", misspelt, "recover", "pamela");
  expect([count.code, count.errors]).toEqual([4, "fastchat: There are twelve recovery words, and these are 13.\n"]);
  const recovered = await run("other", { FASTCHAT_RECOVERY_WORDS: words, FASTCHAT_NEW_PASSWORD: third }, "recover", "pamela");
  expect([recovered.code, recovered.output]).toEqual([0, expect.stringMatching(/^Welcome back, pamela! Your password is changed/u)]);
  expect((await run("third", { FASTCHAT_PASSWORD: second }, "signin", "pamela")).code).toBe(4);
  expect((await run("third", { FASTCHAT_PASSWORD: third }, "signin", "pamela")).code).toBe(0);
  for (const { output, errors } of [wrong, weak, nowhere, changed, count, recovered])
    for (const secret of [first, second, third, words]) expect(output + errors).not.toContain(secret);
});

test("[P2] passwd --somebody-knows: new words are shown once, and old password, old words and other devices are out", async () => {
  const [first, second, third] = [newPassword(), newPassword(), newPassword()];
  const [signedUp] = await fastchatJson(system, ["signup", "quirin"], at("his", { FASTCHAT_PASSWORD: first }));
  const oldWords = (signedUp!["recoveryWords"] as string[]).join(" ");
  const run = (device: string, environment: Record<string, string>, ...args: string[]) => fastchat(system, args, at(device, environment));
  expect((await run("stolen", { FASTCHAT_PASSWORD: first }, "signin", "quirin")).code).toBe(0);

  const secrets = { FASTCHAT_PASSWORD: first, FASTCHAT_NEW_PASSWORD: second };
  const [replaced] = await fastchatJson(system, ["passwd", "--somebody-knows"], at("his", secrets));
  expect(replaced).toMatchObject({ type: "account-succeeded", name: "quirin" });
  const words = replaced!["recoveryWords"] as string[];
  expect(words).toHaveLength(12);

  const stolen = await run("stolen", {}, "devices");
  expect([stolen.code, stolen.errors]).toEqual([3, expect.stringContaining("signed out")]);
  expect((await run("other", { FASTCHAT_PASSWORD: first }, "signin", "quirin")).code).toBe(4);
  const environment = { FASTCHAT_RECOVERY_WORDS: oldWords, FASTCHAT_NEW_PASSWORD: third };
  const byOld = await run("other", environment, "recover", "quirin");
  expect([byOld.code, byOld.errors]).toEqual([4, expect.stringContaining("not the recovery words")]);
  expect((await run("other", { ...environment, FASTCHAT_RECOVERY_WORDS: words.join(" ") }, "recover", "quirin")).code).toBe(0);
});

test("[A5] who writes to a replaced identity hears that at once, and goes on by accept, or by verify", async () => {
  const [first, second] = [newPassword(), newPassword()];
  for (const [name, password] of [
    ["rita", first],
    ["sam", newPassword()],
    ["tom", newPassword()],
  ] as const) {
    expect((await fastchat(system, ["signup", name], at(name, { FASTCHAT_PASSWORD: password }))).code).toBe(0);
  }
  const as = (name: string, ...args: string[]) => fastchat(system, args, at(name));
  for (const name of ["sam", "tom"]) {
    expect((await as(name, "send", "rita", "hello")).code).toBe(0);
    expect((await as("rita", "accept", name)).code).toBe(0);
  }
  expect((await as("sam", "accept", "rita")).errors).toContain("No request");
  const passwords = { FASTCHAT_PASSWORD: first, FASTCHAT_NEW_PASSWORD: second };
  expect((await fastchat(system, ["passwd", "--somebody-knows"], at("rita", passwords))).code).toBe(0);
  expect((await as("rita", "send", "sam", "my new keys")).code).toBe(0);

  for (const name of ["sam", "tom"]) {
    const since = Date.now();
    const held = await as(name, "send", "rita", "is that you?", "--timeout", "60s");
    expect([held.code, held.errors]).toEqual([
      6,
      expect.stringMatching(
        /^fastchat: rita's identity has changed: compare with ".*verify rita", or go on with ".*accept rita"; until then nothing is sent\. The message is kept here/u,
      ),
    ]);
    expect(Date.now() - since).toBeLessThan(30_000);
  }
  const accepted = await as("sam", "accept", "rita");
  expect([accepted.code, accepted.output]).toEqual([0, "Accepted rita's new identity.\n"]);
  expect((await as("sam", "send", "rita", "good")).output).toBe("Sent to rita.\n");
  const verified = await as("tom", "verify", "rita", "--yes");
  expect([verified.code, verified.output]).toEqual([0, expect.stringContaining("Verified.")]);
  expect((await as("tom", "people")).output).toMatch(/rita .*verified/u);
  expect((await as("tom", "send", "rita", "good, too")).output).toBe("Sent to rita.\n");
  for (const name of ["sam", "tom"]) {
    const { output } = await as("rita", "read", name);
    expect(output.match(/is that you\?/gu)).toHaveLength(1);
  }
});
