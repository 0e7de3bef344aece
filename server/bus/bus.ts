import type { ConversationPrefix } from "./hint.ts";

/**
 * Carries hints between chat servers: never the truth, only word that there is something to read in the store.
 *
 * An implementation
 * - MUST hand a payload to every subscriber of the same bus, those of the publishing process among them or not
 * - MUST keep the order of one publisher's payloads that it does not lose
 * - MUST hand out a payload exactly as published; it is text of at most `payloadBytes` bytes
 * - MUST call `interrupted` once after every time in which it may have lost something, as soon as payloads can arrive again
 * - MUST reconnect by itself, for as long as it is open
 * - MAY lose any payload, and MUST NOT wait for anybody: a publisher is never slowed by a slow subscriber
 * - MUST NOT store payloads for who is not there, and MUST NOT throw from `publish` into the caller's turn
 * - MUST settle what `publish` gave in bounded time, and hold bounded memory, however long nobody answers
 */
export interface Bus extends AsyncDisposable {
  /** May change when it connects again. */
  readonly payloadBytes: number;
  /** Resolves when it was handed over; rejects when that is known to have failed, or not known in time. */
  publish(payload: string, about?: About): Promise<void>;
  subscribe(subscriber: BusSubscriber): void;
  /** Where it is known who wants to hear of what. True: nobody wants to hear of these, and need be told only that the number is spent. */
  spare?(about: About): boolean;
  /** Tells whoever was spared something how far its run is, before that is told elsewhere. */
  keepUp?(): void;
}

/** Which one of its run's payloads one is, and of what. */
export interface About {
  readonly number: number;
  /** All conversations that it is about; undefined: everybody must hear it. */
  readonly conversations: readonly ConversationPrefix[] | undefined;
}

export interface BusSubscriber {
  /** @param after number of the last payload of its run that was for this subscriber; undefined: the one before */
  message(payload: string, after?: number): void;
  interrupted(): void;
  /** Of what a run said behind the one number and up to the other nothing was for this subscriber. */
  spared?(run: string, after: number, upTo: number): void;
  /** Somebody wants to hear of these from now on, and knows them up to these heads. Gives the payload that says what was told of them lately, if it is more. */
  wanted?(heads: readonly Head[]): string | undefined;
}

/** The newest sequence number of a conversation. */
export interface Head {
  readonly prefix: ConversationPrefix;
  readonly head: number;
}

/** Where hints go: through the database, or a NATS of its own. */
export type BusPlace = { readonly kind: "notify" } | NatsPlace;

export interface NatsPlace {
  readonly kind: "nats";
  /** Tried in any order; they are one cluster, or one alone. */
  readonly servers: readonly NatsServer[];
  /** Without it TLS is used where the server offers it. */
  readonly mustHaveTls: boolean;
  /** Absolute paths, read anew for each connection. */
  readonly files: {
    /** A JWT and its seed, as `nsc` writes them. */
    readonly credentials: string | undefined;
    /** The seed of an nkey. */
    readonly nkey: string | undefined;
    /** PEM. */
    readonly ca: string | undefined;
    readonly certificate: string | undefined;
    readonly key: string | undefined;
  };
}

export interface NatsServer {
  /** An IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly login: NatsLogin | undefined;
}

export type NatsLogin =
  | { readonly kind: "user"; readonly user: string; readonly password: string }
  | { readonly kind: "token"; readonly token: string };
