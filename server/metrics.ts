import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** What a chat server counts; no label can name a person or a conversation. */
export interface ChatMetrics {
  readonly registry: Registry;
  readonly connections: Gauge;
  readonly receivedBytes: Counter;
  readonly sentBytes: Counter;
  readonly frames: Counter<"request">;
  readonly errors: Counter<"code">;
  readonly messages: Counter<"verdict">;
  readonly batchEntries: Histogram;
  readonly batchSeconds: Histogram;
  readonly missedHints: Counter;
  readonly busInterruptions: Counter;
  readonly unsentHints: Counter;
  readonly erased: Counter;
}

export function openChatMetrics(): ChatMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    connections: new Gauge({ name: "fastchat_connections", help: "Open sockets after hello.", registers }),
    receivedBytes: new Counter({ name: "fastchat_received_bytes_total", help: "Bytes of packets from clients.", registers }),
    sentBytes: new Counter({ name: "fastchat_sent_bytes_total", help: "Bytes of packets to clients.", registers }),
    frames: new Counter({ name: "fastchat_requests_total", help: "Frames from clients by request.", labelNames: ["request"], registers }),
    errors: new Counter({ name: "fastchat_errors_total", help: "Errors answered, by code.", labelNames: ["code"], registers }),
    messages: new Counter({ name: "fastchat_messages_total", help: "Messages offered, by verdict.", labelNames: ["verdict"], registers }),
    batchEntries: new Histogram({
      name: "fastchat_append_batch_entries",
      help: "Messages in one append batch.",
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
      registers,
    }),
    batchSeconds: new Histogram({
      name: "fastchat_append_seconds",
      help: "Time of one append batch in the database.",
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
      registers,
    }),
    missedHints: new Counter({ name: "fastchat_missed_hints_total", help: "Times that hints of another server were missed.", registers }),
    busInterruptions: new Counter({
      name: "fastchat_bus_interruptions_total",
      help: "Times that the bus to other servers was away and came back.",
      registers,
    }),
    unsentHints: new Counter({ name: "fastchat_unsent_hints_total", help: "Notifications that the bus did not take.", registers }),
    erased: new Counter({ name: "fastchat_erased_total", help: "Messages erased as policies say.", registers }),
  };
}

export interface GatewayMetrics {
  readonly registry: Registry;
  readonly requests: Counter<"route" | "status">;
  readonly seconds: Histogram<"route">;
}

export function openGatewayMetrics(): GatewayMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: "fastchat_http_requests_total",
      help: "Requests by route and status.",
      labelNames: ["route", "status"],
      registers,
    }),
    seconds: new Histogram({
      name: "fastchat_http_seconds",
      help: "Time of a request.",
      labelNames: ["route"],
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
      registers,
    }),
  };
}
