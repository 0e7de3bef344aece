import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { TemporaryFolder } from "@fastchat/testing";
import { freePort } from "../../testing/free-port.ts";
import type { BlobPlace } from "./blob-store.ts";

const STORES = ["account", "container", "object"] as const;
/** On a machine where much else runs, Python's modules take their time. */
const READY_MS = 100_000;
/** What `swift-ring-builder` does in nine calls. */
const MAKE_RINGS = `
import sys
from swift.common.ring import RingBuilder
for name, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "disk", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(sys.argv[1] + "/" + name + ".ring.gz")
`;

/**
 * A real S3 store for tests: OpenStack Swift with its S3 interface, which checks signatures and the smallest size of a part. Debian's `swift-proxy swift-account
 * swift-container swift-object`, four processes with everything in a folder of the test.
 */
export class Swift implements AsyncDisposable {
  readonly #folder = new TemporaryFolder();
  readonly #parts: { readonly child: ChildProcess; readonly port: number; readonly logFile: string }[] = [];
  #port = 0;

  static isInstalled(): boolean {
    return ["swift-proxy-server", "swift-account-server", "swift-container-server", "swift-object-server"].every(
      (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0,
    );
  }

  static async start(): Promise<Swift> {
    const swift = new Swift();
    // A test run that is cut short leaves nothing behind.
    process.once("exit", () => swift.#parts.forEach(({ child }) => child.kill("SIGKILL")));
    try {
      await swift.#start();
      return swift;
    } catch (error) {
      await swift[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @param change of what else would be right */
  place(bucket: string, change: Partial<{ endpoint: string; secretAccessKey: string }> = {}): BlobPlace & { readonly kind: "bucket" } {
    return {
      kind: "bucket",
      bucket,
      prefix: "some/where/",
      endpoint: change.endpoint ?? `http://127.0.0.1:${this.#port}`,
      region: "us-east-1",
      credentials: { accessKeyId: "test:tester", secretAccessKey: change.secretAccessKey ?? "testing", sessionToken: undefined },
    };
  }

  async #start(): Promise<void> {
    const { path } = this.#folder;
    mkdirSync(join(path, "devices", "disk"), { recursive: true });
    const common = (port: number): string =>
      `[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = ${port}\nworkers = 0\nuser = ${userInfo().username}\nswift_dir = ${path}\n` +
      `devices = ${join(path, "devices")}\nmount_check = false\ndisable_fallocate = true\nlog_address = ${join(path, "no-syslog")}\n`;
    const ports = await Promise.all([...STORES, "proxy"].map(() => freePort()));
    const { status, stderr } = spawnSync("/usr/bin/python3", ["-c", MAKE_RINGS, path, ...ports.map(String)], { encoding: "utf8" });
    if (status !== 0) throw new Error(`Swift's rings cannot be made: ${stderr}`);
    for (const [index, store] of STORES.entries()) {
      const port = ports[index]!;
      this.#spawn(
        store,
        port,
        `${common(port)}[pipeline:main]\npipeline = ${store}-server\n[app:${store}-server]\nuse = egg:swift#${store}\n`,
      );
    }
    this.#port = ports.at(-1)!;
    this.#spawn(
      "proxy",
      this.#port,
      `${common(this.#port)}[pipeline:main]\npipeline = cache s3api tempauth slo proxy-server\n` +
        `[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n` +
        `[filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:1\n[filter:slo]\nuse = egg:swift#slo\n` +
        `[filter:s3api]\nuse = egg:swift#s3api\ns3_acl = false\n` +
        `[filter:tempauth]\nuse = egg:swift#tempauth\nuser_test_tester = testing .admin\n`,
    );
    await Promise.all(this.#parts.map(listening));
  }

  #spawn(name: string, port: number, config: string): void {
    const file = join(this.#folder.path, `${name}-server.conf`);
    writeFileSync(file, config);
    const logFile = join(this.#folder.path, `${name}.log`);
    const log = openSync(logFile, "a");
    const child = spawn(`swift-${name}-server`, [file, "--verbose"], { stdio: ["ignore", log, log] });
    closeSync(log);
    this.#parts.push({ child, port, logFile });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#parts) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
      child.kill("SIGKILL");
      await once(child, "close");
    }
    this.#folder[Symbol.dispose]();
  }
}

async function listening({ child, port, logFile }: { child: ChildProcess; port: number; logFile: string }): Promise<void> {
  const patience = AbortSignal.timeout(READY_MS);
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isThere = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isThere) return;
    if (patience.aborted || child.exitCode !== null)
      throw new Error(`Swift does not start: ${readFileSync(logFile, "utf8").slice(-2_000)}`);
    await wait(50);
  }
}
