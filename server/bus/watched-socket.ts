import { WebSocket } from "ws";

/** Not yet taken by one that hears, after which it hears no more and reads what it missed. */
export const UNREAD_BYTES = 4_194_304;
/** Beats without a sign of the other side, after which a connection is taken for cut. */
const SILENT_BEATS = 3;

/** A socket whose other side must give signs of life, and must read. */
export class WatchedSocket {
  readonly #socket: WebSocket;
  readonly #onEnd: () => void;
  #silent = 0;
  #ended = false;

  /** @param onEnd called once, as soon as nothing more goes through */
  constructor(socket: WebSocket, onEnd: () => void) {
    this.#socket = socket;
    this.#onEnd = onEnd;
    socket.on("error", () => undefined); // `close` follows.
    socket.on("close", () => this.end());
    for (const sign of ["message", "ping", "pong"] as const) socket.on(sign, () => (this.#silent = 0));
  }

  beat(): void {
    this.#silent += 1;
    if (this.#silent > SILENT_BEATS) this.end();
    else if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  /** How many bytes are unread then. */
  send(bytes: Buffer): number {
    if (this.#socket.bufferedAmount + bytes.length > UNREAD_BYTES) this.end();
    else this.#socket.send(bytes);
    return this.#ended ? 0 : this.#socket.bufferedAmount;
  }

  /** Resolves when it is on its way, or nothing more goes through. */
  sent(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => this.#socket.send(bytes, () => resolve()));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.terminate();
    this.#onEnd();
  }
}
