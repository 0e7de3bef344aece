import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  ClientFrameSchema,
  ClientPacketSchema,
  type ServerFrame,
  ServerFrameSchema,
  ServerPacketSchema,
} from "@fastchat/protocol/wire/frames";
import { GatewayInfoSchema, TicketRequestSchema, TicketSchema } from "@fastchat/protocol/wire/gateway";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { bodyOf, changedServerFrame, FrameProxy } from "./proxy.ts";

/** Answers each ping with a pong whose time is the number of pings so far; packets that are no frames come back as they are. */
async function startEcho(): Promise<{ url: string; close: (code: number) => void } & AsyncDisposable> {
  const http = createServer((request, response) => {
    if (request.url === "/v1/info")
      response.end(toBinary(GatewayInfoSchema, create(GatewayInfoSchema, { product: "fastchat", passwordSuite: 1 })));
    else if (request.url === "/v1/ticket") {
      const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/socket`;
      response.end(toBinary(TicketSchema, create(TicketSchema, { url, server: "chat-1" })));
    } else {
      response.statusCode = 404;
      response.end("nothing");
    }
  });
  const sockets = new WebSocketServer({ server: http, path: "/socket" });
  sockets.on("connection", (socket) => {
    let pings = 0;
    socket.on("message", (data: Buffer) => {
      try {
        for (const { request } of fromBinary(ClientPacketSchema, data).frames) {
          const pong = { request, body: { case: "pong" as const, value: { time: BigInt(++pings) } } };
          socket.send(toBinary(ServerPacketSchema, create(ServerPacketSchema, { frames: [pong] })));
        }
      } catch {
        socket.send(data);
      }
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    close: (code) => {
      for (const socket of sockets.clients) socket.close(code);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

async function connectThrough(proxy: FrameProxy): Promise<{
  ping: (request: number) => void;
  raw: (bytes: Uint8Array) => void;
  heard: (ServerFrame | Buffer)[];
  closed: Promise<number>;
}> {
  const answer = await fetch(`${proxy.url}/v1/ticket`, {
    method: "POST",
    body: toBinary(TicketRequestSchema, create(TicketRequestSchema)),
  });
  const { url } = fromBinary(TicketSchema, new Uint8Array(await answer.arrayBuffer()));
  expect(new URL(url).host).toBe(new URL(proxy.url).host);
  const socket = new WebSocket(url);
  const heard: (ServerFrame | Buffer)[] = [];
  socket.on("message", (data: Buffer) => {
    try {
      heard.push(...fromBinary(ServerPacketSchema, data).frames);
    } catch {
      heard.push(data);
    }
  });
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  await new Promise((resolve) => socket.once("open", resolve));
  const send = (bytes: Uint8Array): void => socket.send(bytes);
  return {
    heard,
    closed,
    raw: send,
    ping: (request) =>
      send(toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: [{ request, body: { case: "ping", value: {} } }] }))),
  };
}

const pong = (request: number, time: number): ServerFrame =>
  create(ServerFrameSchema, { request, body: { case: "pong", value: { time: BigInt(time) } } });

test("without a script everything passes as it is, also what is no frame, and is recorded", async () => {
  await using echo = await startEcho();
  await using proxy = await FrameProxy.start(echo.url, { record: true });
  const client = await connectThrough(proxy);
  client.ping(7);
  await expect.poll(() => client.heard).toHaveLength(1);
  client.raw(Buffer.from([0xff, 0xff, 0xff]));
  await expect.poll(() => client.heard).toEqual([pong(7, 1), Buffer.from([0xff, 0xff, 0xff])]);
  expect((await fetch(`${proxy.url}/nothing`)).status).toBe(404);
  expect(proxy.recorded.map(({ place }) => place)).toEqual([
    "POST /v1/ticket",
    "answer to POST /v1/ticket",
    "packet to server",
    "packet to client",
    "packet to server",
    "packet to client",
    "GET /nothing",
    "answer to GET /nothing",
  ]);
  echo.close(4013);
  expect(await client.closed).toBe(4013);
});

test("a script changes, drops, injects and repeats frames both ways, answers in the server's place, and can be taken off", async () => {
  await using echo = await startEcho();
  await using proxy = await FrameProxy.start(echo.url);
  const client = await connectThrough(proxy);
  proxy.script = {
    toServer: (frame, connection) => {
      if (frame.request === 1) return [frame, frame];
      if (frame.request === 2) return undefined;
      if (frame.request === 3) {
        connection.answer(frame, { case: "pong", value: { time: 99n } });
        connection.push({ case: "move", value: {} });
        return undefined;
      }
      return frame;
    },
    toClient: (frame, connection) => {
      expect(connection.asked(frame)?.body.case).toBe(
        frame.request === 1 && frame.body.case === "pong" && frame.body.value.time === 2n ? undefined : "ping",
      );
      return frame.request === 4 ? changedServerFrame(frame, { case: "pong", value: { time: 44n } }) : frame;
    },
  };
  for (const request of [1, 2, 3, 4]) client.ping(request);
  const moved = create(ServerFrameSchema, { request: 0, body: { case: "move", value: {} } });
  await expect.poll(() => client.heard).toHaveLength(5);
  expect(client.heard).toEqual(expect.arrayContaining([pong(1, 1), pong(1, 2), pong(3, 99), moved, pong(4, 44)]));
  proxy.script = { toServer: () => create(ClientFrameSchema, { request: 5, body: { case: "ping", value: {} } }) };
  client.ping(6);
  await expect.poll(() => client.heard.at(-1)).toEqual(pong(5, 4));
  const [connection] = proxy.connections;
  expect(bodyOf(await connection!.ask({ case: "ping", value: {} }), "pong").time).toBe(5n);
  proxy.script = {};
  client.ping(7);
  await expect.poll(() => client.heard.at(-1)).toEqual(pong(7, 6));
});

test("a script changes the gateway's answers", async () => {
  await using echo = await startEcho();
  await using proxy = await FrameProxy.start(echo.url, {
    script: {
      info: (info) => ({ ...info, passwordSuite: 9 }),
      posts: { "/v1/ticket": (ticket, request) => ({ ...ticket, server: `changed for ${request.avoid.length}` }) },
    },
  });
  const info = fromBinary(GatewayInfoSchema, new Uint8Array(await (await fetch(`${proxy.url}/v1/info`)).arrayBuffer()));
  expect(info).toMatchObject({ product: "fastchat", passwordSuite: 9 });
  const request = toBinary(TicketRequestSchema, create(TicketRequestSchema, { avoid: ["chat-1"] }));
  const answer = await fetch(`${proxy.url}/v1/ticket`, { method: "POST", body: request });
  expect(fromBinary(TicketSchema, new Uint8Array(await answer.arrayBuffer())).server).toBe("changed for 1");
});
