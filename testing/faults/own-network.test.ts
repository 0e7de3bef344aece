import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { OwnNetwork } from "./own-network.ts";

const SERVER = `require("http").createServer((_, response) => response.end("here")).listen(8080, process.argv[1], () => console.log("listens"))`;

test("a process in a network of its own is reached by its cables alone, and by none that is pulled out; nothing is left of it", async ({
  skip,
}) => {
  if (!OwnNetwork.isPossible())
    skip("!!! left out: no network namespaces here; they take root, and the ip command (apt-get install iproute2) !!!");
  const network = new OwnNetwork(1);
  const [cable, other] = [network.cable(), network.cable()];
  const [program, ...args] = [...network.command, process.execPath, "-e", SERVER, cable.far];
  const server = spawn(program!, args, { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(server.stdout, "data");
    const ask = async (host: string): Promise<string> => {
      try {
        return await (await fetch(`http://${host}:8080/`, { signal: AbortSignal.timeout(500), headers: { connection: "close" } })).text();
      } catch (error) {
        return (error as Error).name;
      }
    };
    expect(await ask(cable.far)).toBe("here");
    expect(await ask(other.far)).not.toBe("here");
    cable.unplug();
    // No word of why.
    expect(await ask(cable.far)).toBe("TimeoutError");
    cable.plug();
    await expect.poll(() => ask(cable.far)).toBe("here");
  } finally {
    const ended = once(server, "exit");
    server.kill("SIGKILL");
    await ended;
    network[Symbol.dispose]();
  }
  await wait(50);
  expect(() => new OwnNetwork(1)[Symbol.dispose]()).not.toThrow();
});
