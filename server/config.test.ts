import { expect, test } from "vitest";
import { ConfigError, isLoopback, readConfig } from "./config.ts";

test("without any environment everything has a default, and loopback is what is listened on", () => {
  const config = readConfig(undefined, { HOME: "/home/somebody" });
  expect(config.host).toBe("127.0.0.1");
  expect(config.isUsualFolder).toBe(true);
  expect(config.signUp).toBe(undefined);
  expect(config.people).toBe("everyone");
  expect(config.secretFile).toBe(`${config.dataFolder}/secret.json`);
});

test("a folder that is named wins over the environment, and the secret file can lie elsewhere", () => {
  const config = readConfig("/srv/two", { FASTCHAT_DATA: "/srv/one", FASTCHAT_SECRET_FILE: "/etc/fastchat/secret.json" });
  expect(config.dataFolder).toBe("/srv/two");
  expect(config.isUsualFolder).toBe(false);
  expect(config.secretFile).toBe("/etc/fastchat/secret.json");
});

test.each([
  ["FASTCHAT_SIGN_UP", "maybe", /open or invitation/],
  ["FASTCHAT_PEOPLE", "nobody", /everyone or exact/],
  ["DATABASE_URL", "mysql://host/db", /postgres:/],
  ["FASTCHAT_WEB_ORIGINS", "https://good.example, nonsense", /no origin/],
  ["FASTCHAT_TRUSTED_PROXIES", "-1", /whole number/],
])("%s=%s is refused with a sentence that names it", (name, value, sentence) => {
  expect(() => readConfig(undefined, { [name]: value })).toThrow(ConfigError);
  expect(() => readConfig(undefined, { [name]: value })).toThrow(sentence);
});

test("only addresses of this machine are loopback", () => {
  expect(["127.0.0.1", "127.9.9.9", "localhost", "::1"].map(isLoopback)).toEqual([true, true, true, true]);
  expect(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.evil.example", "localhost.evil.example"].some(isLoopback)).toBe(false);
});
