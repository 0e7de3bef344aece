import { create, toBinary } from "@bufbuild/protobuf";
import { type ClientFrame, ClientPacketSchema, type ServerFrame } from "@fastchat/protocol/wire/frames";
import { setTimeout as wait } from "node:timers/promises";
import { randomFrom } from "../crash/random.ts";
import type { ProxiedConnection, Script } from "../proxy.ts";
import type { Scenario } from "./operations.ts";

/**
 * What a bad line does: each frame comes late, in order, and now and then one is lost with its connection and whatever was still on its way. More
 * than that no TCP connection does.
 */
export class FaultyWire {
  readonly #random: () => number;
  readonly #delayMs: number;
  #cutsPerThousand: number;
  readonly #ways = new WeakMap<ProxiedConnection, { readonly toServer: Way; readonly toClient: Way }>();

  constructor({ seed, delayMs, cutsPerThousand }: Scenario["wire"]) {
    this.#random = randomFrom(seed);
    this.#delayMs = delayMs;
    this.#cutsPerThousand = cutsPerThousand;
  }

  readonly script: Script = {
    toServer: (frame: ClientFrame, connection) => {
      if (frame.body.case === "hello") return frame;
      const packet = toBinary(ClientPacketSchema, create(ClientPacketSchema, { frames: [frame] }));
      this.#later(connection, "toServer", () => connection.rawToServer(packet));
      return undefined;
    },
    toClient: (frame: ServerFrame, connection) => {
      if (frame.body.case === "welcome") return frame;
      this.#later(connection, "toClient", () => connection.pass(frame));
      return undefined;
    },
  };

  /** No more is lost. Resolves when what is late has arrived, in its order. */
  async calm(): Promise<void> {
    this.#cutsPerThousand = 0;
    await wait(2 * this.#delayMs);
  }

  #later(connection: ProxiedConnection, direction: "toServer" | "toClient", arrive: () => void): void {
    if (this.#random() * 1_000 < this.#cutsPerThousand) return connection.close();
    const ways = this.#ways.get(connection) ?? { toServer: new Way(), toClient: new Way() };
    this.#ways.set(connection, ways);
    ways[direction].later(this.#random() * this.#delayMs, arrive);
  }
}

/** One direction of a connection. */
class Way {
  /** When the last frame arrives. */
  #last = 0;
  readonly #onTheWay: (() => void)[] = [];

  later(delayMs: number, arrive: () => void): void {
    const now = performance.now();
    this.#last = Math.max(this.#last, now + delayMs);
    this.#onTheWay.push(arrive);
    // Timers of one turn count whole milliseconds from its beginning, and may pass each other: whichever fires, the first frame arrives.
    setTimeout(() => this.#onTheWay.shift()!(), this.#last - now);
  }
}
