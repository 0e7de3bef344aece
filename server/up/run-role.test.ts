import { expect, test } from "vitest";
import { OptionError } from "../config.ts";
import { runRole } from "./run-role.ts";

test.each([
  ["up", { port: "-1" }, `--port is "-1"; it must be a whole number.`],
  ["up", { servers: "many" }, `--servers is "many"; it must be a whole number.`],
  ["gateway", { port: "" }, `--port is ""; it must be a whole number.`],
  ["server", { port: "123456" }, `--port is "123456"; it must be a whole number.`],
  ["up", { url: "chat.example.org" }, `--url is "chat.example.org"; it must look like wss://chat.example.org.`],
  ["server", { url: "https://chat.example.org" }, `--url is "https://chat.example.org"; it must look like wss://chat.example.org/1.`],
] as const)("%s %o is refused in one sentence, before anything starts", async (role, words, sentence) => {
  await expect(runRole(role, words, "nothing starts")).rejects.toThrow(new OptionError(sentence));
});
