import { person, startSystem } from "@fastchat/testing";
import { expect, test } from "vitest";

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
