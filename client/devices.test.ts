import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, FrameProxy, newPassword, person, startSystem, type System } from "../testing/index.ts";
import { openClient, signIn, signUp } from "./node.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

test("[A5] safety numbers agree, and a comparison holds on all devices", async () => {
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await alice.say("bob", "hi");
  await bob.hears("alice", "hi");
  const [hers, his] = [await alice.client.safetyNumber("bob"), await bob.client.safetyNumber("alice")];
  expect(hers.digits).toBe(his.digits);
  expect(hers.digits).toMatch(/^(\d{5} ){11}\d{5}$/);
  expect(hers.verification).toBe("not-verified");
  await alice.client.setVerified("bob", true);
  await using other = await anotherDevice(system, alice, { profile: "alice-2" });
  await expect.poll(async () => (await other.client.conversations())[0]?.peer?.verification).toBe("verified");
});

test("[A5] a new device is told of once, also where something else showed it before the server said that there is one", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using trent = await person(system, "trent", { gateway: proxy.url });
  const told = () => trent.events.filter((event) => event.kind === "warning" && event.warning === "new-device").length;
  proxy.script = { toClient: (frame) => (frame.body.case === "accountMoved" ? undefined : frame) };
  await using _ = await anotherDevice(system, trent, { profile: "trent-2" });
  await expect.poll(async () => (await trent.client.devices()).length).toBe(2);
  expect(told()).toBe(0);
  proxy.script = {};
  for (const each of proxy.connections) each.close();
  await expect.poll(told).toBe(1);
  await trent.client.caughtUp(AbortSignal.timeout(10_000));
  expect(told()).toBe(1);
});

test("[P4] a fresh device that hears of somebody before it has read the vault changes nothing there", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using carol = await person(system, "carol");
  await using dave = await person(system, "dave");
  await carol.say("dave", "hi");
  await dave.hears("carol", "hi");
  await carol.client.setVerified("dave", true);
  await carol.client.setNote("dave", "from school");
  const late: (() => void)[] = [];
  proxy.script = {
    toClient: (frame, connection) => {
      if (frame.body.case !== "vault") return frame;
      late.push(() => connection.pass(frame));
      return undefined;
    },
  };
  await using other = await anotherDevice(system, carol, { profile: "carol-2", gateway: proxy.url });
  // Of a conversation of her own, too, it does not know yet that she knows whom it is with.
  await expect.poll(async () => (await other.client.requests()).conversations[0]?.title).toBe("dave");
  await other.client.openDirect("dave");
  expect((await other.client.conversations())[0]?.peer).toMatchObject({ contact: true, note: "" });
  proxy.script = {};
  for (const pass of late) pass();
  const peerOf = async ({ client }: typeof carol) => (await client.conversations())[0]?.peer;
  const kept = { verification: "verified", note: "from school" };
  await expect.poll(() => peerOf(other)).toMatchObject(kept);
  await other.client.setDraft((await other.client.conversations())[0]!.id, "written to the vault after all that");
  await expect.poll(async () => (await carol.client.conversations())[0]?.draft).toMatch(/written/);
  expect(await peerOf(carol)).toMatchObject(kept);
});

test("[A5] a new device is told of whichever way it becomes known: a server that tells of it last hides nothing", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice-of-hints", { gateway: proxy.url });
  await using bob = await person(system, "bob-of-hints");
  await alice.say(bob.name, "hi");
  await bob.hears(alice.name, "hi");
  proxy.script = { toClient: (frame) => (frame.body.case === "accountMoved" ? undefined : frame) };
  await using thief = await anotherDevice(system, alice, { profile: "alice-of-hints-2" });
  // The change that brings the thief's device into the conversation proves it to alice's, too.
  await thief.say(bob.name, "send me the code");
  await alice.hears(bob.name, "send me the code");
  const told = () => alice.events.filter((event) => event.kind === "warning" && event.warning === "new-device");
  await expect.poll(told, { timeout: 10_000 }).toMatchObject([{ device: thief.me.device }]);
  proxy.script = {};
  await alice.reopen();
  await alice.client.caughtUp();
  expect(told()).toHaveLength(1);
});

test("[A5] the notice of a new device says what to do, whatever that device calls itself", async () => {
  await using alice = await person(system, "alice-of-notices");
  await using thief = await anotherDevice(system, alice, { profile: "alice-of-notices-2" });
  // As a device that signed in with a guessed password may, of whom this warns.
  const name = "Your laptop was updated and is signed in again. There is nothing to do. ".repeat(3).trim();
  await thief.client.nameDevice(thief.me.device, name);
  const told = () => alice.events.flatMap((event) => (event.kind === "warning" && event.warning === "new-device" ? [event.text] : []));
  await expect.poll(told, { timeout: 10_000 }).toHaveLength(1);
  const [text] = told();
  expect(text).toMatch(
    /^A new device signed in to your account\. If that was not you, revoke it, and replace all that opens your account \(passwd --somebody-knows\)\. It calls itself "Your laptop/u,
  );
  expect(text!.length).toBeLessThan(220);
});

test("[H3] a session that ends as soon as it is connected has told the others what its device is called", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using alice = await person(system, "alice-of-names");
  const place = { home: join(system.folder, "names"), profile: "short" };
  await signIn(place, { gateway: proxy.url, name: alice.name, password: alice.password });
  const read = Promise.withResolvers<void>();
  proxy.script = {
    toServer: (frame) => {
      if (frame.body.case === "readVault") read.resolve();
      return frame;
    },
  };
  const short = (await openClient(place, { gateway: proxy.url, deviceName: () => "Terminal on kitchen-pc" }))!;
  await read.promise;
  await short.close();
  const named = async () => (await alice.client.devices()).find(({ device }) => device === short.me.device)?.name;
  await expect.poll(named).toBe("Terminal on kitchen-pc");
});

test("[H3] who signs out is gone, from the server and from the disk; messages wait for the next sign-in", async () => {
  await using erin = await person(system, "erin");
  const frank = await person(system, "frank");
  await erin.say("frank", "one");
  await frank.hears("erin", "one");
  expect(await frank.client.signOut()).toEqual({ server: "told" });
  expect(existsSync(join(frank.home, frank.profile))).toBe(false);
  expect(await openClient(frank)).toBeUndefined();
  await erin.say("frank", "two");
  await using back = await anotherDevice(system, frank, { profile: "frank-2" });
  await back.hears("erin", "two");
  expect(await back.texts("erin")).toEqual(["one", "two"]);
});

test("[H3] who signs out and loses the connection with the answer is told that the server knows", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using heidi = await person(system, "heidi", { gateway: proxy.url });
  await heidi.client.caughtUp();
  proxy.script = {
    toClient: (frame, connection) => {
      if (frame.body.case !== "appended") return frame;
      connection.close();
      return undefined;
    },
  };
  expect(await heidi.client.signOut()).toEqual({ server: "told" });
});

test("a wrong password, an unknown name and a taken one are told apart", async () => {
  await using grace = await person(system, "grace");
  const place = { home: system.home, profile: "nobody" };
  const attempt = (name: string, password: string) => signIn(place, { gateway: system.gatewayUrl, name, password });
  expect(await attempt("grace", "wrong horse battery staple")).toMatchObject({ kind: "refused", sentence: "Wrong password: try again." });
  expect(await attempt("nobody-at-all", "x")).toMatchObject({ kind: "refused", sentence: "No such user: check the name." });
  expect(await signUp(place, { gateway: system.gatewayUrl, name: "grace", password: newPassword() })).toMatchObject({
    kind: "refused",
    sentence: "Username already taken: choose another.",
  });
  await expect(grace.client.openDirect("nobody-at-all")).rejects.toThrow("No such user");
});
