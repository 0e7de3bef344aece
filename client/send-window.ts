/**
 * What of a conversation's queue is sent when: the pure middle of the outbox.
 *
 * The dance with the server, which answers each Send once, in order:
 *   1. flowing: up to `size` items fly, in the order of the queue.
 *   2. An item is refused. Whatever of this conversation follows it on this socket is answered HELD, so that nothing
 *      overtakes it. The window stops sending and lets what flies come down.
 *   3. settled: nothing flies. Whoever drives the window mends what was wrong (or waits), then goes on: the refused item and
 *      all behind it fly again, in order, under their old ids, the first with `resume`.
 * A lost connection brings down everything at once with outcome unknown; the new socket holds nothing back, so that no
 * `resume` is needed, and the server knows by the ids what it has already. Nothing is lost, because an item leaves the
 * window only when the server said "sent" or refused it for good; nothing is repeated for the reader, because the id stays.
 */
export interface SendWindow<Id extends string> {
  readonly size: number;
  /** Not yet sent, or refused and to be sent again; ascending. */
  readonly queue: readonly Queued<Id>[];
  readonly flying: readonly Queued<Id>[];
  /** An item was refused on this socket, and nothing was resumed since. */
  readonly held: boolean;
}

export interface Queued<Id extends string> {
  readonly id: Id;
  /** Place in the conversation's queue. */
  readonly order: number;
}

export type Landing = "sent" | "refused" | "refused-for-good";

export const emptyWindow = <Id extends string>(size: number): SendWindow<Id> => ({ size, queue: [], flying: [], held: false });

/** Items may come in any order, also such as were overtaken by later ones. */
export function enqueue<Id extends string>(window: SendWindow<Id>, items: readonly Queued<Id>[]): SendWindow<Id> {
  return { ...window, queue: inOrder([...window.queue, ...items]) };
}

/** Takes off what may fly now. `resume` is for the first of them. */
export function takeOff<Id extends string>(
  window: SendWindow<Id>,
): { readonly window: SendWindow<Id>; readonly items: readonly Queued<Id>[]; readonly resume: boolean } {
  const room = window.held && window.flying.length > 0 ? 0 : window.size - window.flying.length;
  const items = window.queue.slice(0, Math.max(0, room));
  if (items.length === 0) return { window, items, resume: false };
  const next = { ...window, queue: window.queue.slice(items.length), flying: [...window.flying, ...items], held: false };
  return { window: next, items, resume: window.held };
}

/** An answer for an item that flies; for any other nothing changes. */
export function land<Id extends string>(window: SendWindow<Id>, id: Id, landing: Landing): SendWindow<Id> {
  const item = window.flying.find((other) => other.id === id);
  if (item === undefined) return window;
  const flying = window.flying.filter((other) => other !== item);
  switch (landing) {
    case "sent":
      return { ...window, flying };
    case "refused-for-good":
      return { ...window, flying, held: true };
    case "refused":
      return { ...window, flying, held: true, queue: inOrder([...window.queue, item]) };
    default:
      return landing satisfies never;
  }
}

/** The items' entries stand in the log: nothing is to be sent or awaited, wherever they are. */
export function done<Id extends string>(window: SendWindow<Id>, ids: Iterable<Id>): SendWindow<Id> {
  const gone = new Set(ids);
  const others = (items: readonly Queued<Id>[]) => items.filter(({ id }) => !gone.has(id));
  return { ...window, queue: others(window.queue), flying: others(window.flying) };
}

/** Items that took off and never left this machine; those that came down meanwhile stand in the queue already. @param resume as `takeOff` said */
export function putBack<Id extends string>(window: SendWindow<Id>, items: readonly Queued<Id>[], resume: boolean): SendWindow<Id> {
  const flying = window.flying.filter((item) => !items.includes(item));
  const back = window.flying.filter((item) => items.includes(item));
  return { ...window, queue: inOrder([...window.queue, ...back]), flying, held: window.held || resume };
}

/** The socket is gone. */
export function comeDown<Id extends string>(window: SendWindow<Id>): SendWindow<Id> {
  return { ...window, queue: inOrder([...window.queue, ...window.flying]), flying: [], held: false };
}

/** Something waits, and nothing will take off until what was refused is mended. */
export const needsMending = (window: SendWindow<string>): boolean => window.held && window.flying.length === 0 && window.queue.length > 0;

function inOrder<Id extends string>(items: Queued<Id>[]): Queued<Id>[] {
  return items.sort((one, other) => one.order - other.order);
}
