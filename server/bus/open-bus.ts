import { createHmac } from "node:crypto";
import { type Log, reasonOf } from "../events.ts";
import { untilDone } from "../patience.ts";
import type { Database } from "../store/database.ts";
import type { Bus, BusPlace, NatsPlace } from "./bus.ts";
import { openNotifyBus } from "./bus-notify.ts";

export interface BusOptions {
  readonly place: BusPlace;
  /** Whose servers tell each other something; migrated. */
  readonly database: Database;
  /** False for one that only tells: each listener is woken for whatever anybody says. */
  readonly listens?: boolean | undefined;
  readonly log: Log;
  /** Tests shorten it. */
  readonly patienceMs?: number;
}

/** Throws ConfigError with one sentence where it is refused or nobody answers in time. */
export async function openBus({ place, database, listens, log, patienceMs }: BusOptions): Promise<Bus> {
  if (place.kind === "notify") return openNotifyBus({ url: database.url, log, listens });
  const subject = await hintsSubject(database);
  const { openNatsBus } = await import("./bus-nats.ts");
  return untilDone(() => openNatsBus({ place, subject, log, listens }), {
    patienceMs,
    refusal: (error) => refusalOf(error, subject),
    late: (error) => `NATS does not answer at ${addresses(place)}: ${reasonOf(error)}.`,
    onFailure: (error) => log.event("debug", "bus-interrupted", { reason: reasonOf(error) }),
  });
}

/** Several FastChats may share a NATS: each has a subject of its own, which nobody guesses who has not its database. */
export async function hintsSubject({ query }: Database): Promise<string> {
  const { receipt_key: key } = await query.selectFrom("installation").select("receipt_key").executeTakeFirstOrThrow();
  return `fastchat.${createHmac("sha256", key).update("fastchat/1/bus").digest("hex").slice(0, 16)}.hints`;
}

/** What will not change by waiting. */
function refusalOf(error: unknown, subject: string): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code = "" } = error as { code?: string };
  switch (error.name) {
    case "AuthorizationError":
    case "UserAuthenticationExpiredError":
      return "NATS refuses to let this server in: look at the user and password, or the token, in NATS_URL, or at what NATS_CREDS or NATS_NKEY names.";
    case "PermissionViolationError":
      return `NATS does not allow this server to publish and subscribe there: its user needs both for "${subject}.>".`;
    default:
  }
  if (error.message.includes("'tls'")) return "NATS_URL or NATS_CA asks for TLS, and this NATS has none.";
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ISSUER/.test(code) || /certificate/.test(error.message)) {
    return `The certificates of NATS and of this server do not fit: ${reasonOf(error)}; NATS_CA names who signed that of NATS, NATS_CERT and NATS_KEY are this server's own.`;
  }
  return undefined;
}

const addresses = ({ servers }: NatsPlace): string => servers.map(({ host, port }) => `${host}:${port}`).join(", ");
