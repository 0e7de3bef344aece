import { dirname, join } from "node:path";
import { limits } from "@fastchat/protocol";
import { TemporaryFolder } from "../testing/temporary-folder.ts";
import { openBlobStore } from "./blobs/open-blob-store.ts";
import type { Bus } from "./bus/bus.ts";
import { openNotifyBus } from "./bus/bus-notify.ts";
import { type ChatServer, startChatServer } from "./chat/chat-server.ts";
import { silentLog } from "./events.ts";
import { type Gateway, type GatewayOptions, startGateway } from "./gateway/gateway.ts";
import { readSecrets } from "./gateway/secret-file.ts";
import { type Database, openDatabase } from "./store/database.ts";
import { TestDatabase } from "./store/test-database.ts";

export interface TestInstallationOptions {
  /** Chat servers; default 1. */
  readonly servers?: number;
  readonly gateway?: Partial<GatewayOptions>;
  /** The gateways' and chat servers' bus; default that of the database. */
  readonly openBus?: (url: string) => Promise<Bus>;
  /** Around each chat server's bus. */
  readonly wrapBus?: (bus: Bus) => Bus;
  /** As in `limits`. */
  readonly retentionSweepMs?: number;
}

/** For tests: a database, a gateway and chat servers with real sockets, in this process. */
export class TestInstallation implements AsyncDisposable {
  readonly database: Database;
  readonly gateway: Gateway;
  /** The gateways'. */
  readonly secretFile: string;
  readonly servers: ChatServer[] = [];
  readonly #openBus: (url: string) => Promise<Bus>;
  readonly #wrapBus: (bus: Bus) => Bus;
  readonly #isDirect: boolean;
  readonly #retentionSweepMs: number | undefined;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: Pick<TestInstallation, "database" | "gateway" | "secretFile">,
    options: Required<Pick<TestInstallationOptions, "openBus" | "wrapBus">> & {
      readonly isDirect: boolean;
      readonly retentionSweepMs: number | undefined;
    },
    stack: AsyncDisposableStack,
  ) {
    this.database = parts.database;
    this.gateway = parts.gateway;
    this.secretFile = parts.secretFile;
    this.#openBus = options.openBus;
    this.#wrapBus = options.wrapBus;
    this.#isDirect = options.isDirect;
    this.#retentionSweepMs = options.retentionSweepMs;
    this.#stack = stack;
  }

  static async start(options: TestInstallationOptions = {}): Promise<TestInstallation> {
    const { servers = 1, gateway: changes, openBus = openNotify, wrapBus = (bus) => bus, retentionSweepMs } = options;
    // What a test does to the bus must count.
    const isDirect = options.openBus === undefined && options.wrapBus === undefined;
    await using stack = new AsyncDisposableStack();
    const { database } = stack.use(await TestDatabase.open());
    const secretFile = join(stack.use(new TemporaryFolder()).path, "secret.json");
    const gateway = stack.use(await openGateway({ database, openBus, secretFile }, changes));
    const installation = new TestInstallation(
      { database, gateway, secretFile },
      { openBus, wrapBus, isDirect, retentionSweepMs },
      stack.move(),
    );
    for (let count = 0; count < servers; count++) await installation.addServer();
    return installation;
  }

  /** One more chat server, with its own connections to the database. `idleMs`: as in `limits`. */
  async addServer(idleMs?: number): Promise<ChatServer> {
    const { url } = this.database;
    const database = this.#stack.use(openDatabase({ url, connections: 4, onIdleError: () => undefined }));
    const name = `chat-${this.servers.length + 1}`;
    const server = await startChatServer({
      database,
      bus: this.#stack.use(this.#wrapBus(await this.#openBus(url))),
      isDirect: this.#isDirect,
      log: silentLog,
      people: "everyone",
      strategy: "least-connections",
      webOrigins: [],
      name: () => name,
      host: "127.0.0.1",
      port: 0,
      idleMs,
      retentionSweepMs: this.#retentionSweepMs,
    });
    this.#stack.use(server);
    this.servers.push(server);
    return server;
  }

  /** Another gateway of the same installation, with other policies. */
  async addGateway(changes: Partial<GatewayOptions>): Promise<Gateway> {
    return this.#stack.use(await openGateway({ database: this.database, openBus: this.#openBus, secretFile: this.secretFile }, changes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const openNotify = (url: string): Promise<Bus> => openNotifyBus({ url, log: silentLog });

async function openGateway(
  { database, openBus, secretFile }: { database: Database; openBus: (url: string) => Promise<Bus>; secretFile: string },
  changes: Partial<GatewayOptions> = {},
): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const gateway = await startGateway({
    database,
    bus: stack.use(await openBus(database.url)),
    blobs: await openBlobStore({ kind: "folder", path: join(dirname(secretFile), "blobs") }),
    files: { largest: limits.fileBytes, quota: 0, retentionMs: 0 },
    secrets: await readSecrets(secretFile, silentLog),
    strategy: "least-connections",
    log: silentLog,
    signUp: undefined,
    signInAnswers: "distinct",
    sessions: "many",
    webOrigins: [],
    trustedProxies: 0,
    host: "127.0.0.1",
    port: 0,
    ...changes,
  });
  stack.use(gateway);
  const owned = stack.move();
  return { ...gateway, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
