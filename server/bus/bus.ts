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
  publish(payload: string): Promise<void>;
  subscribe(subscriber: BusSubscriber): void;
}

export interface BusSubscriber {
  message(payload: string): void;
  interrupted(): void;
}

/**
 * A bus that knows who wants to hear of which conversations, and spares others what is of those alone. Of one publisher whose payloads it is told the numbers of
 *
 * - it MUST hand what is for everybody to everybody, and until somebody has said what it wants, everything to it
 * - each subscriber MUST be told of each number that did not get lost, in order: with its payload, or as spared, and never as both
 * - what was spared MUST be told before `keepUp` returns, with the next payload, or before one goes where it cannot say so
 */
export interface SparingBus extends Bus {
  publish(payload: string, about?: About): Promise<void>;
  /** True: nobody wants to hear of these, and the number is spent. False: it must be published. */
  spare(about: About): boolean;
  /** Called before the number of the last payload is told elsewhere. */
  keepUp(): void;
  subscribe(subscriber: BusSubscriber | SparingBusSubscriber): void;
}

export interface SparingBusSubscriber extends BusSubscriber {
  /** @param after number of the payload before it that was for this subscriber; undefined: all were */
  message(payload: string, after?: number): void;
  /** Of what a run said behind the one number and up to the other nothing was for this subscriber. */
  spared(run: string, after: number, upTo: number): void;
  /** Somebody wants to hear of these from now on, and knows them up to these heads. Gives the payload that says what was told of them lately, where it is more. */
  wanted(heads: readonly Head[]): string | undefined;
}

/** Which one of its run's payloads one is, and of what. */
export interface About {
  readonly number: number;
  /** All conversations that it is about; undefined: it is for everybody. */
  readonly conversations: readonly ConversationPrefix[] | undefined;
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
