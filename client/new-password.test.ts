import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FrameProxy, newPassword, person, startSystem, type System } from "../testing/index.ts";
import { openClient, recover, signIn, signUp } from "./node.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
});
afterAll(() => system[Symbol.asyncDispose]());

const gatewayOf = () => ({ gateway: system.gatewayUrl });
const home = (name: string): { home: string; profile: string } => ({ home: join(system.folder, "passwords"), profile: name });

test("[P2] who recovers and then reaches no server hears what became of the password", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const signedUp = await signUp(home("unlucky"), { ...gatewayOf(), name: "unlucky", password: newPassword() });
  if (signedUp.kind !== "signed-up") throw new Error(signedUp.kind);
  // Of what was sent nobody knows whether it arrived.
  proxy.script = { refuses: (path) => path === "/v1/password/finish" };
  const maybe = { gateway: proxy.url, name: "unlucky", words: signedUp.recoveryWords.join(" "), password: newPassword() };
  const either = expect.stringContaining("either the new password counts") as string;
  expect(await recover(home("unlucky-2"), maybe)).toMatchObject({ kind: "refused", sentence: either });
  proxy.script = { refuses: (path) => path === "/v1/devices" };
  const password = newPassword();
  const found = { gateway: proxy.url, name: "unlucky", words: signedUp.recoveryWords.join(" "), password };
  const sentence = expect.stringContaining("The new password is set") as string;
  expect(await recover(home("unlucky-2"), found)).toMatchObject({ kind: "refused", sentence });
  expect(await signIn(home("unlucky-2"), { ...gatewayOf(), name: "unlucky", password })).toMatchObject({ kind: "signed-in" });
});

test("[P2] a device that is added while the password is changed, or set by the words, does not keep it from being so", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const through = { gateway: proxy.url };
  const first = newPassword();
  const signedUp = await signUp(home("hasty"), { ...through, name: "hasty", password: first });
  if (signedUp.kind !== "signed-up") throw new Error(signedUp.kind);
  await using hasty = (await openClient(home("hasty"), through))!;
  let devices = 1;
  const addsOne = (password: string) => {
    proxy.script = {
      async refuses(path) {
        if (path !== "/v1/password/start") return false;
        proxy.script = {};
        const added = await signIn(home(`hasty-${++devices}`), { ...gatewayOf(), name: "hasty", password });
        expect(added.kind).toBe("signed-in");
        return false;
      },
    };
  };
  const [second, third, fourth] = [newPassword(), newPassword(), newPassword()];
  addsOne(first);
  expect(await hasty.changePassword(first, second)).toEqual({ kind: "changed" });
  addsOne(second);
  const words = signedUp.recoveryWords.join(" ");
  expect(await recover(home("hasty-words"), { ...through, name: "hasty", words, password: third })).toMatchObject({ kind: "signed-in" });
  addsOne(third);
  expect(await hasty.succeed(third, fourth)).toMatchObject({ kind: "succeeded" });
  expect(devices).toBe(4);
});

test("[P2] a new password: the old one is dead, nothing is lost, the other device goes on, and the words still open the account", async () => {
  const first = newPassword();
  const signedUp = await signUp(home("quinn"), { ...gatewayOf(), name: "quinn", password: first });
  if (signedUp.kind !== "signed-up") throw new Error(signedUp.kind);
  await using bob = await person(system, "bob");
  await using quinn = (await openClient(home("quinn"), gatewayOf()))!;
  const id = await quinn.openDirect("bob");
  await quinn.send(id, "before");
  await quinn.sent(id);
  await bob.hears("quinn", "before");

  const wrong = await quinn.changePassword("not it", newPassword());
  expect(wrong).toMatchObject({ kind: "refused", sentence: "Wrong password: try again." });
  expect(await quinn.changePassword(first, "quinn")).toMatchObject({ kind: "weak-password" });
  let current = first;
  for (let times = 1; times <= 3; times++) {
    const next = newPassword();
    expect(await quinn.changePassword(current, next)).toEqual({ kind: "changed" });
    expect(await signIn(home("nobody"), { ...gatewayOf(), name: "quinn", password: current })).toMatchObject({ kind: "refused" });
    current = next;
  }
  // The device that was signed in before is so still.
  await quinn.send(id, "after");
  await bob.hears("quinn", "after");

  // A device of its own, by the words: they set another password.
  const words = signedUp.recoveryWords.join(" ");
  const misspelt = await recover(home("lost"), {
    ...gatewayOf(),
    name: "quinn",
    words: words.replace(/^\w+/u, "quinnn"),
    password: newPassword(),
  });
  expect(misspelt).toMatchObject({ kind: "refused", sentence: "This is no recovery word: number 1. Check how each is written." });
  const found = newPassword();
  expect(await recover(home("lost"), { ...gatewayOf(), name: "quinn", words, password: found })).toMatchObject({ kind: "signed-in" });
  expect(await signIn(home("nobody"), { ...gatewayOf(), name: "quinn", password: current })).toMatchObject({ kind: "refused" });
  await using fresh = (await openClient(home("lost"), gatewayOf()))!;
  await fresh.caughtUp();
  const { items } = await fresh.items(id, { limit: 10 });
  expect(items.flatMap((item) => (item.kind === "message" ? [item.text] : []))).toEqual(["before", "after"]);
  expect(await signIn(home("third"), { ...gatewayOf(), name: "quinn", password: found })).toMatchObject({ kind: "signed-in" });
  // Revoking needs the password of now.
  const [third] = await fresh.devices();
  await expect(fresh.revokeDevices(current, [third!.device])).rejects.toThrow("Wrong password");
  await fresh.revokeDevices(found, [third!.device]);
  expect((await fresh.devices()).map(({ state }) => state)).toEqual(["revoked", "active", "active"]);
});

test("[P2] words of another account open nothing", async () => {
  const { recoveryWords } = (await signUp(home("rita"), { ...gatewayOf(), name: "rita", password: newPassword() })) as {
    readonly recoveryWords: readonly string[];
  };
  await using sam = await person(system, "sam");
  const words = recoveryWords.join(" ");
  const refused = await recover(home("thief"), { ...gatewayOf(), name: sam.name, words, password: newPassword() });
  expect(refused).toMatchObject({ kind: "refused", sentence: expect.stringContaining("not the recovery words of this account") });
  expect(await openClient(home("thief"), gatewayOf())).toBeUndefined();
});
