import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  closeScreens,
  enter,
  environmentIn,
  fastchat,
  fastchatJson,
  newPassword,
  startSystem,
  type System,
  TestScreen,
} from "../testing/index.ts";

// Real terminals: the command as people start it, in pseudo terminals, with a real server behind.

let system: System;
const passwords = new Map<string, string>();

beforeAll(async () => {
  system = await startSystem();
  for (const name of ["alice", "bob", "carol", "dave"]) {
    passwords.set(name, await enter(system, name, { home: system.home, profile: name, gateway: system.gatewayUrl }));
  }
});

afterAll(async () => {
  await closeScreens();
  await system?.[Symbol.asyncDispose]();
});

const open = (profile: string, size: { columns?: number; rows?: number } = {}): TestScreen =>
  new TestScreen({ ...size, args: ["--profile", profile], environment: environmentIn(system) });

const ENTER = "\r";
const quit = "\u0011";
const nextUnread = "\u001ba";
const membersPanel = "\u001bm";
const ESCAPE = "\u001b";
/** Its last row is drawn last: what is typed before the panel has closed would follow Escape at once, and be another key. */
async function leavePanel(screen: TestScreen): Promise<void> {
  await screen.hides("Enter send");
  screen.type(ESCAPE);
  await screen.shows("Enter send");
}
/** Quits, which keeps the draft as it is now for whoever opens the profile next. */
async function leave(screen: TestScreen): Promise<void> {
  screen.type(quit);
  expect(await screen.ended()).toBe(0);
}

const PASTE = (text: string): string => `\u001b[200~${text}\u001b[201~`;

test("two people talk, each at a terminal and through a chat server of their own", async () => {
  await using alice = open("alice");
  await using bob = open("bob");
  await Promise.all([alice.shows("No new messages!"), bob.shows("No new messages!")]);
  alice.type(`bob${ENTER}`);
  await alice.shows("Message to bob");
  alice.type(`Hello Bob, 漢字 and 🎉!${ENTER}`);
  // They have not met before.
  await bob.shows("Requests (1)");
  expect(bob.text).not.toContain("Hello Bob");
  bob.type(`/requests${ENTER}`);
  await bob.shows("alice  Hello Bob, 漢字 and 🎉!");
  bob.type(ENTER);
  await bob.shows("alice is a stranger to you");
  bob.type(`/accept${ENTER}`);
  await bob.shows("Message to alice");
  await bob.hides("Requests");
  await bob.shows("new messages");
  bob.type(`Hello Alice${ENTER}`);
  await alice.shows("Hello Alice");
  await alice.until(
    ({ rows }) => rows.some((row) => row.includes("漢字 and 🎉!") && row.trimEnd().endsWith("✓✓")),
    "two ticks at what bob has",
  );
  for (let turn = 1; turn <= 3; turn++) {
    alice.type(`ping ${turn}${ENTER}`);
    await bob.shows(`ping ${turn}`);
    bob.type(`pong ${turn}${ENTER}`);
    await alice.shows(`pong ${turn}`);
  }
  // News of a chat that is not open.
  bob.type(`--${ENTER}`);
  await bob.hides("Message to alice");
  alice.type(`and once more${ENTER}`);
  await bob.shows("alice: and once more");
  bob.type(nextUnread);
  await bob.shows("Message to alice");
  // A screen is drawn row by row: the list of chats may say it before the conversation does.
  const order = [1, 2, 3].flatMap((turn) => [`ping ${turn}`, `pong ${turn}`]).join();
  await alice.until(({ rows }) => rows.flatMap((row) => /│.*(p[io]ng \d)/u.exec(row)?.[1] ?? []).join() === order, order);
  const accounts = (await Promise.all(["alice", "bob"].map((name) => fastchatJson(system, ["whoami", "--profile", name])))).flat();
  expect(accounts).toMatchObject(["alice", "bob"].map((name) => ({ name, connection: "online", server: expect.any(String) as unknown })));
  expect(new Set(accounts.map(({ server }) => server)).size).toBe(2);
  for (const screen of [alice, bob]) {
    await leave(screen);
    expect(screen.isAlternate).toBe(false);
  }
});

test("-- leaves the chat, and the draft of another chat waits", async () => {
  await using alice = open("alice");
  await alice.shows("FastChat");
  alice.type(`bob${ENTER}`);
  await alice.shows("Message to bob");
  alice.type("half a thought");
  await alice.shows("› half a thought");
  alice.type("\u000bcarol");
  await alice.shows("Find: carol");
  alice.type(ENTER);
  await alice.shows("Message to carol");
  alice.type(`--${ENTER}`);
  await alice.hides("Message to carol");
  await alice.shows("Type a name to talk to somebody");
  alice.type(`bob${ENTER}`);
  await alice.shows("› half a thought");
  alice.type("\u0015");
  await alice.shows("Message to bob");
  await leave(alice);
});

test("typing while messages come is not disturbed", async () => {
  await using bob = open("bob");
  await bob.shows("FastChat");
  bob.type(`alice${ENTER}`);
  await bob.shows("Message to alice");
  const sending = fastchat(system, ["send", "bob", "-", "--lines", "--profile", "alice"], {
    input: Array.from({ length: 60 }, (_, index) => `flood ${index + 1}`).join("\n"),
  });
  const written = "the quick brown fox jumps";
  for (const letter of written) {
    bob.type(letter);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  expect((await sending).code).toBe(0);
  await bob.shows("flood 60");
  await bob.shows(`› ${written}`);
  await bob.until(
    ({ rows, cursor }) => rows[cursor.y]!.includes(`› ${written}`) && cursor.x === rows[cursor.y]!.indexOf("›") + 2 + written.length,
    "the cursor behind what was written",
  );
  bob.type("\u0015");
  await bob.shows("Message to alice");
  await leave(bob);
});

test("a window that changes its size shows the same, whole, at any size", async () => {
  await using bob = open("bob");
  await bob.shows("FastChat");
  bob.type(`alice${ENTER}`);
  await bob.shows("flood 60");
  for (const [columns, rows] of [
    [40, 10],
    [140, 45],
    [64, 14],
    [100, 30],
  ] as const) {
    bob.resize(columns, rows);
    await bob.until(
      ({ rows: lines }) =>
        lines.length === rows &&
        lines.filter((line) => line.includes("Message to alice")).length === 1 &&
        lines.some((line) => line.includes("flood 60")),
      `${columns}×${rows}`,
    );
    await bob.until(({ rows: lines }) => lines.at(-1)!.includes("Enter send"), "the line of help at the bottom");
    expect(bob.rows.filter((line) => /(^|│) {2}flood 60/u.test(line)).length).toBe(1);
  }
});

test("wide characters and joined emoji are edited whole", async () => {
  await using bob = open("bob");
  await bob.shows("FastChat");
  bob.type(`alice${ENTER}`);
  await bob.shows("Message to alice");
  bob.type("ab漢字e\u0301🇩🇪");
  await bob.shows("› ab漢字e\u0301🇩🇪");
  bob.type("\u007f\u007f\u007f");
  await bob.hides("字");
  await bob.shows("› ab漢");
  const row = bob.rows.find((line) => line.includes("› ab"))!;
  // Two cells for 漢, and the arrow left goes over both.
  await bob.until(({ cursor }) => cursor.x === row.indexOf("›") + 2 + 4, "the cursor behind the wide characters");
  bob.type("\u001b[D");
  await bob.until(({ cursor }) => cursor.x === row.indexOf("›") + 4, "the cursor before the wide character");
  bob.type("\u0005\u0015");
  bob.type(PASTE("first line\nsecond line\nthird line"));
  await bob.until(({ text }) => /› first line *\n.*second line *\n.*third line/u.test(text), "three lines in the field");
  bob.type(ENTER);
  await bob.until(({ text }) => /▎ first line.*\n.*▎ second line.*\n.*▎ third line/u.test(text), "the message with its lines");
  await leave(bob);
});

test("escape sequences in messages do nothing", async () => {
  await using bob = open("bob");
  await bob.shows("FastChat");
  bob.type(`carol${ENTER}`);
  await bob.shows("Message to carol");
  await fastchat(system, ["send", "bob", "-", "--profile", "carol"], {
    input: "\u001b[2J\u001b[Hgone?\u001b]0;title\u0007\u001b[?1049l \u202eevil",
  });
  await bob.shows("␛[2J␛[Hgone?␛]0;title␇␛[?1049l evil");
  expect(bob.isAlternate).toBe(true);
  await bob.shows("Message to carol");
});

test("a group is made at a terminal, talked in with mentions, and its members stand beside it", async () => {
  await using alice = open("alice", { columns: 130 });
  await using bob = open("bob");
  await Promise.all([alice, bob].map((screen) => screen.shows("FastChat")));
  alice.type(`/group "Chess club" bob${ENTER}`);
  await alice.shows("Message to Chess club");
  await alice.shows("# Chess club  2 members");
  alice.type(`hello @b\t, shall we play?${ENTER}`);
  await bob.shows("@ Chess club · alice: hello @bob , shall we play?");
  bob.type(nextUnread);
  await bob.shows("Message to Chess club");
  bob.type(`gladly, @al\t${ENTER}`);
  await alice.shows("gladly, @alice");
  await alice.until(
    ({ rows }) => rows.some((row) => row.includes("shall we play?") && row.includes("✓✓")),
    "two ticks at what bob has read",
  );
  alice.type(membersPanel);
  await alice.shows("MEMBERS (2)");
  await alice.until(({ rows }) => rows.some((row) => /● bob *$/u.test(row)), "bob, who is there, in the panel");
  await alice.until(({ rows }) => rows.some((row) => /alice \(you\) +admin/u.test(row)), "alice, admin");
  await leavePanel(alice);
  alice.type(`/rename Chess and chat${ENTER}`);
  await bob.shows("# Chess and chat  2 members");
  await leave(alice);
  await leave(bob);
});

test("who types a stranger's name to talk to them accepts their request, and is told so", async () => {
  for (const name of ["olivia", "peggy"]) await enter(system, name, { home: system.home, profile: name, gateway: system.gatewayUrl });
  await fastchatJson(system, ["send", "olivia", "psst", "--profile", "peggy"]);
  await using olivia = open("olivia");
  await olivia.shows("Requests (1)");
  olivia.type(`peggy${ENTER}`);
  await olivia.shows("You accepted peggy's request.");
  await olivia.shows("Message to peggy");
  await olivia.shows("psst");
  await leave(olivia);
});

test("who is added by a stranger finds a request, and takes part once it is accepted", async () => {
  await using alice = open("alice");
  await using bob = open("bob");
  await using carol = open("carol");
  await Promise.all([...[alice, bob].map((screen) => screen.shows("# Chess and chat")), carol.shows("FastChat")]);
  for (const screen of [alice, bob]) screen.type(`chess and chat${ENTER}`);
  await Promise.all([alice, bob].map((screen) => screen.shows("Message to Chess and chat")));
  alice.type(`/add carol${ENTER}`);
  await Promise.all([alice, bob].map((screen) => screen.shows("3 members")));
  await bob.until(({ rows }) => rows.some((row) => row.includes("carol") && row.includes("added")), "that alice added carol");
  alice.type(`welcome!${ENTER}`);
  await carol.shows("Requests (");
  carol.type(`/requests${ENTER}`);
  await carol.shows("# Chess and chat");
  carol.type(ENTER);
  await carol.shows("/accept to take part");
  await carol.shows("They are not told that you read this.");
  await carol.shows("welcome!");
  carol.type(`too early${ENTER}`);
  await carol.shows("/accept first");
  carol.type(`\u0015/accept${ENTER}`);
  await carol.shows("Message to Chess and chat");
  await carol.until(({ rows }) => rows.some((row) => row.startsWith("▌# Chess and chat")), "the group in the list");
  carol.type(`hello from carol${ENTER}`);
  await Promise.all([alice, bob].map((screen) => screen.shows("hello from carol")));
  await Promise.all([alice, bob, carol].map(leave));
});

test("a member who is removed while the chat is open is put out and told by whom", async () => {
  await using alice = open("alice");
  await using bob = open("bob");
  await Promise.all([alice, bob].map((screen) => screen.shows("# Chess and chat")));
  for (const screen of [alice, bob]) screen.type(`chess and chat${ENTER}`);
  await Promise.all([alice, bob].map((screen) => screen.shows("Message to Chess and chat")));
  bob.type("/remove alice");
  bob.type(ENTER);
  await bob.shows("Only an admin can add or remove members.");
  bob.type("\u0015half a thought");
  await bob.shows("› half a thought");
  alice.type(membersPanel);
  await alice.shows("MEMBERS (3)");
  // Below alice herself.
  alice.type("\u001b[B");
  await alice.shows("x remove");
  alice.type("x");
  await alice.shows("Remove bob from Chess and chat?");
  alice.type("y");
  await bob.shows("alice removed you from Chess and chat.");
  await bob.shows("Type a name to talk to somebody");
  await alice.shows("MEMBERS (2)");
  await leavePanel(alice);
  alice.type(`without bob${ENTER}`);
  await alice.until(({ rows }) => rows.some((row) => row.includes("without bob") && row.includes("✓")), "what alice wrote on the server");
  // Still in bob's list, to be read.
  bob.type(`chess and chat${ENTER}`);
  await bob.shows("alice removed you: nothing can be written here.");
  await bob.shows("hello from carol");
  expect(bob.text).not.toContain("without bob");
  await bob.shows("› half a thought");
  bob.type(ENTER);
  await bob.shows("› half a thought");
  await leave(alice);
  await leave(bob);
});

test("a link is shown once, whoever pastes it is in the group, and can leave it", async () => {
  await using alice = open("alice", { columns: 200 });
  await using dave = open("dave");
  await Promise.all([alice.shows("# Chess and chat"), dave.shows("FastChat")]);
  alice.type(`chess and chat${ENTER}`);
  await alice.shows("Message to Chess and chat");
  alice.type(`/link 1 1${ENTER}`);
  await alice.shows("Good for 1 person");
  const [link = ""] = /https?:\/\/\S+\/join#\S+/u.exec(alice.text) ?? [];
  alice.type(ESCAPE);
  await alice.hides("/join#");
  dave.type(`${link}${ENTER}`);
  await dave.shows("Message to Chess and chat");
  await alice.until(({ rows }) => rows.some((row) => row.includes("dave joined")), "that dave joined");
  expect(dave.text).not.toContain("without bob");
  dave.type(`/leave${ENTER}`);
  await dave.shows("Leave Chess and chat for good?");
  dave.type("y");
  await dave.shows("You left Chess and chat.");
  await alice.until(({ rows }) => rows.some((row) => row.includes("dave left")), "that dave left");
  await leave(alice);
  await leave(dave);
});

test("[C7] a group is found by its public name, and who asks is let in", async () => {
  await using alice = open("alice", { columns: 200 });
  await using dave = open("dave", { columns: 100 });
  await Promise.all([alice.shows("# Chess and chat"), dave.shows("FastChat")]);
  alice.type(`chess and chat${ENTER}`);
  await alice.shows("Message to Chess and chat");
  alice.type(`/policy public open-chess${ENTER}`);
  await alice.shows('Publish this group as "open-chess"?');
  alice.type("y");
  await alice.shows("on the public list");
  dave.type(`/find chess${ENTER}`);
  await dave.shows("Groups that everybody here can ask to join:");
  await dave.shows("# open-chess");
  dave.type(ENTER);
  await dave.shows("Asked: the group is in your list");
  await alice.shows("asks to join · /requests");
  alice.type(`/requests${ENTER}`);
  await alice.shows("found its public name");
  alice.type("a");
  await dave.shows("Message to Chess and chat");
  await alice.shows("Nobody asks to be let in.");
  alice.type(ESCAPE);
  await alice.hides("Nobody asks to be let in.");
  alice.type(`/policy public none${ENTER}`);
  await alice.shows("off the public list");
  dave.type(`/find chess${ENTER}`);
  await dave.shows('No group here has a public name with "chess" in it.');
  await leave(alice);
  await leave(dave);
});

test("a broadcast list is made, written to and deleted on the screen", async () => {
  await using alice = open("alice", { columns: 120 });
  await alice.shows("# Chess and chat");
  alice.type(`/broadcast make friends bob nobody-here${ENTER}`);
  await alice.shows("nobody-here");
  await alice.shows("› /broadcast make friends bob nobody-here");
  alice.type(`\u0015/broadcast make "old friends" bob carol${ENTER}`);
  await alice.shows("old friends: bob and carol. Each hears from you alone");
  alice.type(`/broadcast "Old friends" hello, both${ENTER}`);
  await alice.shows("Sent to bob and carol, each by themselves.");
  alice.type(`/broadcast delete "old friends"${ENTER}`);
  await alice.shows("old friends is gone.");
  alice.type(`/broadcast delete friends${ENTER}`);
  await alice.shows('There is no list "friends"');
  alice.type("\u0015");
  await leave(alice);
});

test("whoever is not signed in hears each answer, and gets in", async () => {
  const password = passwords.get("carol")!;
  await using screen = new TestScreen({ environment: environmentIn(system, { home: join(system.folder, "other") }) });
  await screen.shows("Sign in");
  screen.type(`nobody-here${ENTER}${password}${ENTER}`);
  await screen.shows("No such user");
  screen.type("\u001b[A\u0015");
  screen.type(`carol${ENTER}wrong${ENTER}`);
  await screen.shows("Wrong password");
  expect(screen.text).not.toContain("wrong\n");
  screen.type(`${password}${ENTER}`);
  await screen.shows("Welcome, carol");
  await screen.shows("bob");
  screen.type(`/signout${ENTER}`);
  await screen.shows("Sign this device out");
  screen.type("y");
  expect(await screen.ended()).toBe(0);
  expect(screen.text).toContain("Signed out.");
});

test("signing up at a terminal shows the words once, and says what is taken", async () => {
  const password = newPassword();
  await using screen = new TestScreen({ environment: environmentIn(system, { home: join(system.folder, "new") }) });
  await screen.shows("Sign in");
  screen.type("\u000e");
  await screen.shows("Sign up");
  screen.type(`alice${ENTER}${password}${ENTER}${password}${ENTER}`);
  await screen.shows("Username already taken");
  screen.type(`\u001b[A\u0015newcomer${ENTER}${password}${ENTER}${password}${ENTER}`);
  await screen.shows("twelve words");
  await screen.shows("12 ");
  screen.type(ENTER);
  await screen.shows("No new messages!");
  screen.type(quit);
  expect(await screen.ended()).toBe(0);
});

test("without services the client says so and goes on trying", async () => {
  await using screen = new TestScreen({
    environment: environmentIn(system, { home: join(system.folder, "nowhere"), gateway: "http://127.0.0.1:9" }),
  });
  await screen.shows("Sign in");
  screen.type(`alice${ENTER}${newPassword()}${ENTER}`);
  await screen.shows("Sorry, no services available. Trying again");
  screen.type("\u001b");
  await screen.hides("Sorry");
  screen.type(quit);
  expect(await screen.ended()).toBe(0);
});

test("a signal leaves the terminal as it was", async () => {
  await using bob = open("bob");
  await bob.shows("FastChat");
  await bob.until(({ isAlternate }) => isAlternate, "the alternate screen");
  bob.signal("SIGTERM");
  expect(await bob.ended()).toBe(143);
  expect(bob.isAlternate).toBe(false);
});
