import { idBytes } from "@fastchat/protocol";
import { toHex } from "@fastchat/protocol/seal";
import { expect, test } from "vitest";
import { signUp, type TestPerson, TestSocket } from "../../server/test-client.ts";
import { startSystem } from "../index.ts";

test("people at a server that is killed are shown offline when its heartbeat is old, to those at another one, and online again when they are back", async () => {
  await using system = await startSystem({ servers: 2, people: "none" });
  const [alice, bob, carol] = [
    await signUp(system.gatewayUrl, "alice"),
    await signUp(system.gatewayUrl, "bob"),
    await signUp(system.gatewayUrl, "carol"),
  ];
  const at = ({ devices }: TestPerson, server: string) =>
    TestSocket.welcome(system.gatewayUrl, devices[0]!, [server === "chat-1" ? "chat-2" : "chat-1"]);
  await using watching = await at(alice, "chat-2");
  await using there = await at(bob, "chat-1");
  await using here = await at(carol, "chat-2");
  const accounts = [bob, carol].map(({ account }) => idBytes(account));
  await watching.ask({ case: "watchPresence", value: { accounts } }, "presence");
  /** What was said of somebody last. */
  const isOnline = ({ account }: TestPerson): boolean | undefined =>
    watching.frames
      .flatMap(({ body }) => (body.case === "presence" ? body.value.accounts : []))
      .findLast((each) => toHex(each.account) === account)?.online;
  await expect.poll(() => [bob, carol].map(isOnline)).toEqual([true, true]);

  await system.servers[0]!.process.kill();
  await there.closed();
  await expect.poll(() => isOnline(bob)).toBe(false);
  expect(isOnline(carol)).toBe(true);

  await using back = await at(bob, "chat-2");
  await expect.poll(() => isOnline(bob)).toBe(true);
  expect(back.closeCode ?? here.closeCode).toBe(undefined);
});
