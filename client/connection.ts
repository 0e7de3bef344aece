import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type DeviceId, ErrorCode, errorOfClose, errorRow, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { equal } from "@fastchat/protocol/seal";
import { ClientFrameSchema, type ServerFrame, ServerPacketSchema, type Welcome } from "@fastchat/protocol/wire/frames";
import type { ConnectionState } from "./api.ts";
import { backoff } from "./backoff.ts";
import { type Gateway, GatewayUnreachable } from "./gateway.ts";
import { PacketWriter } from "./packets.ts";
import { pause } from "./pause.ts";
import { believableWait, isWellFormed } from "./server-words.ts";

type ClientBody = Exclude<NonNullable<MessageInitShape<typeof ClientFrameSchema>["body"]>, { case: undefined }>;
type ServerBody = Exclude<ServerFrame["body"], { case: undefined }>;
type Answers<Case extends ServerBody["case"]> = Extract<ServerBody, { case: Case }>["value"];

/**
 * Whether trying again can change nothing. A gateway that does not know the device is no such end: another installation may
 * answer at its address for a while, and only its own gateway knows that a device was revoked.
 */
function isFinal({ code, row }: FastChatError): boolean {
  if (code === ErrorCode.DEVICE_UNKNOWN) return false;
  return row.advice === "stop" || row.advice === "sign-in" || code === ErrorCode.ACCOUNT_CLOSED;
}

/** The socket ended before the answer came: whether the request was done is unknown. */
export class ConnectionLost extends Error {
  constructor(cause?: unknown) {
    super("The connection was lost before the answer came.", { cause });
    this.name = "ConnectionLost";
  }
}

/** How a program is known to operators that says nothing of itself. */
export const defaultAgent = "fastchat-sdk/0.1.0";

/** A connection that stood this long had nothing wrong with it: the next attempt is a first one again. */
const STABLE_MS = 5_000;
const MOVE_JITTER_MS = 250;
/** How often it is looked whether a connection is quiet, or dead. */
const LOOK_MS = 1_000;
/** From the welcome of another server until what this one was asked is to be answered. */
const HANDOVER_MS = 500;
/** For which a session that begins is let be before it is asked to end. */
const BEGINNING_MS = 2_000;
/** Between two attempts to go elsewhere, at most; and how many there are, which outlasts a server that drains. */
const MOVE_AGAIN_MS = 1_000;
const MOVE_ATTEMPTS = 30;
/** Answer to a ping after this machine woke up. */
const WAKE_PING_MS = 3_000;

export interface ConnectionOptions {
  readonly gateway: Gateway;
  readonly device: DeviceId;
  readonly signingSeed: Uint8Array;
  readonly agent: string;
  /** Hints of the platform that the network may be back, or that this machine slept. */
  readonly onWake: (listener: () => void) => () => void;
  /** It is never started. */
  readonly offline?: boolean;
}

export interface ConnectionListener {
  onState(state: ConnectionState): void;
  /**
   * A session begins; what was sent in an earlier one was answered, or has failed: with ConnectionLost, or where it never left with HELD. There need
   * not have been a time without a session. @param running see Welcome
   */
  onOnline(running: Uint8Array): void;
  /** What a session begins with is not done yet, and has to hear of the session's end. */
  isBeginning(): boolean;
  /** The gateway does not know this device: it may have lost it. */
  onUnknown(): Promise<void>;
  /** What the server says by itself. */
  onPush(body: ServerBody): void;
  /** The server says what time it is there, milliseconds since 1970. */
  onTime(time: bigint): void;
}

interface Question {
  readonly body: ClientBody;
  readonly expected: ServerBody["case"];
  readonly timeoutMs: number;
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

interface Waiting extends Pick<Question, "expected" | "resolve" | "reject"> {
  readonly deadline: number;
}

interface Session {
  readonly socket: WebSocket;
  readonly server: string;
  readonly writer: PacketWriter;
  readonly waiting: Map<number, Waiting>;
  /** They wait for their turn (the server bounds how many may be unanswered), or for the session after this one. */
  readonly queued: Question[];
  readonly ended: PromiseWithResolvers<FastChatError>;
  isOver: boolean;
  /** The server asked to go elsewhere, but not to these. */
  move: PromiseWithResolvers<readonly string[]>;
  /** It is left: nothing more is asked of it; resolves with the last answer. */
  leaving: PromiseWithResolvers<void> | undefined;
  /** It was welcomed and is the one that counts. */
  serves: boolean;
  looking: ReturnType<typeof setInterval> | undefined;
  nextRequest: number;
  heardAt: number;
  error: FastChatError | undefined;
}

interface Entered {
  readonly session: Session;
  readonly welcome: Welcome;
}

/**
 * Keeps one socket to a chat server, through the gateway, for as long as it is open: ticket, socket, hello; afterwards
 * whatever ends it, the next one. Errors decide by their advice: "stop" and "sign-in" end it for good, everything else is
 * tried again, at once where the server asked for it, else after a growing random wait.
 *
 * A server that asks its clients to move (it is told to stop, or has more than its share) is not left before there is another one:
 *   1. serving: ticket, socket and hello of the other one, while everything goes on here; tried again until that ends or this one does.
 *   2. leaving: the other one has welcomed us. What was asked here is answered here; what is asked from now on waits. So nothing that is sent there
 *      can overtake what is still on its way here.
 *   3. served there: when nothing is unanswered. A `send` that waited never left and fails with HELD: had one before it been refused, this server
 *      would have said so, and the other one cannot know. It flies again, in its order. Then this socket is closed.
 * Should an answer not come in time, its outcome is unknown, and all that is on its way fails as if the connection had been lost, which is told
 * before the other session begins; likewise where this one has not come to the end of its beginning, which is waited for, too. What the other one says by itself in phase 2 is said here, too, or stands in the heads that a session begins with.
 */
export class Connection {
  state: ConnectionState;
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #closing = new AbortController();
  #session: Session | undefined;
  /** Another one for each session. */
  sessionNumber = 0;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    const since = Date.now();
    // What comes before it starts waits for the first attempt.
    this.state =
      options.offline === true
        ? { kind: "offline", since, retryAt: 0, reason: "connection-lost", detail: "Not connected, as asked for." }
        : { kind: "connecting", since, attempt: 1 };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves with the first session; rejects with UNAVAILABLE when the attempt under way fails, or none is. */
  async online(): Promise<void> {
    while (this.state.kind === "connecting") await this.#changed.promise;
    if (this.state.kind === "ended") throw new FastChatError(this.state.code);
    if (this.state.kind === "offline") {
      throw new FastChatError(this.state.reason === "no-services" ? ErrorCode.NO_SERVER : ErrorCode.UNAVAILABLE, {
        detail: this.state.detail,
      });
    }
  }

  /** The answer's value. Throws FastChatError as the server says, ConnectionLost when there is no connection or it ends. */
  request<Case extends ServerBody["case"]>(body: ClientBody, expected: Case): Promise<Answers<Case>> {
    const session = this.#session;
    if (session === undefined) return Promise.reject(new ConnectionLost());
    return this.#ask(session, body, expected, limits.requestMs);
  }

  /** Says something that nobody answers; nothing happens without a connection. */
  signal(body: ClientBody): void {
    this.#session?.writer.add(create(ClientFrameSchema, { request: 0, body }));
  }

  /** What the server said could not be worked on: the session ends with it, and the next one may do better. False: there is none. */
  endSession(error: unknown): boolean {
    if (this.#session === undefined) return false;
    endFor(this.#session, `What the server sent could not be used: ${String(error)}`, error);
    return true;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#session?.socket.close(1_000);
    if (this.#session !== undefined) end(this.#session, new FastChatError(ErrorCode.MOVED));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const stopWake = this.#options.onWake(() => this.#woke());
    const avoid: string[] = [];
    let attempt = 1;
    let offlineSince: number | undefined;
    while (!signal.aborted) {
      if (offlineSince === undefined) this.#become({ kind: "connecting", since: Date.now(), attempt });
      const failure = await this.#once(avoid);
      if (signal.aborted) break;
      const { code, row } = failure.error;
      if (isFinal(failure.error)) {
        this.#become({ kind: "ended", code, sentence: row.sentence });
        break;
      }
      if (failure.server !== undefined && !avoid.includes(failure.server)) {
        avoid.push(failure.server);
        if (avoid.length > limits.avoidedServers) avoid.shift();
      }
      if (failure.stoodMs >= STABLE_MS) {
        attempt = 1;
        avoid.splice(0, avoid.length - 1);
        offlineSince = undefined;
      }
      const wait =
        code === ErrorCode.MOVED && failure.stoodMs > 0
          ? Math.random() * MOVE_JITTER_MS
          : backoff(attempt, Math.random(), failure.error.retryAfterMs);
      offlineSince ??= Date.now();
      this.#become({
        kind: "offline",
        since: offlineSince,
        retryAt: Date.now() + wait,
        reason: failure.unreachable || code === ErrorCode.NO_SERVER ? "no-services" : "connection-lost",
        detail: failure.error.message,
      });
      await this.#sleep(wait);
      attempt++;
    }
    stopWake();
  }

  /** From a ticket to the end of the last session that it led to. */
  async #once(avoid: readonly string[]): Promise<Failure> {
    const tried: { server?: string } = {};
    let onlineAt: number | undefined;
    const stood = () => (onlineAt === undefined ? 0 : performance.now() - onlineAt);
    try {
      let entered = await this.#enter(avoid, tried);
      for (;;) {
        const { session } = entered;
        onlineAt = performance.now();
        this.#serve(entered);
        const next = await this.#next(session);
        // In one turn, so that whoever asks something finds the one or the other.
        if (next !== undefined) this.#carryOver(session, next.session);
        this.#finish(session);
        if (next === undefined) return { error: await session.ended.promise, server: session.server, stoodMs: stood(), unreachable: false };
        entered = next;
      }
    } catch (error) {
      const known =
        error instanceof FastChatError ? error : new FastChatError(ErrorCode.UNAVAILABLE, { detail: String(error), retryAfterMs: 0 });
      if (known.code === ErrorCode.DEVICE_UNKNOWN) await this.#listener.onUnknown().catch(() => undefined);
      return { error: known, server: tried.server, stoodMs: stood(), unreachable: error instanceof GatewayUnreachable };
    }
  }

  /** Ticket, socket, hello. @param tried is told which server it was */
  async #enter(avoid: readonly string[], tried: { server?: string }): Promise<Entered>;
  /** The same; undefined: the gateway knows of no other server than `leaving`. */
  async #enter(avoid: readonly string[], tried: { server?: string }, leaving: string): Promise<Entered | undefined>;
  async #enter(avoid: readonly string[], tried: { server?: string }, leaving?: string): Promise<Entered | undefined> {
    const { gateway, device, signingSeed } = this.#options;
    const ticket = await gateway.ticket(device, signingSeed, avoid, this.#closing.signal);
    tried.server = ticket.server;
    if (ticket.server === leaving) return undefined;
    const session = await this.#open(ticket.url, ticket.server);
    try {
      return { session, welcome: await this.#hello(session, ticket.ticket) };
    } catch (error) {
      this.#finish(session);
      throw error;
    }
  }

  #serve({ session, welcome }: Entered): void {
    session.serves = true;
    this.#session = session;
    this.sessionNumber += 1;
    this.#listener.onTime(welcome.time);
    this.#become({ kind: "online", server: welcome.server, since: Date.now() });
    this.#listener.onOnline(welcome.running);
  }

  /** Closes what is left of a session. */
  #finish(session: Session): void {
    clearInterval(session.looking);
    if (this.#session === session) this.#session = undefined;
    session.socket.close();
    fail(session, new ConnectionLost(session.error));
  }

  /** The session that takes this one's place, ready to serve. Undefined: this one has ended. */
  async #next(session: Session): Promise<Entered | undefined> {
    const ended = session.ended.promise.then(() => undefined);
    for (;;) {
      const spared = await Promise.race([ended, session.move.promise]);
      if (spared === undefined || session.isOver) return undefined;
      session.move = Promise.withResolvers();
      await this.#begun(session);
      for (let attempt = 1; ; attempt++) {
        const next = await this.#elsewhere(session, spared);
        if (next === undefined) break;
        if (await this.#handOver(session, next)) return next;
        await this.#pauseBeforeMove(session, attempt);
      }
    }
  }

  async #begun(session: Session): Promise<void> {
    for (const until = performance.now() + BEGINNING_MS; performance.now() < until;) {
      if (session.isOver || this.#closing.signal.aborted || !this.#listener.isBeginning()) return;
      await pause(BEGINNING_MS / 100, this.#closing.signal);
    }
  }

  /** Undefined: this session has ended, or there is nowhere else to go. */
  async #elsewhere(session: Session, spared: readonly string[]): Promise<Entered | undefined> {
    const avoid = [session.server, ...spared].slice(0, limits.avoidedServers);
    const ended = session.ended.promise.then(() => undefined);
    for (let attempt = 1; attempt <= MOVE_ATTEMPTS; attempt++) {
      const tried: { server?: string } = {};
      const entering = this.#enter(avoid, tried, session.server);
      try {
        const next = await Promise.race([entering, ended]);
        if (!session.isOver) return next;
        // Too late for it: the way from the beginning is the same for all that have no session.
        void entering.then(
          (late) => late !== undefined && this.#finish(late.session),
          () => undefined,
        );
        return undefined;
      } catch (error) {
        // What ends it for good is told by this session's end, too.
        if (session.isOver || (error instanceof FastChatError && isFinal(error))) return undefined;
        if (tried.server !== undefined && avoid.length < limits.avoidedServers) avoid.push(tried.server);
      }
      await this.#pauseBeforeMove(session, attempt);
      if (session.isOver) return undefined;
    }
    return undefined;
  }

  /** Ends with the session. */
  async #pauseBeforeMove(session: Session, attempt: number): Promise<void> {
    const over = new AbortController();
    void session.ended.promise.then(() => over.abort());
    await pause(Math.min(MOVE_AGAIN_MS, backoff(attempt, Math.random())), AbortSignal.any([over.signal, this.#closing.signal]));
  }

  /** Phases 2 and 3. False: the other one ended meanwhile, and this one goes on. */
  async #handOver(session: Session, { session: next }: Entered): Promise<boolean> {
    const left = Promise.withResolvers<void>();
    session.leaving = left;
    if (session.waiting.size === 0) left.resolve();
    await Promise.race([left.promise, session.ended.promise, next.ended.promise, pause(HANDOVER_MS, this.#closing.signal)]);
    if (next.isOver || this.#closing.signal.aborted) {
      this.#finish(next);
      session.leaving = undefined;
      this.#putQueued(session);
      return false;
    }
    if (session.waiting.size > 0 || this.#listener.isBeginning()) {
      this.#become({ kind: "connecting", since: Date.now(), attempt: 1 });
      fail(session, new ConnectionLost(session.error));
      // Whoever hears of it does so before the next session begins.
      await pause(0, this.#closing.signal);
    }
    return true;
  }

  /** What waited. */
  #carryOver(session: Session, next: Session): void {
    for (const question of session.queued.splice(0)) {
      if (question.body.case === "send") question.reject(new FastChatError(ErrorCode.HELD));
      else this.#put(next, question);
    }
  }

  #open(url: string, server: string): Promise<Session> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.binaryType = "arraybuffer";
      const session: Session = {
        socket,
        server,
        writer: new PacketWriter((packet) => socket.readyState === WebSocket.OPEN && socket.send(packet)),
        waiting: new Map(),
        queued: [],
        ended: Promise.withResolvers(),
        isOver: false,
        move: Promise.withResolvers(),
        leaving: undefined,
        serves: false,
        looking: undefined,
        nextRequest: 1,
        heardAt: performance.now(),
        error: undefined,
      };
      const timer = setTimeout(() => {
        reject(new ConnectionLost());
        socket.close();
      }, limits.connectMs);
      const abort = () => socket.close();
      this.#closing.signal.addEventListener("abort", abort, { once: true });
      socket.addEventListener("open", () => {
        clearTimeout(timer);
        session.looking = setInterval(() => this.#look(session), LOOK_MS);
        resolve(session);
      });
      socket.addEventListener("message", ({ data }) => this.#receive(session, new Uint8Array(data as ArrayBuffer)));
      // An error is always followed by a close, which says more.
      socket.addEventListener("error", () => undefined);
      socket.addEventListener("close", ({ code }) => {
        clearTimeout(timer);
        this.#closing.signal.removeEventListener("abort", abort);
        const known = errorOfClose(code);
        session.error ??= known === undefined ? undefined : new FastChatError(known);
        const lost = new ConnectionLost(session.error);
        reject(lost);
        end(session, session.error ?? new FastChatError(ErrorCode.UNAVAILABLE, { detail: lost.message, retryAfterMs: 0 }));
      });
    });
  }

  async #hello(session: Session, ticket: Uint8Array): Promise<Welcome> {
    const hello = { versions: [...limits.protocolVersions], suites: [...limits.suites], ticket, agent: this.#options.agent };
    const failed = session.ended.promise.then((error) => {
      throw error;
    });
    failed.catch(() => undefined);
    const welcome = await Promise.race([this.#ask(session, { case: "hello", value: hello }, "welcome", limits.helloMs), failed]);
    if (!limits.protocolVersions.includes(welcome.version as never) || !limits.suites.includes(welcome.suite as never)) {
      throw new FastChatError(ErrorCode.VERSION_TOO_OLD);
    }
    if (!equal(welcome.device, idBytes(this.#options.device))) throw new FastChatError(ErrorCode.TICKET_INVALID);
    return welcome;
  }

  #ask<Case extends ServerBody["case"]>(session: Session, body: ClientBody, expected: Case, timeoutMs: number): Promise<Answers<Case>> {
    return new Promise((resolve, reject) => this.#put(session, { body, expected, timeoutMs, resolve, reject }));
  }

  #put(session: Session, question: Question): void {
    if (session.leaving !== undefined || session.waiting.size >= limits.requestsInFlight) {
      session.queued.push(question);
      return;
    }
    const { body, expected, timeoutMs, resolve, reject } = question;
    if (session.socket.readyState !== WebSocket.OPEN) return reject(new ConnectionLost(session.error));
    const request = session.nextRequest;
    session.nextRequest = request === limits.largestNumber ? 1 : request + 1;
    session.waiting.set(request, { expected, resolve, reject, deadline: performance.now() + timeoutMs });
    session.writer.add(create(ClientFrameSchema, { request, body }));
  }

  /** As many as may be unanswered. */
  #putQueued(session: Session): void {
    while (session.leaving === undefined && session.waiting.size < limits.requestsInFlight) {
      const question = session.queued.shift();
      if (question === undefined) return;
      this.#put(session, question);
    }
  }

  #receive(session: Session, packet: Uint8Array): void {
    session.heardAt = performance.now();
    let frames: ServerFrame[];
    try {
      ({ frames } = fromBinary(ServerPacketSchema, packet));
    } catch (error) {
      return endFor(session, "The server sent what is no packet.", error);
    }
    for (const { request, body } of frames) {
      if (!isWellFormed(body)) return endFor(session, `The server sent ${body.case} as no server does.`);
      // A frame of a newer server that this client does not know.
      if (body.case === undefined) continue;
      if (request === 0) this.#push(session, body);
      else this.#answer(session, request, body);
    }
  }

  #push(session: Session, body: ServerBody): void {
    if (body.case === "error") {
      session.error = new FastChatError(body.value.code, retryOf(body.value.retryAfterMs));
    } else if (body.case === "move") {
      session.move.resolve(body.value.avoid);
    } else if (session.serves) {
      this.#listener.onPush(body);
    }
  }

  #answer(session: Session, request: number, body: ServerBody): void {
    const waiting = session.waiting.get(request);
    if (waiting === undefined) return;
    session.waiting.delete(request);
    if (body.case === waiting.expected) waiting.resolve(body.value as never);
    else if (body.case === "error") {
      const { code, detail, retryAfterMs } = body.value;
      waiting.reject(new FastChatError(code, { ...(detail !== "" && { detail }), ...retryOf(retryAfterMs) }));
    } else waiting.reject(new FastChatError(ErrorCode.UNSPECIFIED, { detail: `The server answered with ${body.case}.` }));
    this.#putQueued(session);
    if (session.waiting.size === 0) session.leaving?.resolve();
  }

  /** Every second: pings a quiet connection, ends a dead one. */
  #look(session: Session): void {
    const now = performance.now();
    const quiet = now - session.heardAt;
    const late = session.waiting.values().some(({ deadline }) => deadline < now);
    if (late || quiet > limits.idleMs) {
      session.socket.close();
      end(session, new FastChatError(ErrorCode.IDLE));
    } else if (quiet > limits.idleMs / 3 && session.waiting.size === 0) {
      this.#ping(session, limits.requestMs);
    }
  }

  #ping(session: Session, timeoutMs: number): void {
    this.#ask(session, { case: "ping", value: {} }, "pong", timeoutMs).then(
      ({ time }) => this.#listener.onTime(time),
      () => undefined,
    );
  }

  /** Cuts a wait short; asks a connection that may have died in its sleep for a sign of life. */
  #woke(): void {
    this.#wake?.();
    if (this.#session !== undefined) this.#ping(this.#session, WAKE_PING_MS);
  }

  async #sleep(milliseconds: number): Promise<void> {
    const wake = new AbortController();
    this.#wake = () => wake.abort();
    await pause(milliseconds, AbortSignal.any([wake.signal, this.#closing.signal]));
    this.#wake = undefined;
  }

  #become(state: ConnectionState): void {
    this.state = state;
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    this.#listener.onState(state);
    resolve();
  }
}

interface Failure {
  readonly error: FastChatError;
  readonly server: string | undefined;
  /** How long the session stood; 0: never. */
  readonly stoodMs: number;
  /** Not even the gateway answered. */
  readonly unreachable: boolean;
}

const retryOf = (retryAfterMs: number) => (retryAfterMs > 0 ? { retryAfterMs: believableWait(retryAfterMs) } : {});

function endFor(session: Session, detail: string, cause?: unknown): void {
  session.error ??= new FastChatError(ErrorCode.UNAVAILABLE, { detail, cause, retryAfterMs: 0 });
  session.socket.close();
  end(session, session.error);
}

function end(session: Session, error: FastChatError): void {
  session.isOver = true;
  session.ended.resolve(error);
}

/** All that was asked and not answered. */
function fail(session: Session, lost: ConnectionLost): void {
  for (const waiting of session.waiting.values()) waiting.reject(lost);
  session.waiting.clear();
  for (const question of session.queued.splice(0)) question.reject(lost);
}

/** Whether doing the same again, with the same ids, can help. */
export function isWorthRetrying(error: unknown): boolean {
  return (
    error instanceof ConnectionLost || (error instanceof FastChatError && ["retry", "reconnect"].includes(errorRow(error.code).advice))
  );
}
