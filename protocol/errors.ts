import { ErrorCode } from "./generated/fastchat/v1/error_pb.ts";

/** What a client does about an error without asking anybody. */
export type Advice =
  /** Do the same again later, with the same ids. */
  | "retry"
  /** Get a new ticket from the gateway and connect again. */
  | "reconnect"
  /** Bring chain, epoch or vault up to date, make the request anew, and send it under the same id. */
  | "refresh"
  /** This device's session is over: sign in again. */
  | "sign-in"
  /** Ask the person: the request cannot succeed as it is. */
  | "tell"
  /** This software is too old or broken: stop, and say so. */
  | "stop";

export interface ErrorRow {
  readonly name: string;
  /** One plain sentence that says what to do. */
  readonly sentence: string;
  readonly advice: Advice;
  /** Status of an HTTP answer that carries it. */
  readonly http: number;
  /** Close code of a socket that ends with it. */
  readonly close: number;
  readonly retryAfterMs: number;
}

const row = (name: string, advice: Advice, http: number, sentence: string, retryAfterMs = 0): Omit<ErrorRow, "close"> => ({
  name,
  sentence,
  advice,
  http,
  retryAfterMs,
});

const rows: Record<ErrorCode, Omit<ErrorRow, "close">> = {
  [ErrorCode.UNSPECIFIED]: row("unspecified", "retry", 500, "Something went wrong on the server; try again.", 1_000),
  [ErrorCode.VERSION_TOO_OLD]: row("version-too-old", "stop", 426, "This client is too old for the server: update FastChat."),
  [ErrorCode.MALFORMED]: row(
    "malformed",
    "stop",
    400,
    "The server could not read a request: update FastChat, and report it if that does not help.",
  ),
  [ErrorCode.TOO_LARGE]: row("too-large", "tell", 413, "That is too large to send: make it shorter."),
  [ErrorCode.UNKNOWN_REQUEST]: row(
    "unknown-request",
    "stop",
    404,
    "The server does not know this request: update the server or the client.",
  ),
  [ErrorCode.NOT_READY]: row("not-ready", "stop", 409, "The connection must begin with hello."),
  [ErrorCode.RATE_LIMITED]: row("rate-limited", "retry", 429, "Too many requests: wait a moment and try again.", 2_000),
  [ErrorCode.UNAVAILABLE]: row("unavailable", "retry", 503, "The server cannot do this right now; it will be tried again.", 500),
  [ErrorCode.STORAGE_FULL]: row(
    "storage-full",
    "retry",
    507,
    "The server's disk is full: tell whoever runs it; nothing is lost, it will be tried again.",
    10_000,
  ),
  [ErrorCode.NO_SERVER]: row("no-server", "retry", 503, "Sorry, no services available", 1_000),
  [ErrorCode.MOVED]: row("moved", "reconnect", 503, "This server is going away: connect again."),
  [ErrorCode.SLOW_READER]: row("slow-reader", "reconnect", 503, "This client read too slowly: connect again and catch up.", 500),
  [ErrorCode.IDLE]: row("idle", "reconnect", 408, "Nothing was heard for too long: connect again."),
  [ErrorCode.NAME_TAKEN]: row("name-taken", "tell", 409, "Username already taken: choose another."),
  [ErrorCode.NAME_INVALID]: row(
    "name-invalid",
    "tell",
    400,
    "A username has 2 to 32 characters: small letters a to z, digits, and . _ - between them.",
  ),
  [ErrorCode.NO_SUCH_USER]: row("no-such-user", "tell", 404, "No such user: check the name."),
  [ErrorCode.WRONG_PASSWORD]: row("wrong-password", "tell", 401, "Wrong password: try again."),
  [ErrorCode.INVITATION_NEEDED]: row("invitation-needed", "tell", 403, "Sign-up here needs an invitation: ask whoever runs this server."),
  [ErrorCode.SIGN_IN_EXPIRED]: row("sign-in-expired", "tell", 401, "The sign-in took too long: try again."),
  [ErrorCode.ALREADY_SIGNED_IN]: row("already-signed-in", "tell", 409, "Already signed in on another device."),
  [ErrorCode.SIGNED_IN_ELSEWHERE]: row(
    "signed-in-elsewhere",
    "sign-in",
    401,
    "Your account was signed in on another device, and is on one at a time: sign in here to go on here.",
  ),
  [ErrorCode.TICKET_INVALID]: row(
    "ticket-invalid",
    "reconnect",
    401,
    "The ticket was used, has expired or is for another server: connect again.",
    200,
  ),
  [ErrorCode.DEVICE_UNKNOWN]: row("device-unknown", "sign-in", 401, "This device is not signed in: sign in."),
  [ErrorCode.DEVICE_REVOKED]: row("device-revoked", "sign-in", 401, "This device was signed out or revoked: sign in again."),
  [ErrorCode.SIGNATURE_INVALID]: row("signature-invalid", "stop", 400, "A signature was wrong."),
  [ErrorCode.ACCOUNT_CLOSED]: row("account-closed", "tell", 410, "This account was deleted: it is opened and written to no more."),
  [ErrorCode.ACCOUNT_OUTDATED]: row(
    "account-outdated",
    "tell",
    409,
    "The server shows an older history of your account than your conversations have on record: nothing was signed. Try again; if that does not help, ask whoever runs it.",
  ),
  [ErrorCode.WRONG_RECOVERY_WORDS]: row(
    "wrong-recovery-words",
    "tell",
    401,
    "These are not the recovery words of this account: check each word and their order.",
  ),
  [ErrorCode.NOT_FOUND]: row("not-found", "tell", 404, "There is no such thing, or it is not yours to see."),
  [ErrorCode.STALE_EPOCH]: row("stale-epoch", "refresh", 409, "The conversation's key has changed; the message is sealed again."),
  [ErrorCode.STALE_HEAD]: row("stale-head", "refresh", 409, "Somebody else's change came first; it is tried again on top of it."),
  [ErrorCode.LINK_INVALID]: row("link-invalid", "tell", 422, "The change is not allowed."),
  [ErrorCode.EVIDENCE_MISSING]: row("evidence-missing", "refresh", 422, "The change lacks evidence; it is completed and tried again."),
  [ErrorCode.HELD]: row("held", "refresh", 409, "An earlier message of this conversation was refused; this one waits for it."),
  [ErrorCode.FORBIDDEN]: row("forbidden", "tell", 403, "You may not do this."),
  [ErrorCode.INVITATION_INVALID]: row(
    "invitation-invalid",
    "tell",
    410,
    "This invitation is used up, has expired or was taken back: ask an admin of the group for another.",
  ),
  [ErrorCode.PUBLIC_NAME_TAKEN]: row("public-name-taken", "tell", 409, "Another group has this public name: choose another."),
  [ErrorCode.NOT_A_MEMBER]: row("not-a-member", "tell", 403, "You are not in this group any more: somebody who is in it can add you."),
  [ErrorCode.FILE_TOO_LARGE]: row(
    "file-too-large",
    "tell",
    413,
    "That file is larger than this server takes: send it in parts, or ask whoever runs it.",
  ),
  [ErrorCode.QUOTA_EXCEEDED]: row(
    "quota-exceeded",
    "tell",
    507,
    "Your files take up all the room that this server gives you: ask whoever runs it for more.",
  ),
  [ErrorCode.WRONG_PIECE]: row("wrong-piece", "refresh", 409, "The upload stands at another place; it goes on from there."),
  [ErrorCode.BLOB_MISSING]: row("blob-missing", "refresh", 409, "A file of this message is not on the server; it is stored again."),
  [ErrorCode.PASS_INVALID]: row("pass-invalid", "refresh", 401, "The right to fetch and store files has expired; it is asked for anew."),
  [ErrorCode.STAGED_FILE_LOST]: row(
    "staged-file-lost",
    "tell",
    410,
    "The copy of this file that was to be sent is gone from this device: send it again.",
  ),
  [ErrorCode.VERSION_CONFLICT]: row("version-conflict", "refresh", 409, "Another device changed this first; it is tried again."),
  [ErrorCode.NO_RECEIPT]: row("no-receipt", "tell", 403, "This server does not know that it ever took this change: it cannot be put back."),
};

/** First private close code (RFC 6455, section 7.4.2); a socket that ends with an error closes with this plus its code. */
const FIRST_CLOSE_CODE = 4_000;

/** Meaning and advice of every error code; unknown codes are treated as UNSPECIFIED. */
export function errorRow(code: ErrorCode): ErrorRow {
  const known = rows[code] ?? rows[ErrorCode.UNSPECIFIED];
  return { ...known, close: FIRST_CLOSE_CODE + code };
}

/** The error code that a socket's close code carries, or undefined for codes that are not ours. */
export function errorOfClose(close: number): ErrorCode | undefined {
  const code = close - FIRST_CLOSE_CODE;
  return code in rows ? (code as ErrorCode) : undefined;
}

/** An error of the table on its way to whoever must act; `detail` and `cause` are for logs and hold no content. */
export class FastChatError extends Error {
  readonly code: ErrorCode;
  readonly row: ErrorRow;
  /** Milliseconds after which a retry makes sense. */
  readonly retryAfterMs: number;

  /** @param options.sentence what this client says to its person in the place of the table's sentence; never a server's word */
  constructor(code: ErrorCode, options: { detail?: string; sentence?: string; retryAfterMs?: number; cause?: unknown } = {}) {
    const row = errorRow(code);
    const known = options.sentence === undefined ? row : { ...row, sentence: options.sentence };
    super(options.detail || known.sentence, { cause: options.cause });
    this.name = "FastChatError";
    this.code = code;
    this.row = known;
    this.retryAfterMs = options.retryAfterMs ?? known.retryAfterMs;
  }
}
