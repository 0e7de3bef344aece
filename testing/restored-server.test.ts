import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ChatItem } from "@fastchat/client";
import { type ConversationId, ErrorCode } from "@fastchat/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { COMMAND } from "./fastchat.ts";
import { freePort } from "./free-port.ts";
import { signIn } from "@fastchat/client/node";
import { anotherDevice, type Home, newPassword, type Person, person } from "./person.ts";
import { TemporaryFolder } from "./temporary-folder.ts";

/** All of `fastchat up` on a folder, which can be stopped, copied and put back. */
class Installation implements AsyncDisposable {
  readonly #temporary = new TemporaryFolder();
  readonly #data = join(this.#temporary.path, "data");
  readonly #backup = join(this.#temporary.path, "backup");
  readonly #port: number;
  readonly home: Home;
  #up: ChildProcess | undefined;

  constructor(port: number) {
    this.#port = port;
    const home = join(this.#temporary.path, "home");
    mkdirSync(home);
    mkdirSync(this.#data, { mode: 0o711 });
    this.home = { gatewayUrl: `http://127.0.0.1:${port}`, home, people: undefined };
  }

  async start(): Promise<void> {
    const args = ["up", "--data", this.#data, "--port", String(this.#port)];
    const up = spawn(process.execPath, [COMMAND, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, DATABASE_URL: "" },
    });
    this.#up = up;
    let said = "";
    await new Promise<void>((resolve, reject) => {
      up.once("exit", () => reject(new Error(`it ended, having said: ${said}`)));
      up.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (said.includes("FastChat is ready")) resolve();
      });
    });
  }

  async stop(): Promise<void> {
    const up = this.#up;
    if (up === undefined || up.exitCode !== null) return;
    const ended = new Promise((resolve) => up.once("exit", resolve));
    up.kill("SIGTERM");
    await ended;
  }

  /** While it is stopped; under root the database belongs to another user. */
  backUp(): void {
    rmSync(this.#backup, { recursive: true, force: true });
    execFileSync("cp", ["-a", this.#data, this.#backup]);
  }

  restore(): void {
    rmSync(this.#data, { recursive: true });
    execFileSync("cp", ["-a", this.#backup, this.#data]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#temporary[Symbol.dispose]();
  }
}

let installation: Installation;
let at: Home;
beforeAll(async () => {
  installation = new Installation(await freePort());
  await installation.start();
  at = installation.home;
}, 120_000);
afterAll(() => installation?.[Symbol.asyncDispose]());

const WRONG: ReadonlySet<string> = new Set(["contradiction", "fork", "unreadable", "invalid-link", "device-runs-twice"]);

async function itemsOf({ client }: Person, id: ConversationId): Promise<readonly ChatItem[]> {
  return (await client.items(id, { limit: 200 })).items;
}

const textsIn = async (someone: Person, id: ConversationId): Promise<string[]> =>
  (await itemsOf(someone, id)).flatMap((item) =>
    item.kind === "message" ? [item.doubt === "lost" ? `${item.text} (lost)` : item.text] : [],
  );

const wrongIn = async (someone: Person, id: ConversationId): Promise<ChatItem[]> =>
  (await itemsOf(someone, id)).filter((item) => item.kind === "notice" && WRONG.has(item.notice));

const say = async ({ client }: Person, id: ConversationId, text: string): Promise<void> => {
  await client.send(id, text);
  await client.sent(id, AbortSignal.timeout(30_000));
};

test(
  "[H6] a server restored from an older copy of its data: it is noticed, what can be put back is, and everybody goes on",
  { timeout: 300_000 },
  async () => {
    await using alice = await person(at, "alice");
    await using bob = await person(at, "bob");
    await using carol = await person(at, "carol");
    const direct = await alice.say("bob", "before");
    await bob.hears("alice", "before");
    await bob.say("alice", "hello");
    await alice.hears("bob", "hello");
    const group = await alice.client.groups.create({ name: "friends", members: ["bob", "carol"] });
    await say(alice, group, "to all");
    for (const someone of [bob, carol]) {
      await expect.poll(() => textsIn(someone, group).catch(() => [])).toEqual(["to all"]);
      await someone.client.accept(group);
    }
    await alice.client.setNote("bob", "a friend");
    await using dave = await person(at, "dave");
    await dave.say("carol", "hello carol");
    await carol.hears("dave", "hello carol");
    await using oldPhone = await anotherDevice(at, carol, { profile: "carol-old" });
    await expect.poll(() => textsIn(oldPhone, group).catch(() => [])).toEqual(["to all"]);

    await installation.stop();
    installation.backUp();
    await installation.start();
    for (const { client } of [alice, bob, carol, dave]) await client.caughtUp(AbortSignal.timeout(30_000));

    // What the backup does not have.
    await say(alice, direct, "one that is lost");
    await bob.hears("alice", "one that is lost");
    await say(bob, direct, "and another");
    await alice.hears("bob", "and another");
    // What has a lifetime lives no longer for being lost [H4].
    await alice.client.send(direct, "for an hour", { expiresAfter: 3_600 });
    await bob.hears("alice", "for an hour");
    await using laptop = await anotherDevice(at, bob, { profile: "bob-laptop" });
    await expect.poll(() => textsIn(laptop, direct).catch(() => [])).toContain("and another");
    await carol.client.revokeDevices(carol.password, [oldPhone.me.device]);
    await expect.poll(() => oldPhone.client.connection.kind).toBe("ended");
    const password = newPassword();
    expect(await dave.client.succeed(dave.password, password)).toMatchObject({ kind: "succeeded" });
    await alice.client.groups.remove(group, ["carol"]);
    await say(alice, group, "without carol");
    await expect.poll(() => textsIn(bob, group)).toContain("without carol");
    const late = await bob.client.groups.create({ name: "late", members: ["alice"] });
    await say(bob, late, "a group that is lost");
    await expect.poll(() => textsIn(alice, late).catch(() => [])).toEqual(["a group that is lost"]);
    await alice.client.setNote("bob", "a good friend");
    await alice.client.setVerified("bob", true);
    await expect.poll(async () => (await alice.client.conversation(direct))?.peer?.verification).toBe("verified");

    const people = [alice, bob, carol, dave, laptop];
    for (const { client } of people) await client.caughtUp(AbortSignal.timeout(30_000));
    await installation.stop();
    installation.restore();
    await installation.start();

    for (const { client } of people) await client.caughtUp(AbortSignal.timeout(60_000));
    const warningsOf = ({ events }: Person) => events.flatMap((event) => (event.kind === "warning" ? [event.warning] : []));
    for (const someone of [alice, bob]) expect(warningsOf(someone)).toContain("incarnation");
    for (const someone of people)
      expect([someone.name, warningsOf(someone).filter((warning) => warning !== "incarnation" && warning !== "new-device")]).toEqual([
        someone.name,
        [],
      ]);

    // Everything works.
    await say(alice, direct, "after");
    await say(bob, direct, "after as well");
    const all = ["before", "hello", "one that is lost (lost)", "and another (lost)", "after", "after as well"];
    for (const someone of [alice, bob, laptop]) await expect.poll(() => textsIn(someone, direct), { message: someone.name }).toEqual(all);
    await say(laptop, direct, "from the device that was lost");
    for (const someone of [alice, bob]) await expect.poll(() => textsIn(someone, direct)).toContain("from the device that was lost");

    // Carol is out still, of the group and with the device that she revoked, whoever tells the server.
    await say(bob, group, "is carol out?");
    await expect.poll(() => textsIn(alice, group)).toContain("is carol out?");
    await expect.poll(async () => (await carol.client.conversation(group))?.blocked).toBe("out");
    expect(await textsIn(carol, group)).not.toContain("is carol out?");
    await oldPhone.reopen();
    await expect.poll(() => oldPhone.client.connection.kind).toBe("ended");
    await oldPhone.client.close();

    // Neither is the password that somebody knew worth anything again.
    const place = (profile: string) => ({ home: at.home, profile });
    const signInAs = (profile: string, given: string) => signIn(place(profile), { gateway: at.gatewayUrl, name: "dave", password: given });
    expect(await signInAs("thief", dave.password)).toMatchObject({ kind: "refused" });
    expect(await signInAs("dave-fresh", password)).toMatchObject({ kind: "signed-in" });
    await carol.client.acceptIdentity("dave");
    await carol.say("dave", "only for you");
    await dave.hears("carol", "only for you");

    await say(alice, late, "and back again");
    for (const someone of [alice, bob, laptop])
      await expect.poll(() => textsIn(someone, late), { message: someone.name }).toEqual(["a group that is lost (lost)", "and back again"]);
    const note = async ({ client }: Person) => (await client.conversation(direct))?.peer?.note;
    expect(await note(alice)).toBe("a good friend");

    // Who comes fresh has all that the server has.
    await using fresh = await anotherDevice(at, alice, { profile: "alice-fresh" });
    await fresh.client.caughtUp(AbortSignal.timeout(30_000));
    expect(await textsIn(fresh, direct)).toEqual(["before", "hello", "after", "after as well", "from the device that was lost"]);
    expect(await textsIn(fresh, group)).toContain("is carol out?");
    await expect.poll(() => note(fresh)).toBe("a good friend");
    expect((await fresh.client.conversation(direct))?.peer?.verification).toBe("verified");
    for (const someone of [alice, bob, laptop, fresh])
      for (const id of [direct, group, late]) expect([someone.name, await wrongIn(someone, id)]).toEqual([someone.name, []]);
  },
);

test("[H6] [H7] an account that was deleted after the backup is deleted again, by whoever knows of it", { timeout: 300_000 }, async () => {
  await using erin = await person(at, "erin");
  await using frank = await person(at, "frank");
  const direct = await erin.say("frank", "hi");
  await frank.hears("erin", "hi");
  await installation.stop();
  installation.backUp();
  await installation.start();
  for (const { client } of [erin, frank]) await client.caughtUp(AbortSignal.timeout(30_000));
  await erin.client.deleteAccount(erin.password);
  await expect.poll(async () => (await frank.client.conversation(direct))?.blocked).toBe("closed");
  await frank.client.close();

  await installation.stop();
  installation.restore();
  await installation.start();
  // It is whole again, until he is there.
  const enter = () => signIn({ home: at.home, profile: "erin-again" }, { gateway: at.gatewayUrl, name: "erin", password: "not hers" });
  expect(await enter()).toMatchObject({ kind: "refused", code: ErrorCode.WRONG_PASSWORD });
  await frank.reopen();
  await expect.poll(enter).toMatchObject({ kind: "refused", code: ErrorCode.ACCOUNT_CLOSED });
});
