import { randomBytes } from "node:crypto";
import { defaultGatewayPort } from "@fastchat/protocol/local";
import { type ChatServer, startChatServer } from "../chat/chat-server.ts";
import { type Config, OptionError, readConfig } from "../config.ts";
import { openLog } from "../events.ts";
import { type Gateway, startGateway } from "../gateway/gateway.ts";
import { readSecrets } from "../gateway/secret-file.ts";
import { invitationHash } from "../gateway/sign-up.ts";
import { leastConnections } from "../gateway/strategy-least-connections.ts";
import { addInvitation } from "../store/accounts.ts";
import type { Database } from "../store/database.ts";
import type { ChildMessage } from "./children.ts";
import { onFreePort } from "./free-port.ts";
import { untilEnd } from "./lifetime.ts";
import { findDatabaseUrl, openStore } from "./open-store.ts";

export interface RoleOptions {
  /** A taken one means the next free one. */
  readonly port?: number | undefined;
  /** Data folder; default FASTCHAT_DATA or the system's usual place. */
  readonly data?: string | undefined;
}

export interface ServerOptions extends RoleOptions {
  /** Address that it advertises to clients. */
  readonly url?: string | undefined;
  /** Unique among the servers; default made of machine and port. */
  readonly name?: string | undefined;
}

/** Accounts that the invitation of a new installation is good for. */
const START_INVITATION_USES = 20;
const INVITATION_DAYS = 7;
const DAY_MS = 86_400_000;

/** `fastchat gateway`: runs until it is told to stop. Throws ConfigError with a sentence for people. */
export async function runGateway(options: RoleOptions = {}): Promise<void> {
  const config = readConfig(options.data);
  const log = openLog({ level: config.logLevel, role: "gateway" });
  const ended = untilEnd();
  await using store = await openStore(await findDatabaseUrl(config), log);
  const secrets = await readSecrets(config.secretFile, log);
  const wanted = options.port ?? defaultGatewayPort;
  await using gateway = await onFreePort(wanted, (port) =>
    startGateway({
      ...config,
      database: store.database,
      bus: store.bus,
      secrets,
      strategy: leastConnections,
      log,
      port,
    }),
  );
  const invitation = await startInvitation(store.database, gateway);
  if (invitation !== undefined) log.event("info", "invitation-made", {});
  announce({ kind: "ready", url: gateway.url, port: gateway.port, name: "gateway", invitation }, () => {
    say(`The gateway listens on ${gateway.url}${whyThere(gateway.port, wanted)}`);
    if (invitation === undefined) return;
    say(`The first ${START_INVITATION_USES} people sign up with this invitation, within ${INVITATION_DAYS} days: ${invitation}`);
  });
  await ended;
}

/** `fastchat server`: joins the others, runs until it is told to stop, and lets its clients go elsewhere first. */
export async function runServer(options: ServerOptions = {}): Promise<void> {
  const config = readConfig(options.data);
  if (options.url !== undefined && !isSocketUrl(options.url)) {
    throw new OptionError(`--url is "${options.url}"; it must look like wss://chat.example.org/1.`);
  }
  const log = openLog({ level: config.logLevel, role: "chat-server" });
  const ended = untilEnd();
  await using store = await openStore(await findDatabaseUrl(config), log);
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
    log,
    people: config.people,
    webOrigins: config.webOrigins,
    name: (taken) => options.name ?? `${config.machine}-${taken}`,
    host: config.host,
    advertisedHost: isEveryHost(config.host) ? config.machine : config.host,
    port,
    url: options.url,
  });
}

const isSocketUrl = (text: string): boolean => URL.canParse(text) && /^wss?:$/.test(new URL(text).protocol);
const isEveryHost = (host: string): boolean => host === "0.0.0.0" || host === "::";

/** Where sign-up needs an invitation and nobody has one yet: for the people whom an installation begins with. */
async function startInvitation(database: Database, gateway: Gateway): Promise<string | undefined> {
  if (gateway.signUp !== "invitation") return undefined;
  const anybody = await database.query.selectFrom("account").select("account").limit(1).executeTakeFirst();
  if (anybody !== undefined) return undefined;
  const invitation = randomBytes(12).toString("base64url");
  await addInvitation(database, {
    hash: invitationHash(invitation),
    uses: START_INVITATION_USES,
    expires: Date.now() + INVITATION_DAYS * DAY_MS,
  });
  return invitation;
}

const whyThere = (port: number, wanted: number): string =>
  wanted === 0 || port === wanted ? "" : ` (on port ${port}, since ${wanted} is taken)`;

/** To the parent where there is one, to people otherwise. */
function announce(message: ChildMessage, toPeople: () => void): void {
  if (process.connected && process.send !== undefined) process.send(message);
  else toPeople();
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
