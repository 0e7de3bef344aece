import { cp } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anotherDevice, FrameProxy, newPassword, person, startSystem, type System } from "../testing/index.ts";
import { openClient, recover, signIn, signUp } from "./node.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

const at = (profile: string) => ({ home: join(system.folder, "successions"), profile });
const gatewayOf = () => ({ gateway: system.gatewayUrl });
const notices = (items: readonly { kind: string; notice?: string; text?: string }[]) => items.filter(({ kind }) => kind === "notice");

test("[A5] who compares the number of a replaced identity means that one from then on, and writes to it", async () => {
  await using rachel = await person(system, "rachel");
  await using simon = await person(system, "simon");
  const id = await rachel.say("simon", "before");
  await simon.hears("rachel", "before");
  await rachel.client.setVerified("simon", true);
  expect(await simon.client.succeed(simon.password, newPassword())).toMatchObject({ kind: "succeeded" });
  await simon.say("rachel", "it is me");
  await rachel.hears("simon", "it is me");
  expect(await rachel.client.safetyNumber("simon")).toMatchObject({ verification: "changed" });
  await rachel.client.send(id, "wait");
  expect((await rachel.client.conversation(id))?.blocked).toBe("identity-changed");
  // They differ: nothing is sent.
  await rachel.client.setVerified("simon", false);
  expect(await rachel.client.safetyNumber("simon")).toMatchObject({ verification: "changed" });
  await rachel.client.setVerified("simon", true);
  expect(await rachel.client.safetyNumber("simon")).toMatchObject({ verification: "verified" });
  expect((await rachel.client.conversation(id))?.blocked).toBe("none");
  await simon.hears("rachel", "wait");
});

test("[P2] somebody knows the password: nothing that opened the account does, this device alone stays, and nothing is lost", async () => {
  const first = newPassword();
  const signedUp = await signUp(at("quentin"), { ...gatewayOf(), name: "quentin", password: first });
  if (signedUp.kind !== "signed-up") throw new Error(signedUp.kind);
  const oldWords = signedUp.recoveryWords.join(" ");
  await using alice = await person(system, "alice");
  await using bob = await person(system, "bob");
  await using quentin = (await openClient(at("quentin"), gatewayOf()))!;
  const id = await quentin.openDirect("alice");
  await quentin.send(id, "before");
  await quentin.sent(id);
  await alice.hears("quentin", "before");
  const group = await quentin.groups.create({ name: "friends", members: ["alice", "bob"] });
  await quentin.send(group, "to all");
  await quentin.sent(group);
  await quentin.setNote("alice", "from school");
  await quentin.setVerified("alice", true);
  // Somebody who found the password out has a device of it.
  expect(await signIn(at("thief"), { ...gatewayOf(), name: "quentin", password: first })).toMatchObject({ kind: "signed-in" });
  await using thief = (await openClient(at("thief"), gatewayOf()))!;
  await thief.caughtUp();

  expect(await quentin.succeed(first, "quentin")).toMatchObject({ kind: "weak-password" });
  expect(await quentin.succeed("not it", newPassword())).toMatchObject({ kind: "refused", sentence: "Wrong password: try again." });
  const second = newPassword();
  const succeeded = await quentin.succeed(first, second);
  if (succeeded.kind !== "succeeded") throw new Error(JSON.stringify(succeeded));
  const newWords = succeeded.recoveryWords.join(" ");
  expect(newWords).not.toBe(oldWords);

  await expect.poll(() => thief.connection.kind).toBe("ended");
  expect((await quentin.devices()).map(({ me, state }) => [me, state])).toEqual([
    [false, "revoked"],
    [true, "active"],
  ]);
  expect(await signIn(at("again"), { ...gatewayOf(), name: "quentin", password: first })).toMatchObject({ kind: "refused" });
  expect(await recover(at("again"), { ...gatewayOf(), name: "quentin", words: oldWords, password: newPassword() })).toMatchObject({
    kind: "refused",
    sentence: expect.stringContaining("not the recovery words of this account"),
  });

  // Others see it, and that the old identity signed it; to write they say that they know.
  await quentin.send(id, "after");
  await quentin.send(group, "after, to all");
  await quentin.sent(undefined, AbortSignal.timeout(20_000));
  await alice.hears("quentin", "after");
  const seen = notices(await alice.items("quentin"));
  expect(seen).toContainEqual(
    expect.objectContaining({ notice: "identity-changed", text: expect.stringContaining("the old one signed it") }),
  );
  expect((await alice.client.conversation(id))?.blocked).toBe("identity-changed");
  await alice.client.acceptIdentity("quentin");
  await alice.say("quentin", "still you?");
  const texts = async (client: typeof quentin, conversation: typeof id) =>
    (await client.items(conversation, { limit: 50 })).items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
  await expect.poll(() => texts(quentin, id)).toEqual(["before", "after", "still you?"]);
  await expect.poll(() => texts(bob.client, group)).toEqual(["to all", "after, to all"]);

  // A fresh device with the new password has everything; so has one by the new words.
  expect(await signIn(at("fresh"), { ...gatewayOf(), name: "quentin", password: second })).toMatchObject({ kind: "signed-in" });
  await using fresh = (await openClient(at("fresh"), gatewayOf()))!;
  await fresh.caughtUp();
  expect(await texts(fresh, id)).toEqual(["before", "after", "still you?"]);
  expect(await texts(fresh, group)).toEqual(["to all", "after, to all"]);
  await expect.poll(async () => (await fresh.conversation(id))?.peer?.note).toBe("from school");
  expect((await fresh.conversation(id))?.peer?.verification).toBe("verified");
  const third = newPassword();
  expect(await recover(at("words"), { ...gatewayOf(), name: "quentin", words: newWords, password: third })).toMatchObject({
    kind: "signed-in",
  });

  // And once more, with what stands there now.
  const again = await fresh.succeed(third, newPassword());
  expect(again).toMatchObject({ kind: "succeeded" });
  await expect.poll(() => quentin.connection.kind).toBe("ended");
  await fresh.send(id, "the second time");
  await fresh.sent(id);
  await alice.hears("quentin", "the second time");
});

test("[P2] [A4] whoever was away sees at the first look that the identity changed, and before writing", async () => {
  await using rolf = await person(system, "rolf");
  await using walter = await person(system, "walter");
  const id = await rolf.say("walter", "hello");
  await walter.hears("rolf", "hello");
  await walter.client.close();
  expect(await rolf.client.succeed(rolf.password, newPassword())).toMatchObject({ kind: "succeeded" });
  await walter.reopen();
  await walter.client.caughtUp(AbortSignal.timeout(20_000));
  await walter.client.items(id, { limit: 20 });
  await expect.poll(async () => (await walter.client.conversation(id))?.blocked).toBe("identity-changed");
});

test("[P2] [P4] the thief signs in, changes the password and writes the vault while the owner takes the account back", async () => {
  await using theo = await person(system, "theo");
  await using carla = await person(system, "carla");
  await using thief = await anotherDevice(system, theo, { profile: "theo-thief" });
  await theo.say("carla", "hello");
  await carla.hears("theo", "hello");
  const fresh = newPassword();
  const [succeeded] = await Promise.all([
    theo.client.succeed(theo.password, fresh),
    signIn(at("theo-late"), { ...gatewayOf(), name: "theo", password: theo.password }),
    thief.client.setNote("carla", "changed by the thief").catch(() => undefined),
  ]);
  expect(succeeded).toMatchObject({ kind: "succeeded" });
  const active = (await theo.client.devices()).filter(({ state }) => state === "active");
  expect(active.map(({ device }) => device)).toEqual([theo.me.device]);
  expect(await signIn(at("theo-new"), { ...gatewayOf(), name: "theo", password: fresh })).toMatchObject({ kind: "signed-in" });
  await carla.client.acceptIdentity("theo");
  await carla.say("theo", "hello again");
  await theo.hears("carla", "hello again");
});

test("[P2] a thief's copy of the whole profile opens nothing that is written afterwards", async () => {
  await using vera = await person(system, "vera");
  await using dora = await person(system, "dora");
  const id = await vera.say("dora", "one");
  await dora.hears("vera", "one");
  const stolen = await anotherDevice(system, vera, { profile: "vera-stolen" });
  await expect.poll(() => stolen.texts("dora")).toEqual(["one"]);
  await stolen.client.close();
  await cp(join(stolen.home, stolen.profile), join(stolen.home, "vera-copy"), { recursive: true });
  expect(await vera.client.succeed(vera.password, newPassword())).toMatchObject({ kind: "succeeded" });
  await vera.client.send(id, "two");
  await vera.client.sent(id);
  await using copy = (await openClient({ home: stolen.home, profile: "vera-copy" }, gatewayOf()))!;
  await expect.poll(() => copy.connection.kind).toBe("ended");
  const { items } = await copy.items(id, { limit: 10 });
  expect(items.some((item) => item.kind === "message" && item.text === "two")).toBe(false);
});

test("[P2] a connection that is lost when all is replaced: the new recovery words are shown, and the device goes on", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  await using peggy = await person(system, "peggy", { gateway: proxy.url });
  await using niaj = await person(system, "niaj");
  await peggy.say("niaj", "before");
  await niaj.hears("peggy", "before");
  let isDone = false;
  proxy.script = {
    toClient: (frame, connection) => {
      isDone ||= frame.body.case === "appended" && connection.asked(frame)?.body.case === "appendAccountLink";
      return frame;
    },
    toServer: (frame, connection) => {
      if (!isDone) return frame;
      proxy.script = {};
      connection.close();
      return undefined;
    },
  };
  const fresh = newPassword();
  expect(await peggy.client.succeed(peggy.password, fresh)).toMatchObject({ kind: "succeeded" });
  expect(await signIn(at("peggy-new"), { ...gatewayOf(), name: "peggy", password: fresh })).toMatchObject({ kind: "signed-in" });
  await niaj.client.acceptIdentity("peggy");
  await niaj.say("peggy", "after");
  await peggy.hears("niaj", "after");
});

test("[P2] [C1] the new recovery words wait for nothing that comes after the link; a device that is killed then turns its conversations later", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const uma = await person(system, "uma", { gateway: proxy.url });
  await using xaver = await person(system, "xaver");
  const id = await uma.say("xaver", "before");
  await xaver.hears("uma", "before");
  let isDone = false;
  proxy.script = {
    toClient: (frame, connection) => {
      isDone ||= frame.body.case === "appended" && connection.asked(frame)?.body.case === "appendAccountLink";
      return frame;
    },
    toServer: (frame) => (isDone ? undefined : frame),
  };
  const fresh = newPassword();
  const late = setTimeout(15_000, "late", { ref: false });
  expect(await Promise.race([uma.client.succeed(uma.password, fresh), late])).toMatchObject({ kind: "succeeded" });
  await uma.client.close();
  const changed = async () => notices(await xaver.items("uma")).filter(({ notice }) => notice === "identity-changed").length;
  expect(await changed()).toBe(0);
  proxy.script = {};
  await uma.reopen();
  await using _ = uma;
  await expect.poll(changed, { timeout: 20_000 }).toBe(1);
  await uma.client.send(id, "after");
  await xaver.hears("uma", "after");
});

test("[P2] who does not hear whether all was replaced is told how to get new recovery words, and gets them", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const yara = await person(system, "yara", { gateway: proxy.url });
  let isDone = false;
  proxy.script = {
    toClient: (frame, connection) => {
      if (connection.asked(frame)?.body.case !== "appendAccountLink") return frame;
      isDone = true;
      return undefined;
    },
  };
  const fresh = newPassword();
  const replacing = yara.client.succeed(yara.password, fresh);
  await expect.poll(() => isDone).toBe(true);
  await yara.client.close();
  expect(await replacing).toMatchObject({ kind: "refused", sentence: expect.stringContaining("that gives you new recovery words") });
  proxy.script = {};
  await yara.reopen();
  await using _ = yara;
  expect(await yara.client.succeed(yara.password, newPassword())).toMatchObject({ sentence: "Wrong password: try again." });
  expect(await yara.client.succeed(fresh, newPassword())).toMatchObject({ kind: "succeeded", recoveryWords: { length: 12 } });
});

test("[A3] who is known again on one device is written to by all: what waits on another is sent", async () => {
  await using sybil = await person(system, "sybil");
  await using rupert = await person(system, "rupert");
  // Nobody has said anything yet: nothing that arrives there sets off what waits.
  const id = await rupert.client.openDirect("sybil");
  await using tablet = await anotherDevice(system, rupert, { profile: "rupert-tablet" });
  await expect.poll(async () => (await tablet.client.people()).map(({ name }) => name)).toContain("sybil");
  expect(await sybil.client.succeed(sybil.password, newPassword())).toMatchObject({ kind: "succeeded" });
  await rupert.client.send(id, "is it you?");
  await expect.poll(async () => (await rupert.client.people()).find(({ name }) => name === "sybil")?.verification).toBe("changed");
  await tablet.client.safetyNumber("sybil");
  await tablet.client.acceptIdentity("sybil");
  await sybil.hears("rupert", "is it you?");
});
