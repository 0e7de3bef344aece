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
 */
export interface Bus extends AsyncDisposable {
  readonly payloadBytes: number;
  /** Resolves when it was handed over, or rejects when that is known to have failed. */
  publish(payload: string): Promise<void>;
  subscribe(subscriber: BusSubscriber): void;
}

export interface BusSubscriber {
  message(payload: string): void;
  interrupted(): void;
}
