import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** What a proxy does to the bytes of one connection. */
export interface Wire {
  /** Bytes of the side that connected; what is returned goes on. */
  readonly up: (bytes: Buffer) => Buffer;
  /** Bytes of the side that it connected to. */
  readonly down: (bytes: Buffer) => Buffer;
}

export interface WireControl {
  /** Closes both sides at once, with a reset, losing what is under way. */
  readonly cut: () => void;
  /** The side that connected gets what was passed on to it and these bytes before its end; the other side is reset. */
  readonly cutBehind: (last: Buffer) => void;
}

/** One that is there. */
interface Connection extends WireControl {
  /** What it passes on waits, or goes on. */
  readonly hold: (held: boolean) => void;
}

const unchanged: Wire = { up: (bytes) => bytes, down: (bytes) => bytes };

/** A TCP proxy on a free port, of loopback unless another address is given, that can cut its connections, and whose `wire` may change what passes. */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #isHeld = false;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(
    target: { readonly host: string; readonly port: number },
    wire: (control: WireControl) => Wire = () => unchanged,
    host = "127.0.0.1",
  ): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, host, resolve);
    });
    const proxy = new TcpProxy(server);
    server.on("connection", (near) => proxy.#join(near, connect(target), wire));
    return proxy;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Cuts every connection for which `chosen` says so; returns how many. */
  cut(chosen: () => boolean = () => true): number {
    const doomed = [...this.#connections].filter(chosen);
    for (const { cut } of doomed) cut();
    return doomed.length;
  }

  /** Nothing passes any more, of new connections neither; nobody is told. */
  hold(): void {
    this.#isHeld = true;
    for (const { hold } of this.#connections) hold(true);
  }

  /** What was held back passes, and what comes. */
  release(): void {
    this.#isHeld = false;
    for (const { hold } of this.#connections) hold(false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }

  #join(near: Socket, far: Socket, makeWire: (control: WireControl) => Wire): void {
    const control: Connection = {
      hold: (held) => {
        for (const socket of [near, far]) {
          if (held) socket.pause();
          else socket.resume();
        }
      },
      cut: () => {
        this.#connections.delete(control);
        for (const socket of [near, far]) {
          if (socket.readyState === "open") socket.resetAndDestroy();
          else socket.destroy();
        }
      },
      cutBehind: (last) => {
        this.#connections.delete(control);
        near.end(last);
        far.resetAndDestroy();
      },
    };
    this.#connections.add(control);
    const wire = makeWire(control);
    const pass = (from: Socket, to: Socket, change: (bytes: Buffer) => Buffer): void => {
      from.setNoDelay(true);
      from.on("data", (bytes: Buffer) => {
        const rest = change(bytes);
        if (rest.length > 0 && !to.destroyed && !to.write(rest)) from.pause();
      });
      to.on("drain", () => {
        if (!this.#isHeld) from.resume();
      });
      from.on("end", () => to.end());
      // A broken side breaks the other: neither may wait for an answer that cannot come.
      from.on("error", control.cut);
      from.on("close", () => {
        this.#connections.delete(control);
        to.destroySoon();
      });
    };
    pass(near, far, wire.up);
    pass(far, near, wire.down);
    control.hold(this.#isHeld);
  }
}
