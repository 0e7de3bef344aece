import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  type ClientFrame,
  ClientFrameSchema,
  ClientPacketSchema,
  type ServerFrame,
  ServerFrameSchema,
  ServerPacketSchema,
} from "@fastchat/protocol/wire/frames";
import {
  AddDeviceSchema,
  ChallengeRequestSchema,
  ChallengeSchema,
  DeviceAddedSchema,
  GatewayInfoSchema,
  PasswordFinishedSchema,
  PasswordFinishSchema,
  PasswordStartedSchema,
  PasswordStartSchema,
  RecoveryFinishSchema,
  RecoveryStartedSchema,
  RecoveryStartSchema,
  SignInFinishedSchema,
  SignInFinishSchema,
  SignInStartedSchema,
  SignInStartSchema,
  SignUpFinishedSchema,
  SignUpFinishSchema,
  SignUpStartedSchema,
  SignUpStartSchema,
  type Ticket,
  TicketRequestSchema,
  TicketSchema,
} from "@fastchat/protocol/wire/gateway";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { WebSocket, WebSocketServer } from "ws";

/** What the gateway takes and gives, by path. */
const posts = {
  "/v1/sign-up/start": [SignUpStartSchema, SignUpStartedSchema],
  "/v1/sign-up/finish": [SignUpFinishSchema, SignUpFinishedSchema],
  "/v1/sign-in/start": [SignInStartSchema, SignInStartedSchema],
  "/v1/sign-in/finish": [SignInFinishSchema, SignInFinishedSchema],
  "/v1/recovery/start": [RecoveryStartSchema, RecoveryStartedSchema],
  "/v1/recovery/finish": [RecoveryFinishSchema, SignInFinishedSchema],
  "/v1/password/start": [PasswordStartSchema, PasswordStartedSchema],
  "/v1/password/finish": [PasswordFinishSchema, PasswordFinishedSchema],
  "/v1/devices": [AddDeviceSchema, DeviceAddedSchema],
  "/v1/challenge": [ChallengeRequestSchema, ChallengeSchema],
  "/v1/ticket": [TicketRequestSchema, TicketSchema],
} as const satisfies Record<string, readonly [DescMessage, DescMessage]>;

type Posts = typeof posts;
type Request<Path extends keyof Posts> = MessageShape<Posts[Path][0]>;
type Answer<Path extends keyof Posts> = MessageShape<Posts[Path][1]>;

/**
 * What somebody who owns the server does to what passes. Each function gets one decoded frame and gives what goes on in its place: the
 * same, another, several, or none (undefined). A request that is not passed on can be answered with `connection.answer`.
 */
export interface Script {
  readonly toServer?: (frame: ClientFrame, connection: ProxiedConnection) => ClientFrame | readonly ClientFrame[] | undefined;
  readonly toClient?: (frame: ServerFrame, connection: ProxiedConnection) => ServerFrame | readonly ServerFrame[] | undefined;
  /** Answers of the gateway; only those with status 200 come here. */
  readonly posts?: { readonly [Path in keyof Posts]?: (answer: Answer<Path>, request: Request<Path>) => Answer<Path> };
  /** What is said instead of asking the gateway: with true, the answer is an empty one of status 503. */
  readonly refuses?: (path: string, body: Uint8Array) => boolean | Promise<boolean>;
  /** What is answered to who fetches a blob. */
  readonly blob?: (asked: AskedBlob) => Promise<GivenBlob>;
  readonly info?: (info: MessageShape<typeof GatewayInfoSchema>) => MessageShape<typeof GatewayInfoSchema>;
}

export interface AskedBlob {
  /** Hexadecimal. */
  readonly id: string;
  /** From there on. */
  readonly start: number;
  /** What the server has under any id, if who asks may fetch it. Throws where they may not. */
  readonly stored: (id?: string) => Promise<Buffer>;
}

export interface GivenBlob {
  /** From the place on that was asked for. */
  readonly bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Default 206. */
  readonly status?: number;
  /** Default: none is said. */
  readonly range?: string;
}

/** One WebSocket that passes through. */
export interface ProxiedConnection {
  /** From 1. */
  readonly number: number;
  /** Hex; known once `welcome` has passed. */
  readonly account: string | undefined;
  readonly device: string | undefined;
  readonly open: boolean;
  /** The request, as the client sent it, that this frame answers. */
  readonly asked: (answer: ServerFrame) => ClientFrame | undefined;
  /** Answers a request in the server's place. */
  readonly answer: (request: ClientFrame, body: ServerBody) => void;
  /** Sends a frame that nobody asked for (request 0). */
  readonly push: (body: ServerBody) => void;
  /** Gives a frame to the client, past all scripts: for those that were held back. */
  readonly pass: (frame: ServerFrame) => void;
  /** Asks the server as this client's device, past the client and all scripts. Rejects when the connection ends first. */
  readonly ask: (body: ClientBody) => Promise<ServerFrame>;
  /** Raw packets, past all scripts. */
  readonly rawToClient: (packet: Uint8Array) => void;
  readonly rawToServer: (packet: Uint8Array) => void;
  readonly close: () => void;
}

type ClientBody = NonNullable<MessageInitShape<typeof ClientFrameSchema>["body"]>;
type ServerBody = NonNullable<MessageInitShape<typeof ServerFrameSchema>["body"]>;

/** Bytes that passed, as the wire carries them but for WebSocket's mask. */
export interface Recorded {
  /** "POST /v1/ticket", "answer to …", "packet to server", "packet to client". */
  readonly place: string;
  readonly bytes: Uint8Array;
}

const forwardedHeaders = [
  "accept",
  "authorization",
  "content-digest",
  "content-range",
  "content-type",
  "range",
  "retry-after",
  "upload-offset",
  "user-agent",
];
const BLOB_PATH = /^\/v1\/blobs\/([0-9a-f]{64})$/;
/** Requests of our own are numbered from here; clients count from 1. */
const FIRST_OWN_REQUEST = 0x8000_0000;
const PATH = /^\/to\/(\d+)$/;

/**
 * A man in the middle at the level of frames: stands before a gateway and, because it rewrites the addresses in tickets, before every
 * chat server that the gateway offers. Clients use `url` as their gateway. Without a script it passes everything on unchanged.
 */
export class FrameProxy implements AsyncDisposable {
  readonly url: string;
  /** Taken anew for every frame, so that it can be switched at any time. */
  script: Script = {};
  /** Everything that passed, when recording was asked for; before scripts changed it. */
  readonly recorded: Recorded[] = [];
  readonly connections = new Set<ProxiedConnection>();
  readonly #gateway: string;
  readonly #recording: boolean;
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #targets: string[] = [];
  #count = 0;

  private constructor(gateway: string, http: Server, recording: boolean) {
    this.#gateway = gateway;
    this.#http = http;
    this.#recording = recording;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    this.#sockets = new WebSocketServer({ server: http, perMessageDeflate: false, maxPayload: 64 * 1_048_576 });
    this.#sockets.on("connection", (near, request) => this.#join(near, request));
    http.on("request", (request, response) => {
      this.#forward(request, response).catch((error: Error) => {
        response.statusCode = 502;
        response.end(error.message);
      });
    });
  }

  static async start(gateway: string, options: { readonly record?: boolean; readonly script?: Script } = {}): Promise<FrameProxy> {
    const http = createServer();
    await new Promise<void>((resolve, reject) => {
      http.once("error", reject);
      http.listen(0, "127.0.0.1", resolve);
    });
    const proxy = new FrameProxy(gateway, http, options.record ?? false);
    proxy.script = options.script ?? {};
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { close } of this.connections) close();
    this.#sockets.close();
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    this.#http.closeAllConnections();
    await closed;
  }

  #record(place: string, bytes: Uint8Array): void {
    if (this.#recording) this.recorded.push({ place, bytes: Uint8Array.from(bytes) });
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    this.#record(`${request.method} ${path}`, body);
    if ((await this.script.refuses?.(path, body)) === true) {
      response.statusCode = 503;
      response.end();
      return;
    }
    const headers = new Headers();
    for (const name of forwardedHeaders) {
      const value = request.headers[name];
      if (typeof value === "string") headers.set(name, value);
    }
    const [, id] = BLOB_PATH.exec(path) ?? [];
    if (id !== undefined && request.method === "GET" && this.script.blob !== undefined)
      return this.#giveBlob(id, headers, this.script.blob, response);
    const answer = await fetch(new URL(path, this.#gateway), {
      method: request.method ?? "GET",
      headers,
      ...(body.length > 0 ? { body } : {}),
    });
    const received = new Uint8Array(await answer.arrayBuffer());
    this.#record(`answer to ${request.method} ${path}`, received);
    response.statusCode = answer.status;
    for (const name of forwardedHeaders) {
      const value = answer.headers.get(name);
      if (value !== null) response.setHeader(name, value);
    }
    response.end(answer.status === 200 ? this.#changeAnswer(path, body, received) : received);
  }

  async #giveBlob(id: string, headers: Headers, give: NonNullable<Script["blob"]>, response: ServerResponse): Promise<void> {
    const start = Number(/^bytes=(\d+)-$/.exec(headers.get("range") ?? "")?.[1] ?? 0);
    const authorization = headers.get("authorization") ?? "";
    const stored = async (other = id): Promise<Buffer> => {
      const answer = await fetch(new URL(`/v1/blobs/${other}`, this.#gateway), { headers: { authorization } });
      if (!answer.ok) throw new Error(`the server does not give ${other}`);
      return Buffer.from(await answer.arrayBuffer());
    };
    const { bytes, status = 206, range } = await give({ id, start, stored });
    response.writeHead(status, { "content-type": "application/octet-stream", ...(range !== undefined && { "content-range": range }) });
    await pipeline(Readable.from(bytes, { objectMode: false }), response).catch(() => response.destroy());
  }

  #changeAnswer(path: string, body: Uint8Array, received: Uint8Array): Uint8Array {
    if (path === "/v1/info") {
      const info = fromBinary(GatewayInfoSchema, received);
      return toBinary(GatewayInfoSchema, this.script.info?.(info) ?? info);
    }
    if (!(path in posts)) return received;
    const [requestSchema, answerSchema] = posts[path as keyof Posts];
    const change = this.script.posts?.[path as keyof Posts] as ((answer: unknown, request: unknown) => unknown) | undefined;
    if (change === undefined && path !== "/v1/ticket") return received;
    let answer: unknown = fromBinary(answerSchema, received);
    if (change !== undefined) answer = change(answer, fromBinary(requestSchema, body));
    if (path === "/v1/ticket") {
      const ticket = answer as Ticket;
      if (!this.#targets.includes(ticket.url)) this.#targets.push(ticket.url);
      answer = { ...ticket, url: `${this.url.replace("http:", "ws:")}/to/${this.#targets.indexOf(ticket.url)}` };
    }
    return toBinary(answerSchema, answer as never);
  }

  #join(near: WebSocket, request: IncomingMessage): void {
    const target = this.#targets[Number(PATH.exec(request.url ?? "")?.[1] ?? -1)];
    if (target === undefined) {
      near.close(1008);
      return;
    }
    const far = new WebSocket(target, { perMessageDeflate: false, maxPayload: 64 * 1_048_576 });
    const waiting: Uint8Array[] = [];
    const asked = new Map<number, ClientFrame>();
    const own = new Map<number, PromiseWithResolvers<ServerFrame>>();
    let nextOwn = FIRST_OWN_REQUEST;
    const toFar = (packet: Uint8Array): void => {
      if (far.readyState === WebSocket.CONNECTING) waiting.push(packet);
      else if (far.readyState === WebSocket.OPEN) far.send(packet);
    };
    const toNear = (packet: Uint8Array): void => {
      if (near.readyState === WebSocket.OPEN) near.send(packet);
    };
    const frameToNear = (frame: MessageInitShape<typeof ServerFrameSchema>): void =>
      toNear(toBinary(ServerPacketSchema, create(ServerPacketSchema, { frames: [frame] })));
    const identity: { account: string | undefined; device: string | undefined } = { account: undefined, device: undefined };
    const connection: ProxiedConnection = {
      number: ++this.#count,
      get account() {
        return identity.account;
      },
      get device() {
        return identity.device;
      },
      get open() {
        return near.readyState === WebSocket.OPEN;
      },
      asked: (answer) => asked.get(answer.request),
      answer: (question, body) => frameToNear({ request: question.request, body }),
      push: (body) => frameToNear({ request: 0, body }),
      pass: frameToNear,
      ask: (body) => {
        const request = nextOwn++;
        const asking = Promise.withResolvers<ServerFrame>();
        own.set(request, asking);
        toFar(toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: [{ request, body }] })));
        return asking.promise;
      },
      rawToClient: toNear,
      rawToServer: toFar,
      close: () => {
        near.terminate();
        far.terminate();
      },
    };
    this.connections.add(connection);

    near.on("message", (data: Buffer) => {
      this.#record("packet to server", data);
      const packet = decoded(ClientPacketSchema, data);
      if (packet === undefined) return toFar(data);
      const frames = packet.frames.flatMap((frame) => {
        asked.set(frame.request, frame);
        const change = this.script.toServer;
        return change === undefined ? frame : (change(frame, connection) ?? []);
      });
      if (frames.length > 0) toFar(toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames })));
    });
    far.on("message", (data: Buffer) => {
      this.#record("packet to client", data);
      const packet = decoded(ServerPacketSchema, data);
      if (packet === undefined) return toNear(data);
      const frames = packet.frames.flatMap((frame) => {
        const asking = own.get(frame.request);
        if (asking !== undefined) {
          own.delete(frame.request);
          asking.resolve(frame);
          return [];
        }
        if (frame.body.case === "welcome") {
          identity.account = Buffer.from(frame.body.value.account).toString("hex");
          identity.device = Buffer.from(frame.body.value.device).toString("hex");
        }
        const change = this.script.toClient;
        const changed = change === undefined ? frame : (change(frame, connection) ?? []);
        asked.delete(frame.request);
        return changed;
      });
      if (frames.length > 0) toNear(toBinary(ServerPacketSchema, create(ServerPacketSchema, { frames })));
    });
    far.on("open", () => {
      for (const packet of waiting.splice(0)) far.send(packet);
    });
    const end = (other: WebSocket, code: number, reason: Buffer): void => {
      this.connections.delete(connection);
      for (const { reject } of own.values()) reject(new ConnectionEnded(code));
      own.clear();
      // 1004 to 1006 and 1015 stand for what no close frame said (RFC 6455, 7.4.1).
      if (code === 1000 || (code >= 3000 && code < 5000) || (code >= 1001 && code <= 1014 && ![1004, 1005, 1006].includes(code))) {
        other.close(code, reason);
      } else other.terminate();
    };
    near.on("close", (code, reason) => end(far, code, reason));
    far.on("close", (code, reason) => end(near, code, reason));
    near.on("error", () => far.terminate());
    far.on("error", () => near.terminate());
  }
}

/** The answer to what the proxy asked by itself will not come. */
class ConnectionEnded extends Error {
  constructor(code: number) {
    super(`the connection ended (${code}) before the answer came`);
  }
}

/** What the client does not wait for any more need not be answered. */
export function whileConnected(work: Promise<void>): void {
  work.catch((error: unknown) => {
    if (!(error instanceof ConnectionEnded)) throw error;
  });
}

type AnyServerBody = Exclude<ServerFrame["body"], { case: undefined }>;

/** The answer's body when it is of this case. Throws with what came instead. */
export function bodyOf<Case extends AnyServerBody["case"]>(
  frame: ServerFrame,
  wanted: Case,
): Extract<AnyServerBody, { case: Case }>["value"] {
  const { body } = frame;
  if (body.case === wanted) return body.value as never;
  throw new Error(
    `${body.case ?? "nothing"} came instead of ${wanted}${body.case === "error" ? `: ${body.value.code} ${body.value.detail}` : ""}`,
  );
}

function decoded<Schema extends DescMessage>(schema: Schema, data: Buffer): MessageShape<Schema> | undefined {
  try {
    return fromBinary(schema, data);
  } catch {
    return undefined;
  }
}

/** A copy of a frame with some of it changed; for scripts. */
export function changedClientFrame(frame: ClientFrame, body: MessageInitShape<typeof ClientFrameSchema>["body"]): ClientFrame {
  return create(ClientFrameSchema, { request: frame.request, body: body ?? { case: undefined } });
}

export function changedServerFrame(frame: ServerFrame, body: ServerBody): ServerFrame {
  return create(ServerFrameSchema, { request: frame.request, body });
}
