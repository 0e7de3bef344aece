import { createServer } from "node:net";

/** The first free port on loopback from `wanted` on, within a hundred; any free one after that, or when `wanted` is 0. */
export async function findFreePort(wanted: number): Promise<number> {
  if (wanted !== 0) {
    for (let port = wanted; port < Math.min(wanted + 100, 65_536); port++) {
      if ((await tryPort(port)) !== undefined) return port;
    }
  }
  const any = await tryPort(0);
  if (any === undefined) throw new Error("No free port on 127.0.0.1.");
  return any;
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : undefined));
    });
  });
}
