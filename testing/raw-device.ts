import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import {
  type ClientFrameSchema,
  ClientPacketSchema,
  type Hello,
  HelloSchema,
  type ServerFrame,
  ServerPacketSchema,
} from "@fastchat/protocol/wire/frames";
import type { Ticket } from "@fastchat/protocol/wire/gateway";
import { join } from "node:path";
import { WebSocket } from "ws";
import { Gateway } from "../client/gateway.ts";
import { loadProfile, type LocalProfile } from "../client/profile.ts";
import { openSqliteStorage } from "../client/storage-sqlite.ts";
import { enter } from "./person.ts";
import type { System } from "./system.ts";

/** Somebody signed up whose device we drive byte by byte. */
export interface RawDevice {
  readonly name: string;
  readonly profile: LocalProfile;
  readonly ticket: () => Promise<Ticket>;
}

export async function rawDevice(system: System, name: string): Promise<RawDevice> {
  const place = { home: join(system.folder, "raw"), profile: name, gateway: system.gatewayUrl };
  await enter(system, name, place);
  const storage = openSqliteStorage(join(place.home, name));
  try {
    return rawDeviceOf(system, (await loadProfile(storage))!);
  } finally {
    await storage.close();
  }
}

/** Of a device whose secrets are known. */
export function rawDeviceOf(system: System, profile: LocalProfile): RawDevice {
  const gateway = new Gateway(system.gatewayUrl);
  return { name: profile.me.name, profile, ticket: () => gateway.ticket(profile.me.device, profile.signingSeed, []) };
}

/** A WebSocket to a chat server on which anything can be said. */
export class RawSocket implements AsyncDisposable {
  readonly frames: ServerFrame[] = [];
  /** Close code. */
  readonly closed: Promise<number>;
  readonly #socket: WebSocket;
  #requests = 1_000;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.closed = promise;
    socket.on("message", (data: Buffer) => this.frames.push(...fromBinary(ServerPacketSchema, data).frames));
    socket.on("close", resolve);
    socket.on("error", () => {});
  }

  static async open(url: string): Promise<RawSocket> {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    const raw = new RawSocket(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return raw;
  }

  /** Opened, and welcomed with a fresh ticket. */
  static async signedIn(device: RawDevice): Promise<RawSocket> {
    const ticket = await device.ticket();
    const raw = await RawSocket.open(ticket.url);
    raw.hello(ticket.ticket);
    await raw.until((frames) => frames.some(({ body }) => body.case === "welcome"));
    return raw;
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  send(bytes: Uint8Array | string): void {
    this.#socket.send(bytes);
  }

  /** A message in so many WebSocket fragments. */
  sendFragments(fragments: readonly Uint8Array[]): void {
    for (const [index, fragment] of fragments.entries()) this.#socket.send(fragment, { fin: index === fragments.length - 1 });
  }

  hello(ticket: Uint8Array, change: Partial<Hello> = {}): void {
    const value = create(HelloSchema, {
      versions: [...limits.protocolVersions],
      suites: [...limits.suites],
      ticket,
      agent: "raw/1",
      ...change,
    });
    this.send(toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: [{ request: 1, body: { case: "hello", value } }] })));
  }

  /** The answer to one request. */
  async ask(body: NonNullable<MessageInitShape<typeof ClientFrameSchema>["body"]>): Promise<ServerFrame> {
    const request = ++this.#requests;
    this.send(toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: [{ request, body }] })));
    await this.until((frames) => frames.some((frame) => frame.request === request));
    return this.frames.find((frame) => frame.request === request)!;
  }

  async until(enough: (frames: readonly ServerFrame[]) => boolean, withinMs = 5_000): Promise<void> {
    for (const end = Date.now() + withinMs; !enough(this.frames);) {
      if (Date.now() > end) throw new Error(`the server said ${this.frames.map(({ body }) => body.case).join(", ") || "nothing"}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await this.closed;
  }
}
