import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { limits } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { Gateway, GatewayUnreachable } from "./gateway.ts";

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
