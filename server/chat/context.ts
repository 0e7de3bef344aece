import type { ClientFrame } from "@fastchat/protocol/wire/frames";
import type { HintLine } from "../bus/hint-line.ts";
import type { PeoplePolicy } from "../config.ts";
import type { Log } from "../events.ts";
import type { ChatMetrics } from "../metrics.ts";
import type { AppendQueue } from "../store/append-queue.ts";
import type { Receipts } from "../receipts.ts";
import type { ChainStates } from "../store/chains.ts";
import type { Database } from "../store/database.ts";
import type { SharedRate } from "../store/shared-rate.ts";
import type { TokenBuckets } from "../token-bucket.ts";
import type { Delivery } from "./delivery.ts";
import type { PresenceBoard } from "./presence-board.ts";
import type { Session } from "./session.ts";
import type { AnswerBody, EncodedFrame } from "./wire.ts";

/** What the handlers of requests work with. */
export interface ChatContext {
  readonly database: Database;
  readonly queue: AppendQueue;
  readonly delivery: Delivery;
  readonly hints: HintLine;
  readonly presence: PresenceBoard;
  readonly chains: ChainStates;
  readonly receipts: Receipts;
  readonly people: PeoplePolicy;
  readonly rates: {
    /** What a request costs this server. */
    readonly links: TokenBuckets;
    readonly comparisons: TokenBuckets;
    /** What it costs others: the other members, the account's other devices, the admins of a group. */
    readonly rekeys: SharedRate;
    readonly vaultWrites: SharedRate;
    readonly joinRequests: SharedRate;
    readonly incarnations: SharedRate;
  };
  readonly metrics: ChatMetrics;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export type RequestCase = Exclude<ClientFrame["body"]["case"], undefined | "hello">;
export type RequestBody<Case extends RequestCase> = Extract<ClientFrame["body"], { case: Case }>["value"];

/** A frame that is put together from encoded pieces. */
export interface EncodedAnswer {
  readonly case: "encoded";
  readonly frame: (request: number) => EncodedFrame;
}

/**
 * Answers one request: check, access, act, answer. Runs at once when the frame arrives, up to its first wait, so that what must keep the order of the
 * frames does so before that. Throws FastChatError for an answer that is an error. `undefined`: nothing to answer, or the socket was closed.
 */
export type Handler<Case extends RequestCase> = (
  chat: ChatContext,
  session: Session,
  body: RequestBody<Case>,
) => Promise<AnswerBody | EncodedAnswer | undefined>;
