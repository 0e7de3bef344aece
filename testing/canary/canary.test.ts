import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { expect, test } from "vitest";
import { person } from "../person.ts";
import { FrameProxy } from "../proxy.ts";
import { startSystem } from "../system.ts";
import { patternsOf } from "./encodings.ts";
import { processName, processTree, searchMemory } from "./memory.ts";
import { type Hit, Searcher } from "./search.ts";
import type { TalkerTask } from "./talker.ts";

/** Random letters and digits: nothing compresses them, and nobody else writes them. */
const canary = (): string => randomBytes(24).toString("base64url").replaceAll(/[-_]/g, "x");

test.runIf(process.platform === "linux")(
  "[S1] [P1] [P4] secrets in logs, in memory, on disk or on the wire: text, draft, password and note are nowhere on the server's side",
  { timeout: 120_000 },
  async () => {
    await using system = await startSystem({ postgres: "own", servers: 2, environment: { FASTCHAT_LOG: "debug" } });
    await using proxy = await FrameProxy.start(system.gatewayUrl, { record: true });
    const suffix = randomBytes(8).toString("hex");
    await using bob = await person(system, `bob${suffix}`);
    const secrets = { text: canary(), draft: canary(), password: canary(), note: canary() };
    const task: TalkerTask = { gateway: proxy.url, home: system.home, name: `alice${suffix}`, peer: bob.name, ...secrets };

    const vaultWrites = { count: 0 };
    proxy.script = {
      toClient: (frame) => {
        if (frame.body.case === "vaultWritten") vaultWrites.count += 1;
        return frame;
      },
    };
    const talker = fork(join(import.meta.dirname, "talker.ts"), { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const gone = new Promise((resolve) => talker.once("exit", resolve));
    try {
      const said = new Promise((resolve) => talker.once("message", resolve));
      talker.send(task);
      expect(await said).toBe("done");
      await bob.hears(task.name, secrets.text);
      // The note and the draft are on the server when the vault was written for each.
      await expect.poll(() => vaultWrites.count, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
      await bob.say(task.name, `about ${secrets.text}`);
      await system.query("CHECKPOINT");

      const secretPatterns = Object.entries(secrets).flatMap(([what, text]) => patternsOf(what, text));
      // One search for what must be nowhere and for what may be anywhere: the second shows that the first one looked.
      const searcher = new Searcher([...secretPatterns, ...patternsOf("username", task.name)]);

      // Control: the client that wrote them has them all, and the search finds them.
      const inClient = await searchMemory(talker.pid!, "client", searcher, new Set());
      expect(new Set(inClient.hits.map((hit) => hit.canary))).toEqual(new Set([...Object.keys(secrets), "username"]));

      const hits: Hit[] = [];
      const nameFoundIn = new Set<string>();
      const found = (place: string, all: readonly Hit[]): void => {
        hits.push(...all.filter((hit) => hit.canary !== "username"));
        if (all.some((hit) => hit.canary === "username")) nameFoundIn.add(place);
      };

      found(
        "wire",
        proxy.recorded.flatMap(({ place, bytes }) => searcher.inBytes(bytes, place)),
      );
      found("database files", (await searcher.inFolder(join(system.folder, "postgres", "cluster"))).hits);
      found("secrets", (await searcher.inFolder(join(system.folder, "data"))).hits);
      for (const { name, logFile } of system.processes) found(`log of ${name}`, await searcher.inFile(logFile));
      const processes: [name: string, pid: number][] = system.processes.map(({ name, pid }) => [name, pid!]);
      for (const pid of await processTree(system.postgres!.processId!)) processes.push(["postgres", pid]);
      expect(processes.length).toBeGreaterThan(8);
      const seen = new Set<string>();
      let bytes = 0;
      for (const [name, pid] of processes) {
        const search = await searchMemory(pid, `${name}: ${await processName(pid)}`, searcher, seen).catch(
          (error: NodeJS.ErrnoException) => {
            // A backend may end meanwhile; a server of ours may not.
            if (name === "postgres" && (error.code === "ENOENT" || error.code === "ESRCH")) return { hits: [], bytes: 0 };
            throw error;
          },
        );
        bytes += search.bytes;
        found(`memory of ${name}`, search.hits);
      }

      expect(hits).toEqual([]);
      // Control: what a server may know is found in the same places by the same search.
      expect([...nameFoundIn]).toEqual(expect.arrayContaining(["wire", "database files", "memory of gateway", "memory of postgres"]));
      expect([...nameFoundIn].filter((place) => place.startsWith("log") || place === "secrets")).toEqual([]);
      console.log(
        `canary: ${processes.length} processes with ${Math.round(bytes / 1_048_576)} MiB, ${proxy.recorded.length} packets and bodies searched`,
      );
    } finally {
      talker.kill("SIGKILL");
      await gone;
    }
  },
);
