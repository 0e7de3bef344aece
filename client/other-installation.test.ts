import { limits } from "@fastchat/protocol";
import { FrameProxy, person, startSystem } from "@fastchat/testing";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadKnownAccount, saveKnownAccount } from "./accounts.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

test("another installation that answers at the gateway's address ends no session: its own is found again", async () => {
  await using system = await startSystem({ servers: 1 });
  await using other = await startSystem({ servers: 1, people: "none" });
  await using alice = await person(system, "alice");
  await alice.reopen(other.gatewayUrl);
  const attempts = () => alice.client.connection.kind;
  await expect.poll(attempts).toBe("offline");
  // It does not know her device, and is asked again.
  await expect.poll(() => (alice.client.connection.kind === "offline" ? alice.client.connection.detail : "")).toMatch(/not signed in/);
  expect(attempts()).not.toBe("ended");
  await alice.reopen(system.gatewayUrl);
  await expect.poll(attempts).toBe("online");
});

test("[H6] a long chain is brought to a gateway that does not know the device in requests that it takes", async () => {
  await using system = await startSystem({ servers: 1 });
  await using other = await startSystem({ servers: 1, people: "none" });
  await using alice = await person(system, "alice");
  await alice.client.close();
  const storage = openSqliteStorage(join(alice.home, alice.profile));
  const known = (await loadKnownAccount(storage, alice.me.account))!;
  // As long as one is after some hundred sign-ins; what it says is not read there.
  await storage.commit([saveKnownAccount({ ...known, links: Array.from({ length: 500 }, () => known.links[0]!) })]);
  await storage.close();
  const sizes: number[] = [];
  const refuses = (path: string, body: Uint8Array): boolean => {
    if (path === "/v1/accounts/put-back") sizes.push(body.length);
    return false;
  };
  await using proxy = await FrameProxy.start(other.gatewayUrl, { script: { refuses } });
  await alice.reopen(proxy.url);
  await expect.poll(() => sizes.length).toBeGreaterThan(0);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(limits.gatewayLinkBodyBytes);
});
