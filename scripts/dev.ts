/**
 * `npm run dev`: everything on one machine in a data folder of its own, seeded with three people who have talked, and
 * restarted from there the next time. Prints the addresses and how to open each client.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { listProfiles, openClient, signUp } from "@fastchat/client/node";
import { defaultDataFolder, readUpState } from "@fastchat/protocol/local";

const root = join(import.meta.dirname, "..");
const data = `${defaultDataFolder(process.env)}-dev`;
const home = join(data, "profiles");
const firstPort = "8180";
/** Nobody but whoever develops signs in with it: the gateway listens on loopback. */
const password = "gravel-otter-46-quartz-linen";
const names = ["alice", "bob", "carol"] as const;
const said: readonly [from: string, to: string, text: string][] = [
  ["alice", "bob", "Hi Bob, this is FastChat."],
  ["bob", "alice", "Hello Alice! What does the server see of this?"],
  ["alice", "bob", "That we talk, and when. Not a word of it."],
  ["carol", "alice", "Lunch at noon?"],
];

const up = spawn(process.execPath, [join(root, "terminal", "bin", "fastchat.js"), "up", "--data", data, "--port", firstPort], {
  stdio: "inherit",
});
const ended = once(up, "exit");
// Ctrl-C reaches the child by itself; whoever ends only us must end it too.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => up.kill("SIGTERM"));

async function gatewayWhenReady(): Promise<string | undefined> {
  while (up.exitCode === null && up.signalCode === null) {
    const state = await readUpState(data);
    if (state !== undefined && state.pid === up.pid) {
      const answer = await fetch(`${state.gateway}/readyz`).catch(() => undefined);
      if (answer?.ok) return state.gateway;
    }
    await wait(200);
  }
  return undefined;
}

async function seed(gateway: string): Promise<void> {
  const present = await listProfiles(home);
  const missing = names.filter((name) => !present.includes(name));
  for (const name of missing) {
    const result = await signUp({ home, profile: name }, { gateway, name, password });
    if (result.kind !== "signed-up") throw new Error(`${name} could not sign up: ${"sentence" in result ? result.sentence : result.kind}`);
  }
  if (missing.length < names.length) return;
  for (const [from, to, text] of said) {
    await using client = await openClient({ home, profile: from }, { gateway });
    if (client === undefined) continue;
    await client.caughtUp();
    const conversation = await client.openDirect(to);
    await client.send(conversation, text);
    await client.sent(conversation);
  }
}

try {
  const gateway = await gatewayWhenReady();
  if (gateway !== undefined) {
    await seed(gateway);
    console.log(`\nSeeded: ${names.join(", ")}, password "${password}". Open a client with one of\n`);
    for (const name of names) console.log(`  npx fastchat --home ${home} --profile ${name} --gateway ${gateway}`);
  }
} catch (error) {
  up.kill("SIGTERM");
  throw error;
}
const [code] = await ended;
process.exitCode = typeof code === "number" ? code : 1;
