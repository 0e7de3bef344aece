import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  type AccountId,
  type ConversationId,
  conversationId,
  type DeviceId,
  ErrorCode,
  errorRow,
  FastChatError,
  idBytes,
  limits,
  linkHash,
} from "@fastchat/protocol";
import { KeyRequestSchema, SealedSignalSchema, SealedSlotSchema } from "@fastchat/protocol/wire/conversation";
import {
  type ClientFrame,
  KeyRequestedSchema,
  MoveSchema,
  SignalSchema,
  SlotsSchema,
  VaultMovedSchema,
} from "@fastchat/protocol/wire/frames";
import { type WebSocket, WebSocketServer } from "ws";
import type { Bus } from "../bus/bus.ts";
import type { Hint, HintMessage } from "../bus/hint.ts";
import { HintLine } from "../bus/hint-line.ts";
import type { PeoplePolicy } from "../config.ts";
import { type Events, type Log, reasonOf } from "../events.ts";
import { type ChatMetrics, openChatMetrics } from "../metrics.ts";
import { requests } from "../requests/index.ts";
import { endedAmong } from "../store/accounts.ts";
import { appendBatch, type AppendItem, type AppendVerdict } from "../store/append.ts";
import { AppendQueue, type QueuedItem } from "../store/append-queue.ts";
import { ChainStates } from "../store/chains.ts";
import { conversationsOf } from "../store/conversations.ts";
import { appendConnections, type Database, failureOf } from "../store/database.ts";
import { entryKinds, type StoredEntry } from "../store/entries.ts";
import {
  beat,
  enterPresence,
  forgetDeadServers,
  type HeardHeartbeat,
  isFresh,
  leavePresence,
  leaveRegistry,
  readHeartbeats,
} from "../store/servers.ts";
import { readIncarnation } from "../store/tickets.ts";
import { vaultRevisions } from "../store/vault.ts";
import { TokenBuckets } from "../token-bucket.ts";
import { tellAccountMoved } from "./account-news.ts";
import { Connection } from "./connection.ts";
import type { ChatContext, EncodedAnswer, Handler, RequestCase } from "./context.ts";
import { Delivery } from "./delivery.ts";
import { openSession } from "./hello.ts";
import { PresenceBoard } from "./presence-board.ts";
import type { Session } from "./session.ts";
import { type AnswerBody, encodeFrame } from "./wire.ts";

export interface ChatServerOptions {
  readonly database: Database;
  readonly bus: Bus;
  readonly log: Log;
  readonly people: PeoplePolicy;
  readonly webOrigins: readonly string[];
  /** Unique among the servers that run; what `whoami` shows. Derived from the port. */
  readonly name: (port: number) => string;
  readonly host: string;
  /** The host as clients reach it; default `host`. */
  readonly advertisedHost?: string | undefined;
  /** 0: any. */
  readonly port: number;
  /** Address for clients, where it is not ws://host:port. */
  readonly url?: string | undefined;
  /** As `limits`; tests lower it. */
  readonly idleMs?: number | undefined;
}

export interface ChatServer extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  /** Takes no new sockets, asks the clients to move, and resolves when they did or after `limits.drainMs`. */
  drain(): Promise<void>;
}

/** Starts a chat server; it is offered to clients as soon as this resolves. Throws when the port is taken or the database does not answer. */
export async function startChatServer(options: ChatServerOptions): Promise<ChatServer> {
  const server = new RunningChatServer(options);
  await server.start();
  return server;
}

class RunningChatServer implements ChatServer {
  name = "";
  url = "";
  port = 0;
  readonly #options: ChatServerOptions;
  readonly #run = randomBytes(8).toString("hex");
  readonly #metrics: ChatMetrics = openChatMetrics();
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #delivery: Delivery;
  readonly #presence: PresenceBoard;
  readonly #hints: HintLine;
  readonly #chat: ChatContext;
  readonly #rates = {
    frames: new TokenBuckets({ perSecond: limits.framesPerSecond, burst: limits.framesBurst }),
    bytes: new TokenBuckets({ perSecond: limits.bytesPerSecond, burst: limits.bytesBurst }),
  };
  #incarnation = 1;
  #draining = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<unknown> = Promise.resolve();
  #isBeating = false;
  #repairing: Promise<void> | undefined;
  #repairAgain = false;
  #bytes = 0;
  #fresh = new Set<string>();
  #beats = 0;
  /** Accounts whose last socket here ended a moment ago. */
  readonly #leaving = new Map<AccountId, NodeJS.Timeout>();

  constructor(options: ChatServerOptions) {
    const { database, log } = options;
    this.#options = options;
    this.#delivery = new Delivery(database, log);
    this.#presence = new PresenceBoard(database, log);
    this.#hints = new HintLine({
      bus: options.bus,
      run: this.#run,
      log,
      onHints: (message) => this.#hear(message),
      onMissed: () => this.#repair(),
    });
    this.#chat = {
      database,
      delivery: this.#delivery,
      presence: this.#presence,
      hints: this.#hints,
      chains: new ChainStates(database),
      queue: new AppendQueue({
        append: (items) => this.#append(items),
        onStored: (items, verdicts) => this.#stored(items, verdicts),
        parallel: appendConnections,
      }),
      people: options.people,
      rates: {
        links: new TokenBuckets({ perSecond: limits.linksPerMinute / 60, burst: limits.linksBurst }),
        rekeys: new TokenBuckets({ perSecond: limits.rekeysPerMinutePerConversation / 60, burst: limits.rekeysPerMinutePerConversation }),
      },
      metrics: this.#metrics,
      log,
      endDevice: (device) => this.#endDevice(device),
      now: Date.now,
    };
    this.#http = createServer((request, response) => void this.#answerHttp(request, response));
    this.#sockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.packetBytes,
      maxFragments: limits.fragmentsPerPacket,
    });
    this.#http.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#http.requestTimeout = limits.connectMs;
    this.#http.headersTimeout = limits.connectMs;
  }

  async start(): Promise<void> {
    const { database, host, advertisedHost = host, log } = this.#options;
    this.#incarnation = await readIncarnation(database);
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen({ host, port: this.#options.port }, resolve);
    });
    this.port = (this.#http.address() as AddressInfo).port;
    this.name = this.#options.name(this.port);
    this.url = this.#options.url ?? `ws://${advertisedHost.includes(":") ? `[${advertisedHost}]` : advertisedHost}:${this.port}`;
    // What the others said before this run began is in the heads that sessions begin with.
    for (const heard of await readHeartbeats(database)) if (isFresh(heard)) this.#fresh.add(heard.run);
    await this.#beat();
    this.#timer = setInterval(() => this.#tick(), limits.heartbeatMs);
    log.event("info", "chat-server-listens", { server: this.name, url: this.url });
  }

  async drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    this.#options.log.event("info", "chat-server-drains", { server: this.name, connections: this.#connections.size });
    await this.#beat();
    const move = encodeFrame(0, { case: "move", value: create(MoveSchema) });
    for (const session of this.#delivery.all()) session.connection.send(move);
    const until = performance.now() + limits.drainMs;
    while (this.#connections.size > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
    for (const connection of this.#connections) connection.close(ErrorCode.MOVED);
    await this.#chat.queue.settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#draining = true;
    clearInterval(this.#timer);
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#delivery.stop();
    this.#presence.stop();
    for (const connection of this.#connections) connection.close(ErrorCode.MOVED);
    await Promise.race([this.#chat.queue.settled(), new Promise((resolve) => setTimeout(resolve, 2_000).unref())]);
    await this.#beating;
    await this.#repairing;
    await leaveRegistry(this.#options.database, this.#run).catch(() => undefined);
    this.#sockets.close();
    await new Promise((resolve) => {
      this.#http.close(resolve);
      this.#http.closeAllConnections();
      for (const connection of this.#connections) connection.terminate();
    });
    this.#options.log.event("info", "chat-server-stopped", { server: this.name });
  }

  // ---------------------------------------------------------------- sockets

  async #answerHttp(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split("?")[0];
    if (path === "/healthz" || (path === "/readyz" && !this.#draining)) {
      response.setHeader("content-type", "text/plain").end("ok\n");
    } else if (path === "/metrics") {
      this.#metrics.connections.set(this.#connections.size);
      response.setHeader("content-type", this.#metrics.registry.contentType).end(await this.#metrics.registry.metrics());
    } else {
      response
        .writeHead(404, { "content-type": "text/plain" })
        .end("This is a FastChat chat server: clients connect to it by WebSocket.\n");
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (status: string, why: Events["socket-refused"]["why"]) => {
      this.#options.log.event("debug", "socket-refused", { why });
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    if (!isAllowedOrigin(request, this.#options.webOrigins)) return refuse("403 Forbidden", "origin");
    if (this.#draining) return refuse("503 Service Unavailable", "draining");
    if (this.#connections.size - this.#delivery.sessions >= limits.socketsBeforeHello) return refuse("503 Service Unavailable", "crowded");
    this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#accept(opened));
  }

  #accept(socket: WebSocket): void {
    let session: Session | undefined;
    let opening: "not-yet" | "under-way" | "done" = "not-yet";
    // A client may send more before its hello was answered: it waits here, bounded.
    const early: ClientFrame[] = [];
    const connection = new Connection(socket, {
      received: (bytes, frames) => {
        this.#bytes += bytes;
        this.#metrics.receivedBytes.inc(bytes);
        if (session === undefined) return 0;
        return Math.max(this.#rates.frames.take(session.device, frames), this.#rates.bytes.take(session.device, bytes));
      },
      sent: (bytes) => {
        this.#bytes += bytes;
        this.#metrics.sentBytes.inc(bytes);
      },
      frame: (frame) => {
        if (session !== undefined && opening === "done") return this.#handle(session, frame);
        if (opening === "under-way") {
          if (early.push(frame) > limits.framesPerPacket) connection.close(ErrorCode.NOT_READY);
          return;
        }
        if (frame.body.case !== "hello") return connection.close(ErrorCode.NOT_READY);
        opening = "under-way";
        const { request } = frame;
        void openSession(
          { chat: this.#chat, server: this.name, incarnation: this.#incarnation, isDraining: () => this.#draining },
          connection,
          request,
          frame.body.value,
        ).then((opened) => {
          if (opened === undefined) return;
          session = opened;
          opening = "done";
          clearTimeout(helloTimer);
          this.#entered(opened);
          for (const waiting of early.splice(0)) this.#handle(opened, waiting);
        });
      },
      closed: (why) => {
        clearTimeout(helloTimer);
        this.#connections.delete(connection);
        if (why !== undefined) this.#options.log.event("debug", "socket-closed", { code: why, why: errorRow(why).name });
        if (session !== undefined) this.#left(session);
      },
    });
    const helloTimer = setTimeout(() => connection.close(ErrorCode.IDLE, "No hello came."), limits.helloMs);
    this.#connections.add(connection);
  }

  #handle(session: Session, frame: ClientFrame): void {
    const { connection } = session;
    const { request, body } = frame;
    if (body.case === undefined) return connection.refuse(request, ErrorCode.UNKNOWN_REQUEST);
    if (body.case === "hello") return connection.close(ErrorCode.MALFORMED, "A second hello.");
    this.#metrics.frames.inc({ request: body.case });
    connection.beginRequest();
    // The map gives each case its own handler; the union of both sides is more than the compiler follows.
    const handler = requests[body.case] as Handler<RequestCase>;
    void this.#answer(session, request, body.case, handler(this.#chat, session, body.value));
  }

  async #answer(
    session: Session,
    request: number,
    what: RequestCase,
    answered: Promise<AnswerBody | EncodedAnswer | undefined>,
  ): Promise<void> {
    const { connection } = session;
    try {
      const answer = await answered;
      if (answer === undefined) return;
      if (answer.case === "encoded") {
        if (request !== 0) connection.send(answer.frame(request));
      } else connection.answer(request, answer);
    } catch (error) {
      const refusal = this.#refusalOf(what, error);
      this.#metrics.errors.inc({ code: refusal.row.name });
      connection.refuse(request, refusal.code, refusal.message, refusal.retryAfterMs);
    } finally {
      connection.endRequest();
    }
  }

  #refusalOf(what: RequestCase, error: unknown): FastChatError {
    if (error instanceof FastChatError) return error;
    this.#options.log.event("warn", "request-failed", { request: what, reason: reasonOf(error) });
    const failure = failureOf(error);
    return new FastChatError(failure.kind === "refused" && failure.full ? ErrorCode.STORAGE_FULL : ErrorCode.UNAVAILABLE, { cause: error });
  }

  #entered(session: Session): void {
    const { account } = session;
    // `openSession` has added it: the first of its account here is the only one now.
    if (this.#delivery.sessionsOf(account).size !== 1) return;
    clearTimeout(this.#leaving.get(account));
    this.#leaving.delete(account);
    void enterPresence(this.#options.database, this.#run, [account]).then(
      () => this.#presenceChanged(session),
      () => undefined,
    );
  }

  #left(session: Session): void {
    this.#presence.unwatch(session);
    if (!this.#delivery.remove(session) || this.#stopped) return;
    const { account } = session;
    const leftAt = Date.now();
    clearTimeout(this.#leaving.get(account));
    this.#leaving.set(
      account,
      setTimeout(() => {
        this.#leaving.delete(account);
        void this.#away(session, leftAt).catch(() => undefined);
      }, limits.presenceLingerMs),
    );
  }

  /** Connected again elsewhere, the account stays online: it is while any server holds it. */
  async #away(session: Session, leftAt: number): Promise<void> {
    const { database } = this.#options;
    const { account } = session;
    const isBack = () => this.#delivery.sessionsOf(account).size > 0;
    if (isBack()) return;
    await leavePresence(database, this.#run, account, leftAt);
    // It may have come back meanwhile.
    if (isBack()) await enterPresence(database, this.#run, [account]);
    this.#presenceChanged(session);
  }

  #presenceChanged({ account }: Session): void {
    this.#presence.changed(account);
    this.#hints.tell(["presence", account]);
  }

  #endDevice(device: DeviceId): void {
    for (const session of this.#delivery.all()) if (session.device === device) session.connection.close(ErrorCode.DEVICE_REVOKED);
  }

  // ---------------------------------------------------------------- appending

  async #append(items: readonly AppendItem[]): Promise<readonly AppendVerdict[]> {
    const since = performance.now();
    const verdicts = await appendBatch(this.#options.database.append, items, Date.now());
    this.#metrics.batchEntries.observe(items.length);
    this.#metrics.batchSeconds.observe((performance.now() - since) / 1_000);
    const [first] = verdicts;
    if (first?.kind === "unknown" || (first?.kind === "refused" && (first.reason === "storage-full" || first.reason === "unavailable"))) {
      const outcome = first.kind === "unknown" ? "unknown" : first.reason === "storage-full" ? "storage-full" : "unavailable";
      this.#options.log.event("warn", "append-failed", { messages: items.length, outcome });
    }
    return verdicts;
  }

  #stored(items: readonly QueuedItem[], verdicts: readonly AppendVerdict[]): void {
    const stored = new Map<ConversationId, StoredEntry[]>();
    for (const [index, item] of items.entries()) {
      const verdict = verdicts[index];
      if (verdict === undefined) continue;
      this.#metrics.messages.inc({ verdict: verdict.kind === "refused" ? verdict.reason : verdict.kind });
      if (verdict.kind !== "stored") continue;
      const entries = stored.get(item.conversation) ?? [];
      entries.push({
        sequence: verdict.sequence,
        time: verdict.time,
        account: idBytes(item.account),
        device: idBytes(item.device),
        kind: entryKinds.message,
        body: item.body,
      });
      stored.set(item.conversation, entries);
    }
    for (const [conversation, entries] of stored) {
      this.#delivery.stored(conversation, entries);
      this.#hints.tellHead(conversation, entries.at(-1)?.sequence ?? 0);
    }
  }

  // ---------------------------------------------------------------- other servers

  #hear({ heads, hints }: HintMessage): void {
    for (const hint of hints) this.#hearHint(hint);
    for (const { prefix, head } of heads) this.#delivery.hinted(prefix, head);
  }

  #hearHint(hint: Hint): void {
    const delivery = this.#delivery;
    const id = (hex: string): ConversationId => conversationId(Buffer.from(hex, "hex"));
    try {
      switch (hint[0]) {
        case "joined": {
          const conversation = id(hint[2]);
          for (const session of delivery.sessionsOf(hint[1])) delivery.watch(session, conversation, hint[3] - 1);
          break;
        }
        case "account":
          void tellAccountMoved(this.#chat, { account: hint[1], index: hint[2], hash: linkHash(Buffer.from(hint[3], "hex")) }).catch(
            () => undefined,
          );
          break;
        case "ended":
          this.#endDevice(hint[1]);
          break;
        case "vault": {
          const moved = encodeFrame(0, { case: "vaultMoved", value: create(VaultMovedSchema, { revision: hint[2] }) });
          for (const session of delivery.sessionsOf(hint[1])) session.connection.send(moved);
          break;
        }
        case "presence":
          this.#presence.changed(hint[1]);
          break;
        case "slot": {
          const slots = [fromBinary(SealedSlotSchema, Buffer.from(hint[2], "base64"))];
          delivery.push(hint[1], encodeFrame(0, { case: "slots", value: create(SlotsSchema, { conversation: idBytes(hint[1]), slots }) }));
          break;
        }
        case "signal": {
          const signal = fromBinary(SealedSignalSchema, Buffer.from(hint[2], "base64"));
          delivery.push(
            hint[1],
            encodeFrame(0, { case: "signal", value: create(SignalSchema, { conversation: idBytes(hint[1]), signal }) }),
          );
          break;
        }
        case "key-request": {
          const request = fromBinary(KeyRequestSchema, Buffer.from(hint[2], "base64"));
          delivery.push(hint[1], encodeFrame(0, { case: "keyRequested", value: create(KeyRequestedSchema, { request }) }));
          break;
        }
        default:
          // A newer server's hint.
          hint satisfies never;
      }
    } catch (error) {
      this.#options.log.event("warn", "request-failed", { request: "hint", reason: reasonOf(error) });
    }
  }

  #tick(): void {
    const silentSince = performance.now() - (this.#options.idleMs ?? limits.idleMs);
    for (const connection of this.#connections) if (connection.heardAt < silentSince) connection.close(ErrorCode.IDLE);
    // A database that hangs must not make beats pile up.
    if (this.#isBeating) return;
    this.#isBeating = true;
    this.#beating = this.#beat().finally(() => (this.#isBeating = false));
  }

  async #beat(): Promise<void> {
    if (this.#stopped) return;
    const { database, log } = this.#options;
    const bytesPerSecond = Math.round((this.#bytes * 1_000) / limits.heartbeatMs);
    this.#bytes = 0;
    try {
      const { known } = await beat(database, {
        name: this.name,
        run: this.#run,
        url: this.url,
        connections: this.#connections.size,
        bytesPerSecond,
        hints: this.#hints.number,
        draining: this.#draining,
      });
      if (!known) await enterPresence(database, this.#run, this.#delivery.accounts());
      this.#compare(await readHeartbeats(database));
      this.#beats += 1;
      if (this.#beats % 30 === 0) await forgetDeadServers(database);
    } catch (error) {
      log.event("warn", "heartbeat-failed", { reason: reasonOf(error) });
    }
  }

  /** Looks for missed hints, and for servers that came or went with their people. */
  #compare(heard: readonly HeardHeartbeat[]): void {
    this.#hints.compare(heard);
    const fresh = new Set(heard.filter(isFresh).map(({ run }) => run));
    if (fresh.size !== this.#fresh.size || [...fresh].some((run) => !this.#fresh.has(run))) this.#presence.allChanged();
    this.#fresh = fresh;
  }

  /** Hints were missed: what they may have said is read from the store, once, for everybody who is connected here. */
  #repair(): void {
    if (this.#repairing !== undefined) {
      this.#repairAgain = true;
      return;
    }
    this.#metrics.missedHints.inc();
    this.#repairing = this.#readMissed()
      .catch((error: unknown) => {
        this.#options.log.event("warn", "repair-failed", { reason: reasonOf(error) });
        this.#repairAgain = true;
        return new Promise<void>((resolve) => setTimeout(resolve, limits.heartbeatMs));
      })
      .then(() => {
        this.#repairing = undefined;
        if (!this.#repairAgain || this.#stopped) return;
        this.#repairAgain = false;
        this.#repair();
      });
  }

  async #readMissed(): Promise<void> {
    const { database, log } = this.#options;
    const delivery = this.#delivery;
    const sessions = [...delivery.all()];
    for (const ended of await endedAmong(database, [...new Set(sessions.map((session) => session.device))])) this.#endDevice(ended);
    const accounts = delivery.accounts();
    const heads = await conversationsOf(database, accounts);
    for (const { account, conversation, sequence } of heads) {
      for (const session of delivery.sessionsOf(Buffer.from(account).toString("hex") as Session["account"])) {
        // One that began meanwhile: from its beginning.
        if (!session.conversations.has(conversation)) delivery.watch(session, conversation, 0);
      }
      delivery.known(conversation, sequence);
    }
    for (const { account, revision } of await vaultRevisions(database, accounts)) {
      const moved = encodeFrame(0, { case: "vaultMoved", value: create(VaultMovedSchema, { revision }) });
      for (const session of delivery.sessionsOf(Buffer.from(account).toString("hex") as Session["account"])) session.connection.send(moved);
    }
    this.#presence.allChanged();
    log.event("info", "hints-missed", { conversations: heads.length });
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
