import { defaultGatewayPort } from "@fastchat/protocol/local";
import { type ChatServer, startChatServer } from "../chat/chat-server.ts";
import { type Config, readConfig } from "../config.ts";
import { openLog } from "../events.ts";
import { onFreePort } from "./free-port.ts";
import { untilEnd } from "./lifetime.ts";
import { findDatabaseUrl, openStore } from "./open-store.ts";
import { v8ByLoad } from "./v8-by-load.ts";
import { announce, checkSocketUrl, type RoleOptions, say, whyThere } from "./role.ts";

export interface ServerOptions extends RoleOptions {
  /** Address that it advertises to clients. */
  readonly url?: string | undefined;
  /** Unique among the servers; default made of machine and port. */
  readonly name?: string | undefined;
}

/** `fastchat server`: joins the others, runs until it is told to stop, and lets its clients go elsewhere first. */
export async function runServer(options: ServerOptions = {}): Promise<void> {
  const config = readConfig(options.data);
  checkSocketUrl(options.url, "wss://chat.example.org/1");
  const log = openLog({ level: config.logLevel, role: "chat-server" });
  const ended = untilEnd();
  await using store = await openStore({ url: await findDatabaseUrl(config), place: config.bus, listens: true, log });
  const wanted = options.port ?? defaultGatewayPort + 1;
  await using server = await onFreePort(wanted, (port) => start(port, config, options, store, log));
  announce({ kind: "ready", url: server.url, port: server.port, name: server.name }, () => {
    say(`Chat server ${server.name} has joined; it listens on ${server.url}${whyThere(server.port, wanted)}`);
  });
  if ((await ended) === "asked") await server.drain();
}

function start(
  port: number,
  config: Config,
  options: ServerOptions,
  store: Awaited<ReturnType<typeof openStore>>,
  log: ReturnType<typeof openLog>,
): Promise<ChatServer> {
  return startChatServer({
    database: store.database,
    bus: store.bus,
    // A NATS reaches hosts that do not reach each other.
    isDirect: config.bus.kind === "notify",
    log,
    people: config.people,
    strategy: config.strategy,
    webOrigins: config.webOrigins,
    name: (taken) => options.name ?? `${config.machine}-${taken}`,
    host: config.host,
    advertisedHost: isEveryHost(config.host) ? config.machine : config.host,
    port,
    url: options.url,
    onLoad: v8ByLoad(),
  });
}

const isEveryHost = (host: string): boolean => host === "0.0.0.0" || host === "::";
