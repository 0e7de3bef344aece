import { ErrorCode, errorRow, limits } from "@fastchat/protocol";
import type { ClientFrame } from "@fastchat/protocol/wire/frames";
import type { WebSocket } from "ws";
import { readPacket } from "./packets.ts";
import { type AnswerBody, type EncodedFrame, encodeFrame, encodePackets, wireError } from "./wire.ts";

/** Above this reading stops, below half of it goes on: who asks for much must also read it. */
const PAUSE_BYTES = 1_048_576;

export interface ConnectionEvents {
  /** Called for each frame in order; must not throw. */
  frame(frame: ClientFrame): void;
  /** Bytes and frames of a packet, for rates and metrics: how long to stop reading, in milliseconds. */
  received(bytes: number, frames: number): number;
  sent(bytes: number): void;
  closed(why: ErrorCode | undefined): void;
}

/**
 * One socket: packets in and out, everything bounded. Frames to send gather until the end of the turn and leave as one packet. A reader that does
 * not read is dropped; a writer that writes too fast, or asks for more than it reads, is not read from for a while, and nothing of it is lost.
 */
export class Connection {
  readonly #socket: WebSocket;
  readonly #events: ConnectionEvents;
  #frames: EncodedFrame[] = [];
  #waitingBytes = 0;
  #scheduled = false;
  #closed = false;
  #why: ErrorCode | undefined;
  #open = false;
  #inFlight = 0;
  readonly #pauses = new Set<"rate" | "unread" | "in-flight">();
  #rateTimer: NodeJS.Timeout | undefined;
  /** `performance.now()` of the newest packet. */
  heardAt = performance.now();

  constructor(socket: WebSocket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on("message", (data: Buffer, isBinary) => this.#receive(data, isBinary));
    socket.on("error", () => undefined); // `close` follows; ws has answered broken frames with their code.
    socket.on("close", () => this.#finish());
    socket.on("ping", () => (this.heardAt = performance.now()));
  }

  /** Nothing it asked is unanswered, and it has said nothing for so long. */
  isIdle(milliseconds: number): boolean {
    return this.#inFlight === 0 && this.heardAt <= performance.now() - milliseconds;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** After `hello`: larger packets are taken from now on. */
  admit(): void {
    this.#open = true;
  }

  send(frame: EncodedFrame): void {
    if (this.#closed) return;
    this.#frames.push(frame);
    this.#waitingBytes += frame.length;
    if (this.#waitingBytes + this.#socket.bufferedAmount > limits.socketBufferBytes) {
      this.drop(ErrorCode.SLOW_READER);
      return;
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  answer(request: number, body: AnswerBody): void {
    if (request !== 0) this.send(encodeFrame(request, body));
  }

  refuse(request: number, code: ErrorCode, detail?: string, retryAfterMs?: number): void {
    this.answer(request, { case: "error", value: wireError(code, detail, retryAfterMs) });
  }

  /** Sends what waits, then closes with an error's close code. */
  close(code: ErrorCode, detail?: string): void {
    if (this.#closed) return;
    this.#flush();
    this.#why = code;
    this.#closed = true;
    const row = errorRow(code);
    this.#socket.resume();
    // RFC 6455, 5.5: the reason has at most 123 bytes.
    this.#socket.close(row.close, (detail ?? row.sentence).slice(0, 120));
    setTimeout(() => this.#socket.terminate(), 2_000).unref();
  }

  /** Closes without sending what waits: nobody reads it. */
  drop(code: ErrorCode): void {
    this.#frames = [];
    this.#waitingBytes = 0;
    this.close(code);
    // The close frame itself stands behind what is not read.
    if (code === ErrorCode.SLOW_READER) setTimeout(() => this.#socket.terminate(), 100).unref();
  }

  /** Ends the socket without a word. */
  terminate(): void {
    this.#socket.terminate();
  }

  beginRequest(): void {
    this.#inFlight += 1;
    if (this.#inFlight >= limits.requestsInFlight) this.#pause("in-flight");
  }

  endRequest(): void {
    this.#inFlight -= 1;
    if (this.#inFlight < limits.requestsInFlight / 2) this.#resume("in-flight");
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    this.heardAt = performance.now();
    if (!isBinary) return this.close(ErrorCode.MALFORMED);
    if (!this.#open && data.length > limits.helloPacketBytes) return this.close(ErrorCode.TOO_LARGE);
    let frames: ClientFrame[];
    try {
      frames = readPacket(data);
    } catch {
      return this.close(ErrorCode.MALFORMED);
    }
    if (frames.length > limits.framesPerPacket) return this.close(ErrorCode.TOO_LARGE);
    const wait = this.#events.received(data.length, frames.length);
    if (wait > 0) {
      this.#pause("rate");
      clearTimeout(this.#rateTimer);
      this.#rateTimer = setTimeout(() => this.#resume("rate"), wait);
    }
    for (const frame of frames) {
      if (this.#closed) return;
      this.#events.frame(frame);
    }
  }

  #flush(): void {
    if (this.#closed || this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#waitingBytes = 0;
    for (const packet of encodePackets(frames)) {
      this.#events.sent(packet.length);
      this.#socket.send(packet, { binary: true }, () => {
        if (this.#socket.bufferedAmount < PAUSE_BYTES / 2) this.#resume("unread");
      });
    }
    if (this.#socket.bufferedAmount > PAUSE_BYTES) this.#pause("unread");
  }

  #pause(why: "rate" | "unread" | "in-flight"): void {
    if (this.#pauses.size === 0 && !this.#closed) this.#socket.pause();
    this.#pauses.add(why);
  }

  #resume(why: "rate" | "unread" | "in-flight"): void {
    // Time in which we did not listen is no silence of the other side's.
    if (this.#pauses.delete(why)) this.heardAt = performance.now();
    if (this.#pauses.size === 0 && this.#socket.isPaused) this.#socket.resume();
  }

  #finish(): void {
    this.#closed = true;
    clearTimeout(this.#rateTimer);
    this.#events.closed(this.#why);
  }
}
