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
