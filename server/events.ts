import { pino } from "pino";

/** A number, a fixed word or an address of our own machines: nothing that people wrote, no key, no name, no id of theirs. */
type Count = number;

/**
 * Everything that the server writes into its log. What is not listed here cannot be logged; no field can hold plaintext, a key, a password or a
 * person's name. `reason` is the text of an error of Node, PostgreSQL or the operating system about a connection, a file or a statement, never
 * with its parameters.
 */
export interface Events {
  "gateway-listens": { url: string };
  "gateway-stopped": Record<string, never>;
  "chat-server-listens": { server: string; url: string };
  "chat-server-drains": { server: string; connections: Count };
  "chat-server-stopped": { server: string };
  "clients-asked-to-move": { clients: Count };
  "strategy-changed": { from: string; to: string };
  "database-connection-lost": { reason: string };
  "database-newer": { sentence: string };
  "database-migrated": { from: Count; to: Count };
  "append-failed": { messages: Count; outcome: "unknown" | "storage-full" | "unavailable" };
  "bus-interrupted": { reason: string };
  "bus-restored": Record<string, never>;
  "bus-indirect": { reason: string };
  "bus-publish-failed": { reason: string };
  "hints-missed": { conversations: Count };
  "heartbeat-failed": { reason: string };
  "repair-failed": { reason: string };
  "retention-failed": { reason: string };
  "file-failed": { outcome: "storage-full" | "wrong-length" };
  "files-removed": { files: Count; bytes: Count };
  "clean-up-failed": { reason: string };
  "delivery-read-failed": { reason: string };
  "socket-refused": { why: "origin" | "draining" | "crowded" };
  "socket-closed": { code: Count; why: string };
  "request-failed": { request: string; reason: string };
  "sign-up": { outcome: "created" | "name-taken" | "refused" };
  recovery: { outcome: "started" | "finished" | "wrong-words" | "expired" };
  password: { outcome: "changed" | "conflict" };
  "account-put-back": { links: number };
  "sign-in": { outcome: "started" | "finished" | "no-such-user" | "wrong-password" | "expired" };
  "secret-made": { path: string };
  "invitation-made": Record<string, never>;
  "child-ended": { role: string; code: Count; again: Count };
}

export type Level = "debug" | "info" | "warn" | "error";

export interface Log {
  event<Name extends keyof Events>(level: Level, name: Name, fields: Events[Name]): void;
}

/** Where something is to be done about it, what that is. */
const sentences: { readonly [Name in "file-failed" | "append-failed"]: Readonly<Partial<Record<Events[Name]["outcome"], string>>> } = {
  "file-failed": {
    "storage-full": "a file could not be stored, as its disk or bucket is full: make room there, it goes on by itself then",
    "wrong-length": "the disk or bucket of the files gave more or less of one than it was asked for: see what happened to it",
  },
  "append-failed": {
    "storage-full":
      "messages could not be stored, as the disk of the database is full: make room there, they come again by themselves then",
  },
};

function sentenceOf(event: string, outcome: unknown): string | undefined {
  const ofEvent: Readonly<Record<string, string>> = event === "file-failed" || event === "append-failed" ? sentences[event] : {};
  return typeof outcome === "string" && Object.hasOwn(ofEvent, outcome) ? ofEvent[outcome] : undefined;
}

/** An event for people: "bus interrupted (reason the connection ended)". */
export function inWords(event: string, fields: Readonly<Record<string, unknown>>): string {
  const sentence = sentenceOf(event, fields["outcome"]);
  const told = Object.entries(fields).filter(([name]) => sentence === undefined || name !== "outcome");
  // A reason may quote what came from elsewhere.
  const details = told.map(([name, value]) => `${name} ${String(value).replaceAll(/\p{Cc}/gu, "·")}`);
  return (sentence ?? event.replaceAll("-", " ")) + (details.length === 0 ? "" : ` (${details.join(", ")})`);
}

/** To standard error: JSON, one object a line; at a terminal words, and no less than warnings unless everything is asked for. */
export function openLog(options: { readonly level: Level; readonly role: string }): Log {
  if (process.stderr.isTTY) {
    const { values } = pino.levels;
    const least = values[options.level === "info" ? "warn" : options.level]!;
    const role = options.role.replaceAll("-", " ");
    return {
      event: (level, name, fields) => {
        if (values[level]! >= least) process.stderr.write(`${role}: ${inWords(name, fields)}\n`);
      },
    };
  }
  const out = pino({ level: options.level, base: { role: options.role, pid: process.pid } }, pino.destination({ dest: 2, sync: true }));
  return {
    event: (level, name, fields) => out[level]({ event: name, ...fields }),
  };
}

/** For tests and for callers that print themselves. */
export const silentLog: Log = { event: () => undefined };

/** What an error says about a connection or a file: its code and message, without the details that PostgreSQL adds (they may quote rows). */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return "unknown";
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? `${code}: ${error.message}` : error.message;
}
