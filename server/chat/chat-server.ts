import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { limits } from "@fastchat/protocol";
import type { Bus } from "../bus/bus.ts";
import { DirectBus } from "../bus/bus-direct.ts";
import { isOf } from "../bus/hint.ts";
import { HintLine } from "../bus/hint-line.ts";
import { busKeyOf } from "../bus/told-entries.ts";
import type { PeoplePolicy } from "../config.ts";
import type { Log } from "../events.ts";
import type { StrategyName } from "../gateway/strategies.ts";
import { openChatMetrics } from "../metrics.ts";
import { readInstallationKey, Receipts } from "../receipts.ts";
import { ChainStates } from "../store/chains.ts";
import type { Database } from "../store/database.ts";
import { type HeardHeartbeat, isFresh, leaveRegistry, readHeartbeats, type Registry } from "../store/servers.ts";
import { SharedRate } from "../store/shared-rate.ts";
import { TokenBuckets } from "../token-bucket.ts";
import { openAppendQueue } from "./appending.ts";
import { Attendance } from "./attendance.ts";
import type { ChatContext } from "./context.ts";
import { Delivery } from "./delivery.ts";
import { hearHint } from "./hear-hint.ts";
import { Heart } from "./heartbeat.ts";
import { MissedHints } from "./missed-hints.ts";
import { Moves } from "./moves.ts";
import { PresenceBoard } from "./presence-board.ts";
import { Retention } from "./retention.ts";
import { Sockets } from "./sockets.ts";

export interface ChatServerOptions {
  readonly database: Database;
  readonly bus: Bus;
  /** Servers tell each other directly where they can, and by the bus otherwise. */
  readonly isDirect: boolean;
  readonly log: Log;
  readonly people: PeoplePolicy;
  /** How gateways choose unless another strategy was chosen while they ran. */
  readonly strategy: StrategyName;
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
  /** Told with each heartbeat what came and went in the last second. */
  readonly onLoad?: ((bytesPerSecond: number) => void) | undefined;
  /** As `limits`; tests lower them. */
  readonly idleMs?: number | undefined;
  readonly retentionSweepMs?: number | undefined;
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
  const { database, host, port } = options;
  const heard = await readHeartbeats(database);
  const installationKey = await readInstallationKey(database);
  const http = createServer({ requestTimeout: limits.connectMs, headersTimeout: limits.connectMs });
  await new Promise<void>((resolve, reject) => http.once("error", reject).listen({ host, port }, resolve));
  const server = new RunningChatServer(options, {
    http,
    heard,
    receipts: new Receipts(installationKey),
    busKey: busKeyOf(installationKey),
  });
  await server.offer(heard);
  return server;
}

/** What a server begins with. */
interface Found {
  readonly http: Server;
  readonly heard: readonly HeardHeartbeat[];
  readonly receipts: Receipts;
  readonly busKey: Uint8Array;
}

/** Puts the parts together, and ends them in the order in which they need each other. */
class RunningChatServer implements ChatServer {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly #run = randomBytes(8).toString("hex");
  readonly #http: Server;
  readonly #chat: ChatContext;
  readonly #attendance: Attendance;
  readonly #missed: MissedHints;
  readonly #retention: Retention;
  readonly #sockets: Sockets;
  readonly #direct: DirectBus | undefined;
  readonly #heart: Heart;
  readonly #idleMs: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** `http` listens already; nothing has come in yet. */
  constructor(options: ChatServerOptions, { http, heard, receipts, busKey }: Found) {
    const { bus, database, host, advertisedHost = host, log, people, webOrigins } = options;
    this.port = (http.address() as AddressInfo).port;
    this.name = options.name(this.port);
    this.url = options.url ?? `ws://${advertisedHost.includes(":") ? `[${advertisedHost}]` : advertisedHost}:${this.port}`;
    this.#idleMs = options.idleMs ?? limits.idleMs;
    const metrics = openChatMetrics();
    const delivery = new Delivery(database, log, {
      onWatch: (watched) => this.#direct?.want(watched),
      onUnwatch: (prefix) => this.#direct?.leave(prefix),
    });
    const direct = { bus, run: this.#run, key: busKey, isFrom: isOf, wanted: () => delivery.heads(), log };
    this.#direct = options.isDirect ? new DirectBus(direct) : undefined;
    const hints = new HintLine({
      bus: this.#direct ?? bus,
      run: this.#run,
      key: busKey,
      heard,
      log,
      onHints: (message) => {
        for (const { conversation, entries } of message.entries) delivery.stored(conversation, entries);
        // Heads before hints: a push waits behind a link that may have put somebody out.
        for (const { prefix, head } of message.heads) delivery.hinted(prefix, head);
        for (const hint of message.hints) hearHint(this.#chat, hint);
      },
      onMissed: () => this.#missed.repair(),
      onInterrupted: () => metrics.busInterruptions.inc(),
      onUnsent: () => metrics.unsentHints.inc(),
    });
    const shared = (rate: string, perSecond: number, burst: number) => new SharedRate(database, rate, { perSecond, burst });
    this.#chat = {
      database,
      delivery,
      presence: new PresenceBoard(database, log),
      hints,
      chains: new ChainStates(database),
      receipts,
      queue: openAppendQueue({ database, delivery, hints, metrics, log }),
      people,
      rates: {
        links: new TokenBuckets({ perSecond: limits.linksPerMinute / 60, burst: limits.linksBurst }),
        comparisons: new TokenBuckets({ perSecond: limits.comparisonsPerMinute / 60, burst: limits.comparisonsBurst }),
        rekeys: shared("rekeys", limits.rekeysPerMinutePerConversation / 60, limits.rekeysPerMinutePerConversation),
        vaultWrites: shared("vault-writes", limits.vaultWritesPerMinute / 60, limits.vaultWritesBurst),
        joinRequests: shared("join-requests", limits.joinRequestsPerMinute / 60, limits.joinRequestsBurst),
        incarnations: shared("incarnations", limits.incarnationsPerHour / 3_600, limits.incarnationsPerHour),
      },
      metrics,
      log,
      now: Date.now,
    };
    this.#missed = new MissedHints(this.#chat);
    this.#retention = new Retention({ ...this.#chat, everyMs: options.retentionSweepMs ?? limits.retentionSweepMs });
    this.#attendance = new Attendance(this.#chat, this.#run);
    const { name, url } = this;
    const moves = new Moves({ chat: this.#chat, server: name, strategy: options.strategy });
    this.#sockets = new Sockets({
      chat: this.#chat,
      attendance: this.#attendance,
      moves,
      server: name,
      webOrigins,
    });
    const load = () => {
      const bytesPerSecond = Math.round((this.#sockets.takeBytes() * 1_000) / limits.heartbeatMs);
      options.onLoad?.(bytesPerSecond);
      return { connections: this.#sockets.count, bytesPerSecond, draining: this.#sockets.isDraining };
    };
    const onHeard = (registry: Registry) => {
      void this.#direct?.meet(this.#others(registry.servers));
      moves.heard(registry);
      if (!this.#sockets.isDraining) moves.evenOut(registry);
    };
    this.#heart = new Heart(this.#chat, { name, run: this.#run, url }, { load, heard, onHeard });
    this.#http = http
      .on("request", (request, response) => void this.#answerHttp(request, response))
      .on("upgrade", (request, socket, head) => {
        const way = this.#direct !== undefined && DirectBus.isAsked(request) ? this.#direct : this.#sockets;
        way.accept(request, socket, head);
      });
  }

  /** The first heartbeat, and those that follow. @param heard the others that were there before */
  async offer(heard: readonly HeardHeartbeat[]): Promise<void> {
    // Before anybody is here: who is connected is told everything from now on.
    await this.#direct?.meet(this.#others(heard));
    await this.#heart.beat();
    this.#retention.start();
    this.#timer = setInterval(() => {
      this.#sockets.closeSilent(this.#idleMs);
      this.#heart.tick();
    }, limits.heartbeatMs);
    this.#chat.log.event("info", "chat-server-listens", { server: this.name, url: this.url });
  }

  #others(servers: readonly HeardHeartbeat[]): HeardHeartbeat[] {
    return servers.filter((server) => server.run !== this.#run && isFresh(server));
  }

  async drain(): Promise<void> {
    if (this.#sockets.isDraining) return;
    this.#sockets.refuseNew();
    this.#chat.log.event("info", "chat-server-drains", { server: this.name, connections: this.#sockets.count });
    await this.#heart.beat();
    await this.#sockets.empty();
    await this.#chat.queue.settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const { database, delivery, log, presence, queue } = this.#chat;
    clearInterval(this.#timer);
    this.#sockets.refuseNew();
    this.#attendance.stop();
    const repaired = this.#missed.stop();
    const erased = this.#retention.stop();
    delivery.stop();
    presence.stop();
    this.#sockets.closeAll();
    await Promise.race([queue.settled(), wait(2_000, undefined, { ref: false })]);
    await this.#heart.settled();
    await repaired;
    await erased;
    await leaveRegistry(database, this.#run).catch(() => undefined);
    await this.#direct?.[Symbol.asyncDispose]();
    await new Promise((resolve) => {
      this.#http.close(resolve);
      this.#http.closeAllConnections();
      this.#sockets.terminateAll();
    });
    log.event("info", "chat-server-stopped", { server: this.name });
  }

  async #answerHttp(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { metrics } = this.#chat;
    const path = request.url?.split("?")[0];
    if (path === "/healthz" || (path === "/readyz" && !this.#sockets.isDraining)) {
      response.setHeader("content-type", "text/plain").end("ok\n");
    } else if (path === "/metrics") {
      metrics.connections.set(this.#sockets.count);
      response.setHeader("content-type", metrics.registry.contentType).end(await metrics.registry.metrics());
    } else {
      response
        .writeHead(404, { "content-type": "text/plain" })
        .end("This is a FastChat chat server: clients connect to it by WebSocket.\n");
    }
  }
}
