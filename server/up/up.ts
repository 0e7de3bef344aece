import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { defaultGatewayPort } from "@fastchat/protocol/local";
import { type Config, readConfig } from "../config.ts";
import { startPostgres } from "../postgres/index.ts";
import { inWords, openLog } from "../events.ts";
import { Child, type ChildMessage } from "./children.ts";
import { untilEnd } from "./lifetime.ts";
import { migrateInTime, openStore } from "./open-store.ts";
import { checkSocketUrl, type RoleOptions, say } from "./role.ts";
import { removeStates, writeDatabaseState, writeUpState } from "./state-file.ts";

export interface UpOptions extends RoleOptions {
  /** Number of chat servers; default 2. */
  readonly servers?: number | undefined;
  /** What the addresses begin with that chat servers advertise: wss://chat.example.org makes wss://chat.example.org/1 and so on. */
  readonly url?: string | undefined;
  /** What runs a role, as its first argument says: the `fastchat` command. */
  readonly program: string;
}

const POSTGRES_PORT = 5_433;
/** Pino's number for warnings. */
const WARNING = 40;

/**
 * `fastchat up`: everything on one machine, each role in a process of its own. Runs until it is told to stop, then ends them all; killed, its children
 * and PostgreSQL notice and end by themselves. Throws errors whose message is a sentence for people.
 */
export async function runUp(options: UpOptions): Promise<void> {
  const config = readConfig(options.data);
  checkSocketUrl(options.url, "wss://chat.example.org");
  const { dataFolder } = config;
  const wanted = options.port ?? defaultGatewayPort;
  const ended = untilEnd();
  const stopping = new AbortController();
  void ended.then(() => stopping.abort());

  say(`FastChat keeps its data in ${dataFolder}`);
  await mkdir(dataFolder, { recursive: true });
  await using stack = new AsyncDisposableStack();
  try {
    let url = config.databaseUrl;
    if (url === undefined) {
      // PostgreSQL's own user must get through to its folder below; what is secret here is readable by its owner alone.
      await chmod(dataFolder, 0o711);
      say("PostgreSQL starts …");
      const postgres = stack.use(
        await startPostgres({
          dataFolder: join(dataFolder, "postgres"),
          port: POSTGRES_PORT,
          log: (line) => config.logLevel === "debug" && say(`postgres: ${line}`),
          onRestart: () => say("PostgreSQL had ended; it runs again."),
          signal: stopping.signal,
        }),
      );
      say(`PostgreSQL is ready on port ${postgres.port}`);
      ({ url } = postgres);
    } else {
      say("The database is that of DATABASE_URL");
    }
    // Here and not only in the children: one sentence and an end, rather than children that end again and again.
    const log = openLog({ level: config.logLevel === "info" ? "warn" : config.logLevel, role: "up" });
    await migrateInTime(url, log);
    if (config.bus.kind === "nats") {
      await (await openStore({ url, place: config.bus, listens: false, log }))[Symbol.asyncDispose]();
      say("Servers tell each other of messages through the NATS of NATS_URL");
    }
    stack.defer(() => removeStates(dataFolder));
    await writeDatabaseState(dataFolder, { url, pid: process.pid });
  } catch (error) {
    if (stopping.signal.aborted) return;
    throw error;
  }

  const children: Child[] = [];
  stack.defer(async () => {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  });
  const startChild = (role: "gateway" | "server", port: number, url?: string): Promise<ChildMessage> =>
    new Promise((resolve) => {
      let title = role === "gateway" ? "gateway" : "chat server";
      let isKnown = false;
      children.push(
        new Child({
          program: options.program,
          role,
          port,
          dataFolder,
          url,
          ready: (message) => {
            if (role === "server") title = `chat server ${message.name}`;
            if (isKnown) say(`${title}: runs again on ${message.url}`);
            isKnown = true;
            if (role === "gateway") void writeUpState(dataFolder, { gateway: message.url, pid: process.pid });
            resolve(message);
          },
          log: (line) => show(title, line, config.logLevel),
          ended: (how, againInMs) => say(`${title}: ended (${how}); started again in ${againInMs} ms`),
        }),
      );
    });

  const servers = options.servers ?? 2;
  const started = (async () => {
    const gateway = await startChild("gateway", wanted);
    if (stopping.signal.aborted) return;
    if (gateway.port !== wanted && wanted !== 0) say(`Port ${wanted} is taken: the gateway uses ${gateway.port}`);
    say(`Gateway on ${gateway.url}`);
    // One after the other: the next looks for a port when the one before has its own.
    for (let place = 1; place <= servers; place++) {
      const url = options.url === undefined ? undefined : `${options.url.replace(/\/+$/, "")}/${place}`;
      const server = await startChild("server", gateway.port + place, url);
      if (stopping.signal.aborted) return;
      say(`Chat server ${server.name} on ${server.url}`);
    }
    for (const line of whatNext(gateway, config)) say(line);
  })();
  await Promise.race([started, ended]);
  await ended;
  say("FastChat stops …");
}

function whatNext({ url, invitation }: ChildMessage, { isUsualFolder, command }: Config): string[] {
  // In the usual folders clients find the gateway's address by themselves.
  const at = isUsualFolder ? "" : ` --gateway ${url}`;
  const invite = invitation === undefined ? "" : ` --invitation ${invitation}`;
  return [
    "",
    "FastChat is ready. In another terminal:",
    `  ${command} signup alice${at}${invite}`,
    `  ${command} signup bob${at}${invite}`,
    `  ${command}${at}`,
    "",
    "Ctrl-C stops everything; what was written stays.",
  ];
}

/** Warnings and worse of a child, for people; everything when asked for. */
function show(title: string, line: string, level: string): void {
  let read: { level?: number; event?: string; role?: string; pid?: number; time?: number; msg?: string };
  try {
    read = JSON.parse(line) as typeof read;
  } catch {
    // What Node itself says when a process dies.
    say(`${title}: ${line}`);
    return;
  }
  const { level: severity = 0, event = "", role: _role, pid: _pid, time: _time, ...fields } = read;
  if (severity < WARNING && level !== "debug") return;
  say(`${title}: ${inWords(event, fields)}`);
}
