import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { limits } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { Gateway, GatewayUnreachable } from "./gateway.ts";

test("an error page of a proxy, or of another program on the port, is no answer of the gateway", async () => {
  const server = createServer((_, response) => void response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not found</h1>"));
  try {
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = server.address() as AddressInfo;
    const gateway = new Gateway(`http://127.0.0.1:${port}`);
    await expect(gateway.info()).rejects.toThrow(GatewayUnreachable);
    await expect(gateway.startSignIn({ name: "alice" })).rejects.toThrow(GatewayUnreachable);
  } finally {
    server.close();
  }
});

test("an answer without an end is broken off", async () => {
  let written = 0;
  const chunk = Buffer.alloc(1_048_576);
  const server = createServer((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(chunk)) written += chunk.length;
    };
    response.on("drain", more);
    more();
  }).listen(0, "127.0.0.1");
  try {
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await expect(new Gateway(`http://127.0.0.1:${port}`).info()).rejects.toThrow(GatewayUnreachable);
    expect(written).toBeLessThan(2 * limits.gatewayAnswerBytes);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
