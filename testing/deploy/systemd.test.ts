import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { connect, TestDatabase } from "../../server/store/test-database.ts";
import { COMMAND, startFastchat } from "../fastchat.ts";
import { freePort } from "../free-port.ts";
import { TestProcess } from "../process.ts";
import { TemporaryFolder } from "../temporary-folder.ts";

const folder = join(import.meta.dirname, "..", "..", "deploy", "systemd");
const units = readdirSync(folder);
const read = (unit: string): string => readFileSync(join(folder, unit), "utf8");

/** The last value of a setting. */
function setting(unit: string, name: string): string {
  const value = [...read(unit).matchAll(/^(\w+)=(.*)$/gm)].findLast(([, key]) => key === name)?.[2];
  if (value === undefined) throw new Error(`${unit} does not say ${name}`);
  return value;
}

/** What a unit starts, as systemd would with this instance and environment. */
function argumentsOf(unit: string, instance: string, environment: Readonly<Record<string, string>>): string[] {
  const [program, ...words] = setting(unit, "ExecStart").split(" ");
  expect(program).toBe("fastchat");
  return words.map((word) => word.replaceAll("%i", instance).replaceAll(/\$\{(\w+)\}/g, (_all, name: string) => environment[name] ?? ""));
}

const isInstalled = spawnSync("systemd-analyze", ["--version"]).status === 0;
if (!isInstalled) console.warn("!!! systemd-analyze is not installed: deploy/systemd was NOT VERIFIED (apt-get install systemd) !!!");

test.skipIf(!isInstalled).each(units)("systemd finds nothing to say about %s", (unit) => {
  using place = new TemporaryFolder();
  // The program is looked for, and is not installed where tests run.
  for (const each of units) writeFileSync(join(place.path, each), read(each).replace("ExecStart=fastchat", `ExecStart=${COMMAND}`));
  const started = join(place.path, unit.replace("@.", "@1."));
  const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", started], { encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
});

test.each(units)("%s takes every right that its service needs not", (unit) => {
  for (const name of ["NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectHome", "RestrictSUIDSGID"]) {
    expect(setting(unit, name)).toBe("yes");
  }
  expect(setting(unit, "ProtectSystem")).toBe("strict");
  expect(setting(unit, "CapabilityBoundingSet")).toBe("");
  expect(setting(unit, "User")).toBe("fastchat");
});

/** The addresses that clients get. */
async function advertised(databaseUrl: string): Promise<string[]> {
  await using client = await connect(databaseUrl);
  const { rows } = await client.query<{ url: string }>("SELECT url FROM chat_server ORDER BY url");
  return rows.map(({ url }) => url);
}

test("the service of one machine starts what its unit says, with addresses for clients elsewhere", async () => {
  using place = new TemporaryFolder();
  await using database = await TestDatabase.create();
  const environment = { CHAT_HOST: "chat.example.org", DATABASE_URL: database.url };
  const args = [...argumentsOf("fastchat.service", "", environment), "--port", String(await freePort()), "--data", place.path];
  await using up = startFastchat({ home: place.path, gatewayUrl: "" }, args, { environment });
  await expect.poll(() => up.output + up.errors, { timeout: 60_000 }).toContain("FastChat is ready");
  expect(await advertised(database.url)).toEqual(["wss://chat.example.org/1", "wss://chat.example.org/2"]);
  up.kill("SIGTERM");
  expect(await up.ended).toBe(0);
});

test("the services of a cluster start what their units say, and end in the time that they have", async () => {
  using place = new TemporaryFolder();
  await using database = await TestDatabase.create();
  const environment = { CHAT_HOST: "chat.example.org", DATABASE_URL: database.url, FASTCHAT_DATA: join(place.path, "data") };
  const start = (unit: string, instance = "") =>
    TestProcess.start({
      name: unit,
      args: [COMMAND, ...argumentsOf(unit, instance, environment)],
      logFile: join(place.path, `${unit}.log`),
      environment,
    });
  await using gateway = await start("fastchat-gateway.service");
  await using server = await start("fastchat-server@.service", "1");
  expect(await advertised(database.url)).toEqual(["wss://chat.example.org/1"]);
  for (const process of [server, gateway]) expect(await process.stop()).toBe("ended");
  expect(1_000 * Number(setting("fastchat-server@.service", "TimeoutStopSec"))).toBeGreaterThan(1.5 * limits.drainMs);
});
