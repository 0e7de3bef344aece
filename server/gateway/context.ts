import { createHash } from "node:crypto";
import { ErrorCode, FastChatError } from "@fastchat/protocol";
import type { BlobStore } from "../blobs/blob-store.ts";
import type { Bus } from "../bus/bus.ts";
import type { FileRules, Sessions, SignInAnswers, SignUpPolicy } from "../config.ts";
import type { Log } from "../events.ts";
import type { Receipts } from "../receipts.ts";
import type { DeviceFinder } from "../store/accounts.ts";
import type { ChainStates } from "../store/chains.ts";
import type { Database } from "../store/database.ts";
import type { TicketGiver } from "../store/tickets.ts";
import type { TokenBuckets } from "../token-bucket.ts";
import type { SealedStates } from "./sealed-state.ts";
import type { Secrets } from "./secret-file.ts";
import type { ServerChoice } from "./server-choice.ts";
import type { Transfers } from "./transfers.ts";
import type { UsedStates } from "./used-states.ts";

/** What the routes of the gateway work with. */
export interface GatewayContext {
  readonly database: Database;
  readonly devices: DeviceFinder;
  readonly tickets: TicketGiver;
  readonly bus: Bus;
  readonly blobs: BlobStore;
  readonly files: FileRules;
  readonly chains: ChainStates;
  readonly receipts: Receipts;
  readonly secrets: Secrets;
  /** Random, new at each start: what is counted here is not given back elsewhere. */
  readonly run: string;
  readonly states: SealedStates;
  /** Each gateway knows of its own. */
  readonly finishedSignIns: UsedStates;
  readonly choice: ServerChoice;
  readonly signUp: SignUpPolicy;
  readonly signInAnswers: SignInAnswers;
  readonly sessions: Sessions;
  /** Each gateway counts by itself, but for guesses at passwords (store/sign-in-attempts.ts). */
  readonly rates: {
    readonly requestsByAddress: TokenBuckets;
    readonly signInsByAddress: TokenBuckets;
    readonly signUpsByAddress: TokenBuckets;
    readonly ticketsByDevice: TokenBuckets;
    readonly blobsByDevice: TokenBuckets;
    readonly blobBeginsByDevice: TokenBuckets;
  };
  /** Pieces of blobs that come, and blobs that go. */
  readonly blobTransfers: Transfers;
  readonly log: Log;
}

/** Of a sign-in record: what was begun with one is worth nothing once another stands there [P2]. Always as long. */
export const recordTag = (record: Uint8Array): string => createHash("sha256").update(record).digest("hex");

/** The OPAQUE setup that a stored record was made with. Throws FastChatError UNAVAILABLE. */
export function setupOf({ secrets }: GatewayContext, { setup: id }: { readonly setup: string }): string {
  const found = secrets.setups.get(id);
  if (found === undefined)
    throw new FastChatError(ErrorCode.UNAVAILABLE, { detail: "The secret file of this server does not hold this account's setup." });
  return found.setup;
}

/** The wire has bytes, the OPAQUE library base64url. */
export const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
export const fromText = (text: string): Uint8Array => Buffer.from(text, "base64url");
