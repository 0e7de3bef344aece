import { fromBinary } from "@bufbuild/protobuf";
import { ClientPacketSchema } from "@fastchat/protocol/wire/frames";
import { DatabaseSync, StatementSync } from "node:sqlite";

/** Where a client process kills itself (SIGKILL) when it comes by for the n-th time. */
export interface KillPoint {
  readonly at:
    /** Written into the outbox, and not yet given to the socket. */
    | "before-send"
    /** Received, and the transaction that stores it not yet committed. */
    | "before-store"
    /** Stored, and nobody told: no acknowledgement, no event. */
    | "after-store";
  readonly time: number;
}

function die(): never {
  process.kill(process.pid, "SIGKILL");
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

function wrapMethod<Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  wrap: (original: Target[Name]) => Target[Name],
): void {
  target[name] = wrap(target[name]);
}

/**
 * Wraps what the ports of this process end in, the socket and SQLite, before the client opens them. `isArrival` tells by the key of a
 * record whether it is a message that came from the server.
 */
export function installKillPoint(point: KillPoint, isArrival: (key: string) => boolean): void {
  let left = point.time;
  const passes = (): boolean => --left === 0;
  switch (point.at) {
    case "before-send":
      wrapMethod(
        WebSocket.prototype,
        "send",
        (send) =>
          function (this: WebSocket, data): void {
            const bytes = data instanceof Uint8Array ? data : data instanceof ArrayBuffer ? new Uint8Array(data) : undefined;
            if (bytes !== undefined && fromBinary(ClientPacketSchema, bytes).frames.some(({ body }) => body.case === "send") && passes())
              die();
            send.call(this, data);
          },
      );
      return;
    case "before-store":
    case "after-store": {
      let arrived = false;
      wrapMethod(
        StatementSync.prototype,
        "run",
        (run) =>
          function (this: StatementSync, ...values: Parameters<StatementSync["run"]>) {
            const key: unknown = values[0];
            if (typeof key === "string" && isArrival(key)) arrived = true;
            return run.apply(this, values);
          } as StatementSync["run"],
      );
      wrapMethod(
        DatabaseSync.prototype,
        "exec",
        (exec) =>
          function (this: DatabaseSync, sql): void {
            const commits = sql === "COMMIT" && arrived;
            const fatal = commits && passes();
            if (fatal && point.at === "before-store") die();
            exec.call(this, sql);
            if (commits || sql === "ROLLBACK") arrived = false;
            if (fatal) die();
          },
      );
      return;
    }
    default:
      point.at satisfies never;
  }
}
