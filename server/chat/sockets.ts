import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { ErrorCode, errorRow, limits } from "@fastchat/protocol";
import type { ClientFrame } from "@fastchat/protocol/wire/frames";
import { type WebSocket, WebSocketServer } from "ws";
import type { Events } from "../events.ts";
import { HeadsReader } from "../store/conversations.ts";
import { TicketTaker } from "../store/tickets.ts";
import { TokenBuckets } from "../token-bucket.ts";
import { answerRequest } from "./answer.ts";
import type { Attendance } from "./attendance.ts";
import { Connection } from "./connection.ts";
import type { ChatContext } from "./context.ts";
import { type HelloContext, openSession } from "./hello.ts";
import type { Moves } from "./moves.ts";
import { refuseUpgrade } from "../refuse-upgrade.ts";
import type { Session } from "./session.ts";

export interface SocketsOptions {
  readonly chat: ChatContext;
  readonly attendance: Attendance;
  readonly moves: Moves;
  /** Name, for the welcome. */
  readonly server: string;
  /** Pages that may open a socket besides those of the same host. */
  readonly webOrigins: readonly string[];
}

/** The sockets of a chat server: who is let in, how fast they may speak, and how all of them end. */
export class Sockets {
  readonly #options: SocketsOptions;
  readonly #opener = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.packetBytes,
    maxFragments: limits.fragmentsPerPacket,
  });
  readonly #hello: HelloContext;
  readonly #connections = new Set<Connection>();
  readonly #rates = {
    frames: new TokenBuckets({ perSecond: limits.framesPerSecond, burst: limits.framesBurst }),
    bytes: new TokenBuckets({ perSecond: limits.bytesPerSecond, burst: limits.bytesBurst }),
  };
  #draining = false;
  #bytes = 0;

  constructor(options: SocketsOptions) {
    this.#options = options;
    const { chat, server } = options;
    const { database } = chat;
    const [tickets, heads] = [new TicketTaker(database, server), new HeadsReader(database)];
    this.#hello = { chat, server, tickets, heads, isDraining: () => this.#draining };
  }

  /** How many are open. */
  get count(): number {
    return this.#connections.size;
  }

  /** New ones are refused. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /** Bytes that came and went since this was asked last. */
  takeBytes(): number {
    const bytes = this.#bytes;
    this.#bytes = 0;
    return bytes;
  }

  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { chat, webOrigins } = this.#options;
    const refuse = (status: Parameters<typeof refuseUpgrade>[1], why: Events["socket-refused"]["why"]) => {
      chat.log.event("debug", "socket-refused", { why });
      refuseUpgrade(socket, status);
    };
    if (!isAllowedOrigin(request, webOrigins)) return refuse("403 Forbidden", "origin");
    if (this.#draining) return refuse("503 Service Unavailable", "draining");
    if (this.count - chat.delivery.sessions >= limits.socketsBeforeHello) return refuse("503 Service Unavailable", "crowded");
    this.#opener.handleUpgrade(request, socket, head, (opened) => this.#begin(opened));
  }

  /** Closes those that said nothing for so long. */
  closeSilent(idleMs: number): void {
    const silentSince = performance.now() - idleMs;
    for (const connection of this.#connections) if (connection.heardAt < silentSince) connection.close(ErrorCode.IDLE);
  }

  refuseNew(): void {
    this.#draining = true;
  }

  /** Asks the clients to move; resolves when they did, or when those that did not within `limits.drainMs` are closed. */
  async empty(): Promise<void> {
    await this.#options.moves.moveAll(() => this.count === 0);
    this.closeAll();
  }

  closeAll(): void {
    for (const connection of this.#connections) connection.close(ErrorCode.MOVED);
  }

  terminateAll(): void {
    for (const connection of this.#connections) connection.terminate();
  }

  #begin(socket: WebSocket): void {
    const { chat, attendance, moves } = this.#options;
    const { log, metrics } = chat;
    let session: Session | undefined;
    let opening: "not-yet" | "under-way" | "done" = "not-yet";
    // A client may send more before its hello was answered: it waits here, bounded.
    const early: ClientFrame[] = [];
    const connection = new Connection(socket, {
      received: (bytes, frames) => {
        this.#bytes += bytes;
        metrics.receivedBytes.inc(bytes);
        if (session === undefined) return 0;
        return Math.max(this.#rates.frames.take(session.device, frames), this.#rates.bytes.take(session.device, bytes));
      },
      sent: (bytes) => {
        this.#bytes += bytes;
        metrics.sentBytes.inc(bytes);
      },
      frame: (frame) => {
        if (session !== undefined && opening === "done") return answerRequest(chat, session, frame);
        if (opening === "under-way") {
          if (early.push(frame) > limits.framesPerPacket) connection.close(ErrorCode.NOT_READY);
          return;
        }
        if (frame.body.case !== "hello") return connection.close(ErrorCode.NOT_READY);
        opening = "under-way";
        void openSession(this.#hello, connection, frame.request, frame.body.value).then((opened) => {
          if (opened === undefined) return;
          session = opened;
          opening = "done";
          clearTimeout(helloTimer);
          attendance.entered(opened);
          for (const waiting of early.splice(0)) answerRequest(chat, opened, waiting);
        });
      },
      closed: (why) => {
        clearTimeout(helloTimer);
        this.#connections.delete(connection);
        if (why !== undefined) log.event("debug", "socket-closed", { code: why, why: errorRow(why).name });
        if (session === undefined) return;
        attendance.left(session);
        moves.left(session);
      },
    });
    const helloTimer = setTimeout(() => connection.close(ErrorCode.IDLE, "No hello came."), limits.helloMs);
    this.#connections.add(connection);
  }
}

/**
 * Browsers name the page that opens a socket; programs do not. A page of another site is refused: it could use the person's network place, though
 * not a session, which takes a ticket.
 */
function isAllowedOrigin(request: IncomingMessage, webOrigins: readonly string[]): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  if (webOrigins.includes(origin)) return true;
  if (!URL.canParse(origin) || host === undefined || !URL.canParse(`http://${host}`)) return false;
  return new URL(origin).hostname === new URL(`http://${host}`).hostname;
}
