/**
 * How long does a person at the terminal wait? README.md says the method and what came out: `node bench/terminal.ts [keys]`.
 */
import { join } from "node:path";
import { person } from "@fastchat/testing";
import { startSystem } from "./on-disk.ts";
import { TestScreen } from "@fastchat/testing";
import { noise, spread, timed } from "./measure.ts";

const keys = Number(process.argv[2] ?? 300);
/** A quick typist: 12 keys a second. */
const KEY_EVERY_MS = 80;
const ENTER = "\r";
const QUIT = "\u0011";

await using system = await startSystem({ servers: 2 });
await noise();
const people = [await person(system, "alice"), await person(system, "bob")] as const;
await people[0].say("bob", "first");
await people[1].hears("alice", "first");
for (const { client } of people) await client.close();

const environment = { FASTCHAT_HOME: system.home, FASTCHAT_GATEWAY: system.gatewayUrl };
const open = (profile: string): TestScreen => new TestScreen({ args: ["--profile", profile], environment });
const leave = async (screen: TestScreen): Promise<void> => {
  screen.type(QUIT);
  await screen.ended();
};
const isOpen = ({ text }: TestScreen): boolean => text.includes("No new messages!") || text.includes("new message");

const openings: number[] = [];
for (let time = 0; time < 7; time++) {
  const since = performance.now();
  await using screen = open("alice");
  await screen.until(isOpen, "the conversations");
  openings.push(performance.now() - since);
  await leave(screen);
}
console.log(`the client of a signed-in profile, from the start of the process to its conversations: ${spread(openings)}`);

const signIns: number[] = [];
for (let time = 0; time < 7; time++) {
  await using screen = new TestScreen({ environment: { ...environment, FASTCHAT_HOME: join(system.folder, `home-${time}`) } });
  await screen.shows("Sign in");
  screen.type(`alice${ENTER}`);
  screen.type(people[0].password);
  const [took] = await timed(async () => {
    screen.type(ENTER);
    await screen.shows("bob");
  });
  signIns.push(took);
  await leave(screen);
}
console.log(`sign-in at the terminal on a new device, from Enter behind the password to the conversations: ${spread(signIns)}`);

await using alice = open("alice");
await using bob = open("bob");
await Promise.all([alice.until(isOpen, "the conversations"), bob.until(isOpen, "the conversations")]);
alice.type(`bob${ENTER}`);
bob.type(`alice${ENTER}`);
await Promise.all([alice.shows("Message to bob"), bob.shows("Message to alice")]);

const messages: number[] = [];
for (let turn = 0; turn < keys / 3; turn++) {
  const text = `ping ${turn}.`;
  alice.type(text);
  await alice.shows(`› ${text}`);
  const [took] = await timed(async () => {
    alice.type(ENTER);
    await bob.shows(text);
  });
  messages.push(took);
}
console.log(`a message, from Enter on one screen to the other screen: ${spread(messages)}`);

const pressed: number[] = [];
let line = "";
for (let key = 0; key < keys; key++) {
  const letter = String.fromCharCode(97 + (key % 26));
  line += letter;
  const [took] = await timed(async () => {
    alice.type(letter);
    await alice.shows(`› ${line}`);
  });
  pressed.push(took);
  if (line.length === 40) {
    alice.type("\u0015");
    await alice.shows("Message to bob");
    line = "";
  }
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, KEY_EVERY_MS - took)));
}
console.log(`a key, from the terminal to the screen: ${spread(pressed)}`);
await leave(alice);
await leave(bob);
await noise();
