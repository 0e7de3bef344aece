import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { shared, templateIn } from "../../testing/shared/shared.ts";
import { TemporaryFolder } from "../../testing/temporary-folder.ts";
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, PostgresStartError, startPostgres } from "./index.ts";

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
let folder: TemporaryFolder;
let root: string;
let dataFolder: string;
let lines: string[] = [];
let children: ChildProcess[] = [];

beforeAll(() => {
  folder = new TemporaryFolder();
  root = folder.path;
});

afterAll(() => folder?.[Symbol.dispose]());

/** Where a test does not need to see a cluster made, it starts from a copy. */
const templateFolder = templateIn(shared()!.folder);

let count = 0;
function freshFolder(): void {
  dataFolder = join(root, `data-${++count}`);
}

async function endAll(): Promise<void> {
  for (const child of children) {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  await until(() => processesOn(dataFolder).length === 0);
  [children, lines] = [[], []];
}

async function removeFolder(): Promise<void> {
  await endAll();
  rmSync(dataFolder, { recursive: true, force: true });
}

/** As it is started outside tests. */
const plain = (): EmbeddedPostgresOptions => ({ dataFolder, port: 0, log: (line) => lines.push(line) });

const options = (more: Partial<EmbeddedPostgresOptions> = {}): EmbeddedPostgresOptions => ({ ...plain(), templateFolder, ...more });

async function until(condition: () => boolean, milliseconds = 20_000): Promise<void> {
  for (const end = Date.now() + milliseconds; !condition(); await wait(50)) {
    if (Date.now() > end) throw new Error(`Waited ${milliseconds} ms in vain for ${condition.toString()}\n${lines.join("\n")}`);
  }
}

/** One statement over a connection of its own; tried again while PostgreSQL is away, as every client of ours does. */
async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  for (const end = Date.now() + 20_000; ; await wait(100)) {
    const client = new pg.Client(url);
    client.on("error", () => {});
    try {
      await client.connect();
      return (await client.query(sql)).rows as Record<string, unknown>[];
    } catch (error) {
      if (Date.now() > end || !/ECONNREFUSED|ECONNRESET|terminat|starting up|shutting down|recovery|not yet accepting/.test(String(error)))
        throw error;
    } finally {
      await client.end().catch(() => {});
    }
  }
}

let tables = 0;
/** Stores something; whether it is there is told by asking again. */
async function keep(url: string): Promise<(url: string) => Promise<boolean>> {
  const table = `kept_${++tables}`;
  await query(url, `CREATE TABLE ${table} AS SELECT 1 AS n`);
  return async (again) => (await query(again, `SELECT n FROM ${table}`))[0]?.["n"] === 1;
}

type Seen = { pid: number; command: string };

/** Living processes that work in the data folder or name it: PostgreSQL's, and the shells that watch it. */
function processesOn(folder: string): Seen[] {
  const seen: Seen[] = [];
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
      const isZombie = command === "";
      const worksThere = !isZombie && readlinkSync(`/proc/${name}/cwd`).startsWith(`${folder}/`);
      const names = command.includes(`${folder}/`) && !command.includes("startPostgres");
      if (worksThere || names) seen.push({ pid: Number(name), command });
    } catch (error) {
      if (!["ENOENT", "ESRCH", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
  return seen;
}

/** A process of its own that starts PostgreSQL and stays; resolves with its url, or with the sentence that it was refused with. */
async function startInChild(user: { uid?: number; gid?: number } = {}): Promise<{ child: ChildProcess; said: string }> {
  const settings = { dataFolder, port: 0, ...(user.uid === undefined ? { templateFolder } : {}) };
  const program = `
    const { startPostgres } = await import(${JSON.stringify(new URL("index.ts", import.meta.url).href)});
    try {
      const postgres = await startPostgres({ ...${JSON.stringify(settings)}, log: () => {} });
      console.log(postgres.url);
      process.on("SIGTERM", () => postgres[Symbol.asyncDispose]());
    } catch (error) {
      console.log(error.kind + ": " + error.message);
    }`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    ...user,
    cwd: "/",
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [said] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  return { child, said };
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
}

describe("made by initdb", () => {
  beforeAll(freshFolder);
  afterAll(removeFolder);

  test("a new cluster has checksums, fsync, UTF-8, scram, and its password in a private file", async () => {
    await using postgres = await startPostgres(plain());
    const show = async (name: string) => Object.values((await query(postgres.url, `SHOW ${name}`))[0]!)[0];
    expect(await show("server_version")).toMatch(/^18\./);
    expect(await show("data_checksums")).toBe("on");
    expect(await show("fsync")).toBe("on");
    expect(await show("synchronous_commit")).toBe("on");
    expect(await show("server_encoding")).toBe("UTF8");
    expect(await show("listen_addresses")).toBe("127.0.0.1");
    const [role] = await query(postgres.url, "SELECT rolpassword FROM pg_authid WHERE rolname = 'fastchat'");
    expect(role!["rolpassword"]).toMatch(/^SCRAM-SHA-256\$/);
    const wrong = postgres.url.replace(/:[^:@]+@/, ":wrong@");
    await expect(query(wrong, "SELECT 1")).rejects.toThrow("password authentication failed");
    expect(statSync(join(dataFolder, "password")).mode & 0o777).toBe(0o600);
    expect(statSync(join(dataFolder, "cluster")).mode & 0o777).toBe(0o700);
  });

  test("a lost password file is replaced by a new password", async () => {
    const { url } = await (async () => {
      await using postgres = await startPostgres(plain());
      return postgres;
    })();
    rmSync(join(dataFolder, "password"));
    await using postgres = await startPostgres(plain());
    expect(new URL(postgres.url).password).not.toBe(new URL(url).password);
    expect(await query(postgres.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  });
});

describe("one that runs", () => {
  let postgres: EmbeddedPostgres;
  let restarts = 0;
  beforeAll(async () => {
    freshFolder();
    postgres = await startPostgres(options({ onRestart: () => restarts++ }));
  });
  afterAll(async () => {
    await postgres?.[Symbol.asyncDispose]();
    await removeFolder();
  });

  test.runIf(isRoot)("as root, PostgreSQL runs as an unprivileged user that may write nothing but its cluster", async () => {
    expect(statSync(`/proc/${postgres.processId}`).uid).toBe(60_732);
    expect(statSync(join(dataFolder, "cluster")).uid).toBe(60_732);
    for (const name of ["password", "pg_hba.conf", "lock"]) expect(statSync(join(dataFolder, name)).uid).toBe(0);
    expect(statSync(dataFolder).mode & 0o777).toBe(0o711);
  });

  test("a second starter on the same folder is refused with a sentence, and harms nothing", async () => {
    const { said } = await startInChild();
    expect(said).toBe(
      `in-use: Another FastChat (process ${process.pid}) is using ${dataFolder}: stop it first, or choose another data folder with --data.`,
    );
    await expect(startPostgres(options())).rejects.toMatchObject({ kind: "in-use" });
    expect(await query(postgres.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  });

  test("kill -9 of a backend: PostgreSQL recovers by itself", async () => {
    const kept = await keep(postgres.url);
    const client = new pg.Client(postgres.url);
    const broken = new Promise((resolve) => client.once("error", resolve));
    await client.connect();
    const before = postgres.processId;
    const backend = (await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]!.pid;
    process.kill(backend, "SIGKILL");
    await broken;
    await client.end().catch(() => {});
    expect(await kept(postgres.url)).toBe(true);
    expect(postgres.processId).toBe(before);
  });

  test("kill -9 of the shell that waits for PostgreSQL: it is started again", async () => {
    const before = postgres.processId!;
    const due = restarts + 1;
    const waiter = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${before}/status`, "utf8"))![1]);
    process.kill(waiter, "SIGKILL");
    await until(() => restarts === due);
    expect(postgres.processId).not.toBe(before);
    expect(await query(postgres.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  });

  test("kill -9 of PostgreSQL: it is started again at the same address with all that was committed", async () => {
    await query(postgres.url, "CREATE TABLE kept (n int)");
    for (const round of [1, 2]) {
      await query(postgres.url, `INSERT INTO kept VALUES (${round})`);
      const killed = postgres.processId!;
      const due = restarts + 1;
      process.kill(killed, "SIGKILL");
      await until(() => restarts === due);
      expect(postgres.processId).not.toBe(killed);
    }
    expect(await query(postgres.url, "SELECT n FROM kept ORDER BY n")).toEqual([{ n: 1 }, { n: 2 }]);
  });
});

describe("one that is started again and again", () => {
  beforeAll(freshFolder);
  afterEach(endAll);
  afterAll(removeFolder);

  test("disposing stops PostgreSQL and its watchers, and a start afterwards has the data", async () => {
    const kept = await (async () => {
      await using postgres = await startPostgres(options());
      expect(processesOn(dataFolder).length).toBeGreaterThan(2);
      return await keep(postgres.url);
    })();
    expect(processesOn(dataFolder)).toEqual([]);
    expect(existsSync(join(dataFolder, "cluster", "postmaster.pid"))).toBe(false);
    await using again = await startPostgres(options());
    expect(await kept(again.url)).toBe(true);
  });

  test("kill -9 of the parent: PostgreSQL ends by itself, and the next start has the data", async () => {
    const { child, said } = await startInChild();
    const kept = await keep(said);
    expect(processesOn(dataFolder).length).toBeGreaterThan(2);
    await kill(child, "SIGKILL");
    await until(() => processesOn(dataFolder).length === 0);
    await using postgres = await startPostgres(options());
    expect(await kept(postgres.url)).toBe(true);
  });

  test("kill -9 of the parent, and a start at once: no waiting by hand, no second PostgreSQL", async () => {
    const { child, said } = await startInChild();
    const kept = await keep(said);
    await kill(child, "SIGKILL");
    await using postgres = await startPostgres(options());
    expect(await kept(postgres.url)).toBe(true);
  });

  test("kill -9 of the parent and of everything that watches: the next start ends the orphan first", async () => {
    const { child, said } = await startInChild();
    const kept = await keep(said);
    child.kill("SIGSTOP");
    const watchers = processesOn(dataFolder).filter(({ command }) => command.startsWith("/bin/sh"));
    expect(watchers).toHaveLength(2);
    for (const { pid } of watchers) process.kill(pid, "SIGKILL");
    await kill(child, "SIGKILL");
    await wait(500);
    expect(processesOn(dataFolder).length, "the orphan runs on").toBeGreaterThan(2);
    await using postgres = await startPostgres(options());
    expect(lines.join("\n")).toContain("stopping the PostgreSQL that an earlier FastChat left behind");
    expect(await kept(postgres.url)).toBe(true);
  });

  test("a stale lock file whose process id is another program of the same user does not stop a start", async () => {
    await (await startPostgres(options()))[Symbol.asyncDispose]();
    const { uid, gid } = statSync(join(dataFolder, "cluster"));
    const other = spawn("/bin/sleep", ["60"], isRoot ? { uid, gid } : {});
    children.push(other);
    const lockFile = join(dataFolder, "cluster", "postmaster.pid");
    writeFileSync(lockFile, `${other.pid}\n${join(dataFolder, "cluster")}\n1700000000\n5432\n\n127.0.0.1\n  1234567     65536\nready   \n`);
    await using postgres = await startPostgres(options());
    expect(await query(postgres.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
    expect([other.exitCode, other.signalCode], "the other program is left alone").toEqual([null, null]);
  });

  test("a stale lock file whose process id is nobody's does not stop a start", async () => {
    const { child } = await startInChild();
    const watchers = processesOn(dataFolder);
    child.kill("SIGSTOP");
    for (const { pid } of watchers) process.kill(pid, "SIGKILL");
    await kill(child, "SIGKILL");
    await until(() => processesOn(dataFolder).length === 0);
    expect(existsSync(join(dataFolder, "cluster", "postmaster.pid"))).toBe(true);
    await using postgres = await startPostgres(options());
    expect(await query(postgres.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  });

  test("a taken port means the next free one", async () => {
    const holder = createServer();
    holder.listen(0, "127.0.0.1");
    await once(holder, "listening");
    const taken = (holder.address() as AddressInfo).port;
    try {
      await using postgres = await startPostgres(options({ port: taken }));
      expect(postgres.port).toBeGreaterThan(taken);
      expect(await query(postgres.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
    } finally {
      holder.close();
    }
  });
});

describe("one of its own", () => {
  beforeEach(freshFolder);
  afterEach(removeFolder);

  test("a start can be aborted, and leaves nothing that runs", async () => {
    await expect(startPostgres({ ...plain(), signal: AbortSignal.timeout(300) })).rejects.toThrow(/abort|timeout/i);
    await until(() => processesOn(dataFolder).length === 0);
    await using postgres = await startPostgres(options());
    expect(await query(postgres.url, "SELECT 1 AS n")).toEqual([{ n: 1 }]);
  });

  test.runIf(isRoot)("a data folder that PostgreSQL's user cannot enter is refused with a sentence that says what to do", async () => {
    const closed = mkdtempSync(join(root, "closed-"));
    const error = await startPostgres(options({ dataFolder: join(closed, "data") })).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PostgresStartError);
    expect((error as Error).message).toContain(
      `cannot enter ${closed}: choose another data folder with --data, for example /var/lib/fastchat`,
    );
  });

  test.runIf(isRoot)("the data of a normal user stays that user's when root starts it", async (context) => {
    // In a checkout that only root can enter, another user can run nothing of ours: that case is a whole checkout of that user.
    const reaches = spawn("/bin/sh", ["-c", `test -r "$1" && test -x "$2"`, "sh", new URL(import.meta.url).pathname, process.execPath], {
      uid: nobody,
      gid: nobody,
    });
    const [code] = (await once(reaches, "exit")) as [number];
    if (code !== 0) context.skip("LEFT OUT: this checkout is closed to other users");
    const home = mkdtempSync(join(root, "home-"));
    chmodSync(home, 0o777);
    dataFolder = join(home, "data");
    const { child, said } = await startInChild({ uid: nobody, gid: nobody });
    const kept = await keep(said);
    expect(processesOn(dataFolder).every(({ pid }) => statSync(`/proc/${pid}`).uid === nobody)).toBe(true);
    await kill(child, "SIGTERM");
    {
      await using postgres = await startPostgres(plain());
      expect(await kept(postgres.url)).toBe(true);
      expect(statSync(`/proc/${postgres.processId}`).uid).toBe(nobody);
    }
    const again = await startInChild({ uid: nobody, gid: nobody });
    expect(await kept(again.said)).toBe(true);
  });
});
