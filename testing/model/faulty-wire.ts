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
  /** When the last frame of each direction arrives. */
  readonly #lastOf = new WeakMap<ProxiedConnection, { toServer: number; toClient: number }>();

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
    const last = this.#lastOf.get(connection) ?? { toServer: 0, toClient: 0 };
    this.#lastOf.set(connection, last);
    const now = performance.now();
    last[direction] = Math.max(last[direction], now + this.#random() * this.#delayMs);
    setTimeout(arrive, last[direction] - now);
  }
}
