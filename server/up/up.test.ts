import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ErrorCode } from "@fastchat/protocol";
import { type UpState, upStateFile } from "@fastchat/protocol/local";
import { COMMAND, TemporaryFolder } from "@fastchat/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { getTicket, signUp, TestConversation, TestSocket } from "../test-client.ts";
import { TestNats } from "../bus/test-nats.ts";
import { TestDatabase } from "../store/test-database.ts";

/** Ended after each test, however it went. */
const roles: Role[] = [];

/** A role in a real process. */
class Role implements AsyncDisposable {
  readonly child: ChildProcess;
  output = "";
  readonly ended: Promise<number | null>;

  constructor(folder: string, databaseUrl: string | undefined, ...args: string[]) {
    this.child = spawn(process.execPath, [COMMAND, ...args, "--data", folder], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, DATABASE_URL: databaseUrl ?? "", FASTCHAT_LOG: "warn" },
    });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    }
    this.ended = new Promise((resolve) => this.child.once("exit", resolve));
    roles.push(this);
  }

  async says(words: RegExp): Promise<RegExpExecArray> {
    return until(
      () => words.exec(this.output) ?? undefined,
      () => `it said: ${this.output}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGTERM");
    await this.ended;
  }
}

async function until<Found>(
  find: () => Found | undefined | Promise<Found | undefined>,
  otherwise = () => "it did not happen",
): Promise<Found> {
  for (let tries = 0; tries < 800; tries++) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(otherwise());
}

/** Processes whose command line names this folder. */
function processesOf(folder: string): { pid: number; command: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        return command.includes(folder) ? [{ pid: Number(name), command }] : [];
      } catch {
        return [];
      }
    });
}

const child = (folder: string, role: string) => processesOf(folder).filter(({ command }) => command.includes(`fastchat.js ${role}`));

let temporary: TemporaryFolder;
let folder: string;
beforeEach(() => {
  temporary = new TemporaryFolder();
  folder = temporary.path;
});
afterEach(async () => {
  for (const role of roles.splice(0)) await role[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
  temporary[Symbol.dispose]();
});

async function readyAt(up: Role): Promise<string> {
  await up.says(/FastChat is ready/);
  return (JSON.parse(readFileSync(join(folder, upStateFile), "utf8")) as UpState).gateway;
}

test("one command runs everything, on other ports when the usual are taken, and leaves nothing behind", { timeout: 120_000 }, async () => {
  const up = new Role(folder, undefined, "up", "--port", "18080");
  const gateway = await readyAt(up);
  using second = new TemporaryFolder();
  await using database = await TestDatabase.create();
  const other = new Role(second.path, database.url, "up", "--port", "18080", "--servers", "1");
  await other.says(/Port 18080 is taken: the gateway uses 1808\d/);
  await other.says(/FastChat is ready/);
  await other[Symbol.asyncDispose]();

  const alice = await signUp(gateway, "alice");
  const servers = new Set<string>();
  for (let index = 0; index < 4; index++) servers.add((await getTicket(gateway, alice.devices[0]!)).server);
  expect(servers.size).toBe(2);
  expect(statSync(join(folder, "secret.json")).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "database.json")).mode & 0o777).toBe(0o600);

  // A further one joins by hand, knowing the folder alone, and gets clients.
  const joined = new Role(folder, undefined, "server", "--port", "18090", "--name", "by-hand");
  await joined.says(/by-hand has joined/);
  const ticket = await getTicket(gateway, alice.devices[0]!, [...servers]);
  expect(ticket.server).toBe("by-hand");
  await using socket = await TestSocket.open(ticket.url);
  await socket.hello(ticket.ticket);
  joined.child.kill("SIGTERM");
  await socket.until(({ body }) => body.case === "move");
  await socket[Symbol.asyncDispose]();
  expect(await joined.ended).toBe(0);

  up.child.kill("SIGTERM");
  expect(await up.ended).toBe(0);
  expect(processesOf(folder)).toEqual([]);
  expect(existsSync(join(folder, "state.json"))).toBe(false);
  expect(existsSync(join(folder, "database.json"))).toBe(false);
});

test(
  "children that are killed are started again; killed itself, it takes everything along and starts again",
  { timeout: 120_000 },
  async () => {
    const up = new Role(folder, undefined, "up", "--port", "18180");
    const gateway = await readyAt(up);
    const alice = await signUp(gateway, "alice");
    const conversation = new TestConversation(alice);
    {
      await using socket = await TestSocket.welcome(gateway, alice.devices[0]!);
      await conversation.open(socket, alice);
      await socket.ask(conversation.send(await conversation.message("before", alice)), "sent");
    }
    for (const { pid } of [...child(folder, "server"), ...child(folder, "gateway")]) process.kill(pid, "SIGKILL");
    await up.says(/chat server \S+-18181: runs again/);
    await up.says(/chat server \S+-18182: runs again/);
    await up.says(/gateway: runs again/);
    {
      const again = await until(() => TestSocket.welcome(gateway, alice.devices[0]!).catch(() => undefined));
      await again.ask(conversation.send(await conversation.message("between", alice)), "sent");
      await again[Symbol.asyncDispose]();
    }
    up.child.kill("SIGKILL");
    await up.ended;
    await until(
      () => processesOf(folder).length === 0 || undefined,
      () => `left: ${JSON.stringify(processesOf(folder))}`,
    );

    await using next = new Role(folder, undefined, "up", "--port", "18180");
    const after = await readyAt(next);
    await using socket = await TestSocket.welcome(after, alice.devices[0]!);
    const { heads } = await socket.ask({ case: "catchUp", value: { cursors: [] } }, "heads");
    expect(heads.map((head) => head.sequence)).toEqual([3]);
  },
);

test(
  "a child that was told to end by itself is started again, and none where a signal reaches the children first",
  { timeout: 60_000 },
  async () => {
    await using database = await TestDatabase.create();
    const up = new Role(folder, database.url, "up", "--port", "18280");
    await readyAt(up);
    process.kill(child(folder, "server")[0]!.pid, "SIGTERM");
    const again = /(?:runs|started) again/g;
    await up.says(/chat server \S+: runs again/);
    const before = up.output.match(again)!.length;

    for (const { pid } of [...child(folder, "server"), ...child(folder, "gateway")]) process.kill(pid, "SIGTERM");
    // The gateway has ended by then, with time to be started again.
    await new Promise((resolve) => setTimeout(resolve, 700));
    up.child.kill("SIGTERM");
    expect(await up.ended).toBe(0);
    expect(up.output.match(again)).toHaveLength(before);
    expect(processesOf(folder)).toEqual([]);
  },
);

test("where sign-up is by invitation, both lines that up prints carry one that is good for both", { timeout: 60_000 }, async () => {
  vi.stubEnv("FASTCHAT_SIGN_UP", "invitation");
  await using database = await TestDatabase.create();
  const up = new Role(folder, database.url, "up", "--port", "18480", "--servers", "1");
  const gateway = await readyAt(up);
  await up.says(/stops everything/);
  const codes = Array.from(up.output.matchAll(/signup (alice|bob) .*--invitation (\S+)$/gm), ([, name, code]) => [name, code] as const);
  expect(codes.map(([name]) => name)).toEqual(["alice", "bob"]);
  for (const [name, code] of codes) await signUp(gateway, name!, code);
  await expect(signUp(gateway, "carol")).rejects.toMatchObject({ code: ErrorCode.INVITATION_NEEDED });
});

test("where NATS refuses or is none, up and a role end with a sentence, without the password", { timeout: 60_000 }, async ({ skip }) => {
  TestNats.orSkip(skip);
  await using nats = await TestNats.start(() => `authorization: { users: [{ user: "chat", password: "another" }] }`);
  await using database = await TestDatabase.create();
  for (const [url, sentence] of [
    [`nats://chat:hunter2@127.0.0.1:${nats.port}`, /^fastchat: NATS refuses to let this server in: .*NATS_URL.*\.$/m],
    [`http://chat:hunter2@127.0.0.1:${nats.port}`, /^fastchat: NATS_URL must look like nats:.*\.$/m],
  ] as const) {
    vi.stubEnv("NATS_URL", url);
    for (const role of ["server", "gateway", "up"]) {
      await using refused = new Role(folder, database.url, role, "--port", "18680");
      expect(await refused.ended).not.toBe(0);
      expect(refused.output).toMatch(sentence);
      expect(refused.output).not.toContain("hunter2");
    }
  }
});

test("a role without a database says what to do", async () => {
  await using lonely = new Role(folder, undefined, "server");
  expect(await lonely.ended).toBe(1);
  expect(lonely.output).toMatch(/^fastchat: No FastChat runs on .*fastchat up.*\.$/m);
});
