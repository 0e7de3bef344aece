import { TcpProxy } from "../faults/tcp-proxy.ts";

type Way = "up" | "down";

/** A proxy before a gateway that counts the bytes of both ways, and does something, once, when so many have passed. */
export class CountedGateway implements AsyncDisposable {
  readonly passed: Record<Way, number> = { up: 0, down: 0 };
  #proxy: TcpProxy | undefined;
  /** Connections that began before are silent. */
  #silenced = 0;
  #connections = 0;
  #planned: { readonly way: Way; readonly at: number; readonly act: () => void }[] = [];

  static async before(gatewayUrl: string): Promise<CountedGateway> {
    const gateway = new CountedGateway();
    const { hostname: host, port } = new URL(gatewayUrl);
    gateway.#proxy = await TcpProxy.start({ host, port: Number(port) }, () => {
      const number = ++gateway.#connections;
      const count = (way: Way) => (bytes: Buffer) => {
        gateway.#count(way, bytes);
        return number <= gateway.#silenced ? Buffer.alloc(0) : bytes;
      };
      return { up: count("up"), down: count("down") };
    });
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#proxy!.port}`;
  }

  /** @param bytes counted from now */
  when(way: Way, bytes: number, act: () => void): void {
    this.#planned.push({ way, at: this.passed[way] + bytes, act });
  }

  /** Ends all connections with a reset. */
  cut(): void {
    this.#proxy!.cut();
  }

  /** Whatever is sent on the connections there are is lost, and nobody is told: another network. */
  silence(): void {
    this.#silenced = this.#connections;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy?.[Symbol.asyncDispose]();
  }

  #count(way: Way, bytes: Buffer): void {
    this.passed[way] += bytes.length;
    const due = this.#planned.filter((each) => each.way === way && each.at <= this.passed[way]);
    this.#planned = this.#planned.filter((each) => !due.includes(each));
    for (const { act } of due) act();
  }
}
