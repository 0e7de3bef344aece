import type { Wire, WireControl } from "./tcp-proxy.ts";

/** Switches for all connections of one proxy in front of PostgreSQL. */
export interface PostgresFaults {
  /** When set, the next transaction that runs a statement of this text is committed, and its connection is cut before anybody hears so. */
  cutAfterCommitOf: RegExp | undefined;
  /** Notifications are swallowed. */
  dropNotifications: boolean;
  /** What happened so far. */
  readonly counts: { commitsCut: number; notificationsDropped: number };
}

export function noFaults(): PostgresFaults {
  return { cutAfterCommitOf: undefined, dropNotifications: false, counts: { commitsCut: 0, notificationsDropped: 0 } };
}

const letter = (text: string): number => text.charCodeAt(0);
const PARSE = letter("P");
const BIND = letter("B");
const SIMPLE_QUERY = letter("Q");
const SYNC = letter("S");
const READY_FOR_QUERY = letter("Z");
const ERROR = letter("E");
const NOTIFICATION = letter("A");
/** ReadyForQuery's status when no transaction is open: what came before is committed. */
const IDLE = letter("I");

/**
 * Watches the protocol of PostgreSQL (version 3, without TLS) on one connection. A commit is cut like this: (1) a statement of the
 * wanted text passes upwards; (2) from its Sync on, answers are held back until ReadyForQuery, and passed on while that says that a transaction is
 * open; (3) ReadyForQuery with none open proves that the database has committed; (4) both sides are closed without passing it on. Nobody but
 * the database knows now: exactly what happens when a network fails at the worst moment.
 */
export function postgresWire(faults: PostgresFaults): (control: WireControl) => Wire {
  return ({ cutBehind }) => {
    const statements = new Map<string, string>();
    let syncsSent = 0;
    let readyHeard = 0;
    /** Number of the Sync that ends the transaction to cut. */
    let awaited: number | undefined;
    /** Answers of which it is not known yet whether they say that it is committed. */
    const held: Buffer[] = [];

    const watch = (text: string | undefined): void => {
      if (awaited !== undefined || text === undefined || faults.cutAfterCommitOf?.test(text) !== true) return;
      awaited = syncsSent + 1;
      faults.cutAfterCommitOf = undefined;
    };

    const up = new MessageSplitter({ startup: true });
    const down = new MessageSplitter({ startup: false });
    return {
      up(bytes) {
        for (const message of up.split(bytes)) {
          const type = message[0];
          if (type === PARSE) {
            const [name, text] = strings(message, 5, 2);
            statements.set(name!, text!);
          } else if (type === BIND) watch(statements.get(strings(message, 5, 2)[1]!));
          else if (type === SIMPLE_QUERY) {
            watch(strings(message, 5, 1)[0]);
            syncsSent += 1;
          } else if (type === SYNC) syncsSent += 1;
        }
        return bytes;
      },
      down(bytes) {
        const passed: Buffer[] = [];
        for (const message of down.split(bytes)) {
          const type = message[0];
          if (type === NOTIFICATION && faults.dropNotifications) {
            faults.counts.notificationsDropped += 1;
            continue;
          }
          held.push(message);
          if (type === READY_FOR_QUERY) {
            // The first one answers the start of the session, not a Sync.
            if (syncsSent > 0) readyHeard += 1;
            // What failed is not committed: the next one is waited for.
            const failed = held.some((answer) => answer[0] === ERROR);
            if (awaited !== undefined && readyHeard >= awaited && message[5] === IDLE && !failed) {
              faults.counts.commitsCut += 1;
              cutBehind(Buffer.concat(passed));
              return Buffer.alloc(0);
            }
          } else if (awaited !== undefined && readyHeard >= awaited - 1) continue;
          passed.push(...held.splice(0));
        }
        return passed.length === 1 ? passed[0]! : Buffer.concat(passed);
      },
    };
  };
}

/** Cuts a byte stream into whole messages; a part of one waits for its rest. */
class MessageSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #startup: boolean;

  constructor({ startup }: { startup: boolean }) {
    this.#startup = startup;
  }

  *split(bytes: Buffer): Generator<Buffer> {
    let left = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      // The first message upwards has no type byte.
      const header = this.#startup ? 0 : 1;
      if (left.length < header + 4) break;
      const length = header + left.readUInt32BE(header);
      if (left.length < length) break;
      if (!this.#startup) yield left.subarray(0, length);
      this.#startup = false;
      left = left.subarray(length);
    }
    this.#rest = left;
  }
}

function strings(message: Buffer, from: number, count: number): string[] {
  const found: string[] = [];
  let start = from;
  while (found.length < count) {
    const end = message.indexOf(0, start);
    if (end < 0) return found;
    found.push(message.toString("utf8", start, end));
    start = end + 1;
  }
  return found;
}
