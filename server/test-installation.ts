import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bus } from "./bus/bus.ts";
import { openNotifyBus } from "./bus/bus-notify.ts";
import { type ChatServer, type ChatServerOptions, startChatServer } from "./chat/chat-server.ts";
import { silentLog } from "./events.ts";
import { type Gateway, type GatewayOptions, startGateway } from "./gateway/gateway.ts";
import { readSecrets } from "./gateway/secret-file.ts";
import { leastConnections } from "./gateway/strategy-least-connections.ts";
import type { Database } from "./store/database.ts";
import { openDatabase } from "./store/database.ts";
import { TestDatabase } from "./store/test-database.ts";

/** For tests: PostgreSQL, a gateway and chat servers with real sockets, in this process. */
export class TestInstallation implements AsyncDisposable {
  readonly database: Database;
  readonly gateway: Gateway;
  readonly secretFile: string;
  readonly servers: ChatServer[] = [];
  readonly #stack: AsyncDisposableStack;
  #count = 0;

  private constructor(parts: Pick<TestInstallation, "database" | "gateway" | "secretFile">, stack: AsyncDisposableStack) {
    this.database = parts.database;
    this.gateway = parts.gateway;
    this.secretFile = parts.secretFile;
    this.#stack = stack;
  }

  static async start(
    options: { servers?: number; gateway?: Partial<GatewayOptions>; wrapBus?: (bus: Bus) => Bus } = {},
  ): Promise<TestInstallation> {
    await using stack = new AsyncDisposableStack();
    const { url, database } = stack.use(await TestDatabase.open());
    const secretFile = join(tmpdir(), `fastchat-test-secret-${randomBytes(6).toString("hex")}.json`);
    stack.defer(() => rm(secretFile, { force: true }));
    const gateway = stack.use(
      await startGateway({
        database,
        bus: stack.use(await openNotifyBus({ url, log: silentLog })),
        secrets: await readSecrets(secretFile, silentLog),
        strategy: leastConnections,
        log: silentLog,
        signUp: undefined,
        signInAnswers: "distinct",
        webOrigins: [],
        trustedProxies: 0,
        host: "127.0.0.1",
        port: 0,
        ...options.gateway,
      }),
    );
    const installation = new TestInstallation({ database, gateway, secretFile }, stack.move());
    for (let index = 0; index < (options.servers ?? 1); index++) {
      await installation.addServer(options.wrapBus === undefined ? {} : { wrapBus: options.wrapBus });
    }
    return installation;
  }

  /** One more chat server, with its own connections to the database. */
  async addServer(options: Partial<ChatServerOptions> & { wrapBus?: (bus: Bus) => Bus } = {}): Promise<ChatServer> {
    const { wrapBus = (bus: Bus) => bus, ...rest } = options;
    const { url } = this.database;
    const database = this.#stack.use(openDatabase({ url, connections: 4, onIdleError: () => undefined }));
    const name = `chat-${(this.#count += 1)}`;
    const server = await startChatServer({
      database,
      bus: this.#stack.use(wrapBus(await openNotifyBus({ url, log: silentLog }))),
      log: silentLog,
      people: "everyone",
      webOrigins: [],
      name: () => name,
      host: "127.0.0.1",
      port: 0,
      ...rest,
    });
    this.#stack.use(server);
    this.servers.push(server);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
