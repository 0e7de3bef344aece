import { type FSWatcher, mkdirSync, mkdtempSync, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeScreens, environmentIn, fastchat, type Person, person, startSystem, type System, TestScreen } from "../testing/index.ts";

// QuickChat as people use it on a machine that is not theirs.

let system: System;
let alice: Person;
let bob: Person;
beforeAll(async () => {
  system = await startSystem({ servers: 1 });
  [alice, bob] = [await person(system, "alice"), await person(system, "bob")];
  await alice.say("bob", "from before");
  await bob.hears("alice", "from before");
  await bob.say("alice", "an old answer");
  await alice.hears("bob", "an old answer");
});
afterAll(async () => {
  await closeScreens();
  for (const each of [alice, bob]) await each?.[Symbol.asyncDispose]();
  await system?.[Symbol.asyncDispose]();
});

const ENTER = "\r";
const quit = "\u0011";
const pageUp = "\u001b[5~";

/** Somebody else's machine: all folders that programs write to are its own, and watched. */
class Machine implements Disposable {
  readonly screen: TestScreen;
  readonly #folder: string;
  readonly #changes: string[] = [];
  readonly #watching: FSWatcher;

  constructor(args: readonly string[], environment: Record<string, string> = {}) {
    this.#folder = mkdtempSync(join(system.folder, "foreign-"));
    const [home, temporary] = [join(this.#folder, "home"), join(this.#folder, "tmp")];
    for (const each of [home, temporary]) mkdirSync(each);
    this.#watching = watch(this.#folder, { recursive: true }, (_, name) => this.#changes.push(String(name)));
    const folders = { HOME: home, TMPDIR: temporary, XDG_DATA_HOME: join(home, ".data"), XDG_CONFIG_HOME: join(home, ".config") };
    this.screen = new TestScreen({
      args,
      environment: { ...environmentIn(system, { home: join(home, ".fastchat") }), ...folders, ...environment },
    });
  }

  /** Names of what was written, also if it is gone by now, and of what is there. */
  get traces(): string[] {
    return [...this.#changes, ...readdirSync(this.#folder, { recursive: true }).map(String)].filter((name) => !/^(home|tmp)$/u.test(name));
  }

  [Symbol.dispose](): void {
    this.#watching.close();
  }
}

const devices = async () =>
  (await alice.client.devices()).map(({ name, state, quick }) => ({ name: name.replace(/ on .*/u, ""), state, quick }));

async function signsIn({ screen }: Machine): Promise<void> {
  await screen.shows("QuickChat");
  await screen.shows("Your password is typed on this machine.");
  screen.type(`${alice.password}${ENTER}`);
  await screen.shows("No new messages!");
}

test("[H5] in QuickChat only what is new is shown, what was before on the way up; quitting signs out, and leaves nothing here", async () => {
  using machine = new Machine(["--quick", "alice"]);
  const { screen } = machine;
  await signsIn(machine);
  expect(screen.text).toContain("only what arrives from now on is shown");
  screen.type(`bob${ENTER}`);
  await screen.shows("Nothing new yet. PgUp shows what was written before.");
  await bob.say("alice", "news for you");
  await screen.shows("news for you");
  screen.type(`thanks${ENTER}`);
  await bob.hears("alice", "thanks");
  expect(screen.text).not.toContain("old answer");
  expect((await devices())[0]).toEqual({ name: "QuickChat", state: "active", quick: true });
  screen.type(pageUp);
  await screen.shows("an old answer");
  await screen.shows("from before");
  screen.type(quit);
  expect(await screen.ended()).toBe(0);
  expect(screen.text).toContain("QuickChat is over: you are signed out, and nothing is left on this machine.");
  expect((await devices())[0]).toEqual({ name: "QuickChat", state: "signed-out", quick: true });
  expect(machine.traces).toEqual([]);
});

test.each(["SIGTERM", "SIGHUP", "SIGINT"])("[H5] %s ends QuickChat as quitting does", async (signal) => {
  using machine = new Machine(["signin", "--quick", "alice"]);
  await signsIn(machine);
  machine.screen.signal(signal);
  expect(await machine.screen.ended()).toBeGreaterThan(128);
  await expect.poll(async () => (await devices())[0]).toEqual({ name: "QuickChat", state: "signed-out", quick: true });
  expect(machine.traces).toEqual([]);
});

test("[H5] one that is only just being signed in is signed out again", async () => {
  const before = await alice.client.devices();
  using machine = new Machine(["--quick", "alice"]);
  const { screen } = machine;
  await screen.shows("Username");
  screen.type(`${alice.password}${ENTER}`);
  await screen.shows("Signing in…");
  screen.signal("SIGTERM");
  expect(await screen.ended()).toBe(143);
  const after = await alice.client.devices();
  expect(after.length - before.length).toBe(1);
  expect(after[0]).toMatchObject({ state: "signed-out" });
});

test("[H3] [H5] of one that is killed the other devices see what it was, and nothing is left here either", async () => {
  using machine = new Machine(["--quick", "alice"]);
  await signsIn(machine);
  await expect.poll(async () => (await devices())[0]?.name).toBe("QuickChat");
  machine.screen.signal("SIGKILL");
  await machine.screen.ended();
  expect((await devices())[0]).toEqual({ name: "QuickChat", state: "active", quick: true });
  expect(machine.traces).toEqual([]);
});

test("[H5] QuickChat needs a terminal, and no profile", async () => {
  for (const args of [
    ["--quick", "alice"],
    ["signin", "alice", "--quick", "--json"],
  ]) {
    const { code, errors } = await fastchat(system, args);
    expect([code, errors]).toEqual([2, expect.stringContaining("needs a terminal")]);
  }
  await using screen = new TestScreen({ args: ["--quick", "alice", "--profile", "alice"], environment: environmentIn(system) });
  expect(await screen.ended()).toBe(2);
  expect(screen.text).toContain("QuickChat uses no profile");
});

test("[H8] at the sign-in on the screen it is asked whether to sign out there", async () => {
  await alice.client.setSessionPolicy("single");
  using machine = new Machine(["--quick", "alice"]);
  const { screen } = machine;
  await screen.shows("Your password is typed on this machine.");
  screen.type(`${alice.password}${ENTER}`);
  await screen.shows("Already signed in on");
  await screen.shows("Sign out there and go on here?");
  screen.type(`${ENTER}n`);
  await screen.shows("Nothing was changed.");
  expect(alice.client.connection.kind).toBe("online");
  screen.type(`${alice.password}${ENTER}`);
  await screen.shows("Sign out there and go on here?");
  screen.type("y");
  await screen.shows("No new messages!");
  await expect.poll(() => alice.client.connection.kind).toBe("ended");
  screen.type(quit);
  expect(await screen.ended()).toBe(0);
  expect(machine.traces).toEqual([]);
});
