import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { ErrorCode, errorRow, FastChatError, limits } from "@fastchat/protocol";
import { ErrorSchema } from "@fastchat/protocol/wire/error";
import {
  AddDeviceSchema,
  BeginBlobSchema,
  BlobBegunSchema,
  BlobDroppedSchema,
  BlobPassRequestSchema,
  BlobPassSchema,
  ChallengeRequestSchema,
  ChallengeSchema,
  DeviceAddedSchema,
  DropBlobSchema,
  GatewayInfoSchema,
  OtherDevicesRequestSchema,
  OtherDevicesSchema,
  PasswordFinishedSchema,
  PasswordFinishSchema,
  PasswordStartedSchema,
  PasswordStartSchema,
  RecoveryFinishSchema,
  RecoveryStartedSchema,
  RecoveryStartSchema,
  SignInFinishedSchema,
  SignInFinishSchema,
  SignInStartedSchema,
  SignInStartSchema,
  SignUpFinishedSchema,
  SignUpFinishSchema,
  SignUpStartedSchema,
  SignUpStartSchema,
  TicketRequestSchema,
  TicketSchema,
} from "@fastchat/protocol/wire/gateway";
import { AccountPutBackSchema, PutBackAccountSchema } from "@fastchat/protocol/wire/frames";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { BlobStore } from "../blobs/blob-store.ts";
import type { Bus } from "../bus/bus.ts";
import { type FileRules, isLoopback, type Sessions, type SignInAnswers, type SignUpPolicy } from "../config.ts";
import { type Log, reasonOf } from "../events.ts";
import { openGatewayMetrics } from "../metrics.ts";
import { readReceipts } from "../receipts.ts";
import { DeviceFinder } from "../store/accounts.ts";
import { ChainStates } from "../store/chains.ts";
import { type Database, failureOf } from "../store/database.ts";
import { TicketGiver } from "../store/tickets.ts";
import { TokenBuckets } from "../token-bucket.ts";
import { addDevice } from "./add-device.ts";
import { addressKey } from "./address.ts";
import { BlobCleanUp } from "./blob-clean-up.ts";
import { addBlobRoutes, begin, drop, giveBlobPass } from "./blobs.ts";
import { readBody } from "./body.ts";
import { giveChallenge } from "./challenge.ts";
import type { GatewayContext } from "./context.ts";
import { info } from "./info.ts";
import { addJoinPage } from "./join-page.ts";
import { finishPassword, startPassword } from "./new-password.ts";
import { otherDevices } from "./other-devices.ts";
import { putBackAccount } from "./put-back-account.ts";
import { finishRecovery, startRecovery } from "./recovery.ts";
import { SealedStates } from "./sealed-state.ts";
import type { Secrets } from "./secret-file.ts";
import { ServerChoice } from "./server-choice.ts";
import { finishSignIn, startSignIn } from "./sign-in.ts";
import { finishSignUp, startSignUp } from "./sign-up.ts";
import type { StrategyName } from "./strategies.ts";
import { giveTicket } from "./ticket.ts";
import { Transfers } from "./transfers.ts";
import { UsedStates } from "./used-states.ts";

export interface GatewayOptions {
  readonly database: Database;
  readonly bus: Bus;
  readonly blobs: BlobStore;
  readonly files: FileRules;
  readonly secrets: Secrets;
  /** Unless another one was chosen while the installation ran. */
  readonly strategy: StrategyName;
  readonly log: Log;
  /** Undefined: open on loopback, elsewhere by invitation. */
  readonly signUp: SignUpPolicy | undefined;
  readonly signInAnswers: SignInAnswers;
  readonly sessions: Sessions;
  readonly webOrigins: readonly string[];
  readonly trustedProxies: number;
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  /** As `limits`; tests lower them. */
  readonly blobSweepMs?: number;
  readonly requestsPerMinutePerAddress?: number;
}

export interface Gateway extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly signUp: SignUpPolicy;
}

const PROTOBUF = "application/x-protobuf";

/** Starts the gateway. Throws when the port is taken. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { database, log, secrets, host, requestsPerMinutePerAddress = limits.requestsPerMinutePerAddress } = options;
  const perMinute = (count: number, burst = count) => new TokenBuckets({ perSecond: count / 60, burst });
  const gateway: GatewayContext = {
    database,
    bus: options.bus,
    blobs: options.blobs,
    files: options.files,
    chains: new ChainStates(database),
    receipts: await readReceipts(database),
    secrets,
    run: randomBytes(8).toString("hex"),
    states: new SealedStates(secrets.key),
    finishedSignIns: new UsedStates({ lifetimeMs: limits.signInStateMs, most: limits.finishedSignInsRemembered }),
    devices: new DeviceFinder(database),
    tickets: new TicketGiver(database),
    choice: new ServerChoice({ database, strategy: options.strategy, log }),
    signUp: options.signUp ?? (isLoopback(host) ? "open" : "invitation"),
    signInAnswers: options.signInAnswers,
    sessions: options.sessions,
    rates: {
      requestsByAddress: perMinute(requestsPerMinutePerAddress, Math.min(requestsPerMinutePerAddress, limits.requestsBurstPerAddress)),
      signInsByAddress: perMinute(limits.signInsPerMinutePerAddress),
      signUpsByAddress: perMinute(limits.signUpsPerMinutePerAddress, limits.signUpsBurstPerAddress),
      ticketsByDevice: perMinute(limits.ticketsPerMinutePerDevice, limits.ticketsBurstPerDevice),
      blobsByDevice: perMinute(limits.blobRequestsPerMinutePerDevice),
      blobBeginsByDevice: perMinute(limits.blobBeginsPerMinutePerDevice),
    },
    blobTransfers: new Transfers(limits.blobTransfersPerAccount),
    log,
  };
  const app = fastify({
    bodyLimit: limits.gatewayBodyBytes,
    // The nearest ones, counted from us.
    trustProxy: (_address, hop) => hop < options.trustedProxies,
    // A piece of a blob may take that long; what else there is has `limits.requestMs`.
    requestTimeout: limits.blobPieceMs,
    connectionTimeout: 2 * limits.requestMs,
    forceCloseConnections: true,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(PROTOBUF, { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error, request, reply) => answerError(reply, refusalOf(error, request, log)));
  app.setNotFoundHandler((_request, reply) => answerError(reply, new FastChatError(ErrorCode.UNKNOWN_REQUEST)));
  endSlowRequests(app);
  addHeaders(app, options);
  addMetrics(app);
  addHealth(app, gateway);
  addJoinPage(app);
  addRoutes(app, gateway);
  addBlobRoutes(app, gateway);
  const { blobSweepMs: everyMs = limits.blobSweepMs } = options;
  const cleanUp = new BlobCleanUp({ database, blobs: options.blobs, files: options.files, log, everyMs });
  await app.listen({ host, port: options.port });
  cleanUp.start();
  const { port } = app.server.address() as AddressInfo;
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  log.event("info", "gateway-listens", { url });
  return {
    url,
    port,
    signUp: gateway.signUp,
    async [Symbol.asyncDispose]() {
      await cleanUp.stop();
      await app.close();
      log.event("info", "gateway-stopped", {});
    },
  };
}

function addRoutes(app: FastifyInstance, gateway: GatewayContext): void {
  app.get("/v1/info", async (_request, reply) => answer(reply, GatewayInfoSchema, info(gateway)));
  const post = <In extends DescMessage, Out extends DescMessage>(
    path: string,
    takes: In,
    gives: Out,
    act: (body: MessageShape<In>, address: string) => Promise<MessageShape<Out>>,
    bodyLimit: number = limits.gatewayBodyBytes,
  ) =>
    app.post(
      path,
      {
        bodyLimit,
        // Before the body is read.
        onRequest: async (request) => gateway.rates.requestsByAddress.takeOrThrow(addressKey(request.ip)),
      },
      async (request, reply) => {
        const body = readBody(takes, request.body);
        return answer(reply, gives, await act(body, addressKey(request.ip)));
      },
    );
  post("/v1/sign-up/start", SignUpStartSchema, SignUpStartedSchema, (body, address) => startSignUp(gateway, body, address));
  post("/v1/sign-up/finish", SignUpFinishSchema, SignUpFinishedSchema, (body) => finishSignUp(gateway, body), limits.gatewayLinkBodyBytes);
  post("/v1/sign-in/start", SignInStartSchema, SignInStartedSchema, (body, address) => startSignIn(gateway, body, address));
  post("/v1/sign-in/finish", SignInFinishSchema, SignInFinishedSchema, (body) => finishSignIn(gateway, body));
  post("/v1/recovery/start", RecoveryStartSchema, RecoveryStartedSchema, (body, address) => startRecovery(gateway, body, address));
  post("/v1/recovery/finish", RecoveryFinishSchema, SignInFinishedSchema, (body) => finishRecovery(gateway, body));
  post("/v1/password/start", PasswordStartSchema, PasswordStartedSchema, (body) => startPassword(gateway, body));
  post("/v1/password/finish", PasswordFinishSchema, PasswordFinishedSchema, (body) => finishPassword(gateway, body));
  post("/v1/devices", AddDeviceSchema, DeviceAddedSchema, (body) => addDevice(gateway, body), limits.gatewayLinkBodyBytes);
  post("/v1/devices/others", OtherDevicesRequestSchema, OtherDevicesSchema, (body) => otherDevices(gateway, body));
  post(
    "/v1/accounts/put-back",
    PutBackAccountSchema,
    AccountPutBackSchema,
    (body) => putBackAccount(gateway, body),
    limits.gatewayLinkBodyBytes,
  );
  post("/v1/blobs/pass", BlobPassRequestSchema, BlobPassSchema, (body) => giveBlobPass(gateway, body));
  post("/v1/blobs/begin", BeginBlobSchema, BlobBegunSchema, (body) => begin(gateway, body));
  post("/v1/blobs/drop", DropBlobSchema, BlobDroppedSchema, (body) => drop(gateway, body));
  post("/v1/challenge", ChallengeRequestSchema, ChallengeSchema, (body) => giveChallenge(gateway, body));
  post("/v1/ticket", TicketRequestSchema, TicketSchema, (body) => giveTicket(gateway, body));
}

function answer<Schema extends DescMessage>(reply: FastifyReply, schema: Schema, message: MessageShape<Schema>): FastifyReply {
  return reply.type(PROTOBUF).send(Buffer.from(toBinary(schema, message)));
}

function answerError(reply: FastifyReply, { code, message, row, retryAfterMs }: FastChatError): FastifyReply {
  if (retryAfterMs > 0) reply.header("retry-after", Math.ceil(retryAfterMs / 1_000));
  return answer(reply.status(row.http), ErrorSchema, create(ErrorSchema, { code, detail: message, retryAfterMs }));
}

function refusalOf(error: unknown, request: FastifyRequest, log: Log): FastChatError {
  if (error instanceof FastChatError) return error;
  const { statusCode, code } = error as { statusCode?: number; code?: string };
  if (statusCode === 413) return new FastChatError(ErrorCode.TOO_LARGE);
  // Fastify's own refusals of what it could not read.
  if (code?.startsWith("FST_") === true) return new FastChatError(ErrorCode.MALFORMED);
  log.event("warn", "request-failed", { request: request.routeOptions.url ?? "unknown", reason: reasonOf(error) });
  const failure = failureOf(error);
  return new FastChatError(failure.kind === "refused" && failure.full ? ErrorCode.STORAGE_FULL : ErrorCode.UNAVAILABLE, { cause: error });
}

/** A client that sends a request slower than any honest one holds a connection no longer. */
function endSlowRequests(app: FastifyInstance): void {
  app.addHook("onRequest", async (request) => {
    if (request.method !== "POST") return;
    const { raw } = request;
    const timer = setTimeout(() => raw.destroy(), limits.requestMs);
    const end = () => clearTimeout(timer);
    raw.once("end", end).once("close", end);
  });
}

/** Live: the process answers. Ready: the database does, and there is a chat server to send clients to. */
function addHealth(app: FastifyInstance, gateway: GatewayContext): void {
  app.get("/healthz", async (_request, reply) => reply.type("text/plain").send("ok\n"));
  app.get("/readyz", async (_request, reply) => {
    const [status, text] = await readiness(gateway);
    return reply.status(status).type("text/plain").send(`${text}\n`);
  });
}

async function readiness(gateway: GatewayContext): Promise<[status: number, text: string]> {
  try {
    const servers = await gateway.choice.candidates();
    return servers.length > 0 ? [200, "ok"] : [503, errorRow(ErrorCode.NO_SERVER).sentence];
  } catch (error) {
    gateway.log.event("warn", "database-connection-lost", { reason: reasonOf(error) });
    return [503, "The database does not answer."];
  }
}

function addMetrics(app: FastifyInstance): void {
  const metrics = openGatewayMetrics();
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "unknown";
    metrics.requests.inc({ route, status: reply.statusCode });
    metrics.seconds.observe({ route }, reply.elapsedTime / 1_000);
  });
  app.get("/metrics", async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()));
}

/** What browsers may do with the gateway: pages of its own origin, of loopback when it is there itself, and of the configured origins. */
function addHeaders(app: FastifyInstance, { host, webOrigins }: GatewayOptions): void {
  const isAllowed = (origin: string): boolean =>
    webOrigins.includes(origin) ||
    (isLoopback(host) && URL.canParse(origin) && isLoopback(new URL(origin).hostname.replace(/^\[|\]$/g, "")));
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "cache-control": "no-store",
    });
    const { origin } = request.headers;
    if (origin === undefined) return undefined;
    reply.header("vary", "origin");
    if (!isAllowed(origin)) return undefined;
    reply.headers({ "access-control-allow-origin": origin, "access-control-expose-headers": "content-range" });
    if (request.method !== "OPTIONS") return undefined;
    return reply
      .headers({
        "access-control-allow-methods": "GET, POST, PATCH",
        "access-control-allow-headers": "authorization, content-digest, content-type, range, upload-offset",
        "access-control-max-age": "600",
      })
      .status(204)
      .send();
  });
}
