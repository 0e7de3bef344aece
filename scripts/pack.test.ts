import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, globSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { TemporaryFolder, TestProcess } from "@fastchat/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestDatabase } from "../server/store/test-database.ts";
import { freePort } from "../testing/free-port.ts";
import { copySources } from "../testing/planted/copy.ts";

const root = join(import.meta.dirname, "..");
const password = "a horse that nobody rode twice";

/** Of what npm and Vitest tell their children, and of FastChat's own settings, a newcomer has none but where npm finds packages. */
const isOurs = (name: string) =>
  /^(npm_|NODE_|INIT_CWD$|VITEST|FASTCHAT_|DATABASE_URL$)/i.test(name) &&
  !/^(npm_config_(registry|cache|userconfig)|NODE_EXTRA_CA_CERTS)$/i.test(name);

/** The machine's own Node and npm, and nothing of this checkout. */
const environment: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOurs(name))),
  PATH: (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .join(delimiter),
};

const owned = new DisposableStack();
/** Where it is packed, away from this checkout, and unpacked. */
let folder: string;
let copy: string;
let tarball: string;
const read = (...path: string[]) => readFileSync(join(...path), "utf8");

interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Not synchronously: npm takes its time, and Vitest wants to hear of its worker. */
async function run(program: string, args: readonly string[], cwd: string, input = ""): Promise<Result> {
  const child = spawn(program, args, { cwd, env: environment, stdio: ["pipe", "pipe", "pipe"], timeout: 240_000 });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { status: status as number | null, stdout, stderr };
}

beforeAll(async () => {
  folder = owned.use(new TemporaryFolder()).path;
  // Inside, so that what is bundled has the names that it has in a checkout; packed in a copy, because npm reads another package.json meanwhile.
  mkdirSync(join(root, ".fastchat"), { recursive: true });
  copy = owned.use(new TemporaryFolder(join(root, ".fastchat"))).path;
  copySources(copy);
  for (const name of ["README.md", "CHANGELOG.md", "LICENSE", "docs", "deploy", "bench", ".gitignore"]) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  const packed = await run("npm", ["pack", "--pack-destination", folder], copy);
  expect(packed.stderr + packed.stdout).toContain("fastchat-0.1.0.tgz");
  tarball = join(folder, "fastchat-0.1.0.tgz");
  expect(await run("tar", ["xzf", tarball, "-C", folder], folder)).toMatchObject({ status: 0 });
}, 300_000);

afterAll(() => owned.dispose());

test("npm pack puts into the package what runs and what is read, and nothing else", () => {
  const files = globSync("**/*", { cwd: join(folder, "package"), withFileTypes: true })
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name).slice(join(folder, "package").length + 1));
  const expected =
    /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|(docs|deploy)\/.+|(protocol\/SPEC|bench\/README)\.md|dist\/fastchat\/(LICENSES\.txt|bin\/fastchat\.js|dist\/[\w-]+\.js))$/;
  expect(files.filter((file) => !expected.test(file))).toEqual([]);
  expect(files).toEqual(
    expect.arrayContaining(["LICENSE", "docs/operations.md", "dist/fastchat/bin/fastchat.js", "dist/fastchat/dist/main.js"]),
  );
  const tells = files.filter((file) => /\.(js|json|md|txt|yaml|service)$/.test(file) && read(folder, "package", file).includes(root));
  expect(tells, "files that name a folder of this machine").toEqual([]);
  const links = [...read(folder, "package", "README.md").matchAll(/\]\(([^)#\s]+)\)/g)].map(([, link]) => link!);
  expect(links.filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(folder, "package", link)))).toEqual([]);
});

test("the package's own package.json has exact dependencies and no scripts; that of the checkout is as it was", () => {
  const manifest = JSON.parse(read(folder, "package", "package.json")) as Record<string, Record<string, string>>;
  expect(manifest).toMatchObject({ name: "fastchat", version: "0.1.0", bin: { fastchat: "dist/fastchat/bin/fastchat.js" } });
  for (const name of ["scripts", "devDependencies", "workspaces", "private"]) expect(manifest).not.toHaveProperty(name);
  const versions = Object.values({ ...manifest["dependencies"], ...manifest["optionalDependencies"] });
  expect(versions.length).toBeGreaterThan(8);
  expect(versions.filter((version) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  expect(read(copy, "package.json")).toBe(read(root, "package.json"));
});

test("what others wrote and the bundle holds comes with its licence", () => {
  const licences = read(folder, "package", "dist", "fastchat", "LICENSES.txt");
  for (const name of ["react", "fastify", "pg", "@noble/hashes"]) {
    const { version } = JSON.parse(read(root, "node_modules", name, "package.json")) as { version: string };
    expect(licences).toContain(`${name} ${version} (MIT)`);
  }
  expect(licences).toContain("Permission is hereby granted, free of charge");
});

/** Processes whose command line names this folder. */
function processesOf(path: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const command = read("/proc", name, "cmdline").replaceAll("\0", " ");
        return command.includes(path) ? [command] : [];
      } catch {
        return [];
      }
    });
}

/** Installs the package; false where the registry cannot be reached, and says so. */
async function install(into: string, ...options: string[]): Promise<boolean> {
  const installed = await run("npm", ["install", tarball, "--prefer-offline", "--no-audit", "--no-fund", ...options], into);
  if (/ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH/.test(installed.stderr)) {
    console.warn("!!! npm's registry cannot be reached: the installation of the package was NOT TRIED !!!");
    return false;
  }
  expect(installed).toMatchObject({ status: 0 });
  return true;
}

test(
  "without its optional dependencies, as in deploy/Dockerfile, it is a gateway and a chat server",
  { timeout: 300_000 },
  async (context) => {
    using home = new TemporaryFolder();
    if (!(await install(home.path, "--omit=optional"))) return context.skip();
    await using database = await TestDatabase.create();
    const start = async (role: string): Promise<TestProcess> =>
      TestProcess.start({
        name: role,
        args: [join(home.path, "node_modules", ".bin", "fastchat"), role, "--port", String(await freePort())],
        logFile: join(home.path, `${role}.log`),
        environment: { DATABASE_URL: database.url, FASTCHAT_DATA: join(home.path, "data") },
      });
    await using gateway = await start("gateway");
    await using server = await start("server");
    for (const each of [server, gateway]) expect(await each.stop()).toBe("ended");
  },
);

test(
  "npm install of the package in an empty folder gives a fastchat that starts everything, and two people talk",
  { timeout: 600_000 },
  async (context) => {
    using home = new TemporaryFolder();
    if (!(await install(home.path))) return context.skip();
    const command = join(home.path, "node_modules", ".bin", "fastchat");
    expect((await run(command, ["--version"], home.path)).stdout).toBe("0.1.0\n");

    const [port, data] = [await freePort(), join(home.path, "data")];
    Object.assign(environment, { FASTCHAT_HOME: join(home.path, "profiles"), FASTCHAT_GATEWAY: `http://127.0.0.1:${port}` });
    await using up = new Up(command, ["up", "--port", String(port), "--data", data]);
    await expect.poll(() => up.output, { timeout: 120_000 }).toContain("FastChat is ready");
    expect(up.output).toContain(`Gateway on http://127.0.0.1:${port}`);
    const fastchat = (args: readonly string[], input = "") => run(command, args, home.path, input);
    for (const name of ["alice", "bob"]) {
      expect(await fastchat(["signup", name, "--profile", name, "--password-stdin"], `${password}\n`)).toMatchObject({ status: 0 });
    }
    expect(await fastchat(["send", "bob", "-", "--profile", "alice"], "from a package\n")).toMatchObject({ status: 0 });
    expect(await fastchat(["accept", "alice", "--profile", "bob"])).toMatchObject({ status: 0 });
    expect((await fastchat(["read", "alice", "--profile", "bob"])).stdout).toContain("from a package");
    // The one library that is no JavaScript.
    const picture = join(folder, "package", "docs", "images", "start.png");
    expect(await fastchat(["send", "bob", "--image", picture, "--profile", "alice"])).toMatchObject({ status: 0 });
    expect(await fastchat(["send", "alice", "and back", "--profile", "bob"])).toMatchObject({ status: 0 });
    expect((await fastchat(["read", "bob", "--profile", "alice"])).stdout).toContain("and back");

    // As Ctrl-C does.
    up.child.kill("SIGINT");
    expect(await up.ended).toBe(0);
    expect(processesOf(home.path)).toEqual([]);
    expect(existsSync(join(data, "state.json"))).toBe(false);
  },
);

/** The command that runs everything; it takes its processes along. */
class Up implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output = "";

  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { cwd: dirname(command), env: environment, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding("utf8").on("data", (more: string) => (this.output += more));
    }
    const { promise, resolve } = Promise.withResolvers<number | null>();
    this.child.once("exit", resolve);
    this.ended = promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGTERM");
    await this.ended;
  }
}
