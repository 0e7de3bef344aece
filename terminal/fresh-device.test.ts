import { afterAll, beforeAll, expect, test } from "vitest";
import {
  closeScreens,
  environmentIn,
  fastchat,
  fastchatJson,
  FrameProxy,
  type Person,
  person,
  startSystem,
  type System,
  TestScreen,
} from "../testing/index.ts";

// A device that was signed in just now, at a terminal: all is there, and what takes long says so.

const MESSAGES = 1_500;
const PAGE_UP = "\u001b[5~";

let system: System;
let alice: Person;
beforeAll(async () => {
  system = await startSystem();
  alice = await person(system, "alice");
  const withBob = await alice.say("bob", "the first one");
  const withCarol = await alice.say("carol", "hello carol");
  {
    await using bob = await person(system, "bob");
    await bob.hears("alice", "the first one");
    await bob.client.sendAll(
      withBob,
      Array.from({ length: MESSAGES }, (_, number) => `bob says ${number}`),
    );
    await bob.client.sent(withBob, AbortSignal.timeout(60_000));
  }
  await alice.hears("bob", `bob says ${MESSAGES - 1}`);
  await alice.client.setDraft(withCarol, "half a thought");
  await alice.client.setPinned(withCarol, true);
  const { head } = (await alice.client.conversation(withBob))!;
  await alice.client.markRead(withBob, head - 40);
  await alice.client.close();
  for (const home of ["scripts", "screen"]) {
    const signedIn = await fastchat(system, ["signin", "alice"], { ...at(home), environment: { FASTCHAT_PASSWORD: alice.password } });
    expect([signedIn.code, signedIn.errors]).toEqual([0, ""]);
  }
}, 120_000);
afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
});

const at = (home: string) => ({ home: `${system.folder}/${home}` });
const screenAt = (home: string, args: readonly string[] = []): TestScreen =>
  new TestScreen({ args, environment: environmentIn(system, at(home)) });

test("[H1] scripts on a fresh device: the list as it was left, and the whole history, with a line that counts while it is fetched", async () => {
  const conversations = await fastchatJson(system, ["conversations"], at("scripts"));
  expect(conversations).toMatchObject([
    { with: "carol", pinned: true, draft: "half a thought", unread: 0 },
    { with: "bob", pinned: false, unread: 40, draft: "" },
  ]);
  const [unpinned] = await fastchatJson(system, ["unpin", "carol"], at("scripts"));
  expect(unpinned).toMatchObject({ type: "pinned", with: "carol", pinned: false });
  const pinned = await fastchat(system, ["pin", "carol"], at("scripts"));
  expect([pinned.code, pinned.output]).toEqual([0, "Pinned carol.\n"]);
  await using screen = screenAt("scripts", ["read", "bob", "--all", "--peek"]);
  await screen.shows("Fetching older messages: ");
  await screen.shows(`bob says ${MESSAGES - 1}`);
  expect(await screen.ended()).toBe(0);
  expect(screen.text).not.toContain("Fetching");
  const all = await fastchatJson(system, ["read", "bob", "--all", "--peek"], at("scripts"));
  const texts = all.flatMap(({ type, text }) => (type === "message" ? [text] : []));
  expect(texts).toEqual(["the first one", ...Array.from({ length: MESSAGES }, (_, number) => `bob says ${number}`)]);
});

test("[H1] a history of which a part cannot be fetched: what is here is shown, and it says that it is not all", async () => {
  await using proxy = await FrameProxy.start(system.gatewayUrl);
  const short = { ...at("short"), gateway: proxy.url };
  const signedIn = await fastchat(system, ["signin", "alice"], { ...short, environment: { FASTCHAT_PASSWORD: alice.password } });
  expect(signedIn.code).toBe(0);
  const refuseFromNow = { refuses: () => true, toServer: () => undefined };
  proxy.script = {
    toServer: (frame, connection) => {
      if (frame.body.case !== "fetchEntries" || frame.body.value.before === undefined || frame.body.value.before > MESSAGES) return frame;
      proxy.script = refuseFromNow;
      connection.close();
      return undefined;
    },
  };
  for (const wanted of [["--all"], ["--last", String(MESSAGES)], ["--since", "2h"]]) {
    const { code, output, errors } = await fastchat(system, ["read", "bob", "--peek", ...wanted], short);
    expect([wanted, code, errors]).toEqual([wanted, 5, expect.stringContaining("older messages are missing here")]);
    expect(output).toContain(`bob says ${MESSAGES - 1}`);
    expect(output).not.toContain("the first one");
  }
  proxy.script = {};
  const whole = await fastchat(system, ["read", "bob", "--all", "--peek"], short);
  expect([whole.code, whole.output]).toEqual([0, expect.stringContaining("the first one")]);
});

test("[H1] the screen of a fresh device: pinned chats, drafts and unread counts, and PgUp goes back to the very beginning", async () => {
  await using screen = screenAt("screen");
  await screen.shows("PINNED");
  await screen.shows("draft: half");
  await screen.until(({ text }) => /bob .*40\b/u.test(text), "40 unread messages of bob's");
  screen.type("bob\r");
  await screen.shows("new messages");
  const isAtTop = ({ text }: TestScreen) => text.includes("the first one") && text.includes("bob says 0");
  for (let page = 0; page < 200 && !isAtTop(screen); page++) {
    const before = screen.text;
    screen.type(PAGE_UP);
    await screen.until((now) => now.text !== before || isAtTop(now), "something older");
  }
  expect(isAtTop(screen)).toBe(true);
  screen.type("\u0011");
  expect(await screen.ended()).toBe(0);
});
