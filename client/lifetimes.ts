import { create } from "@bufbuild/protobuf";
import { limits } from "@fastchat/protocol";
import type { MessageContent } from "@fastchat/protocol/wire/conversation";
import { type StoredEntry, StoredErasedSchema } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { identityOf } from "./log-page.ts";

// [H4] When a message is over. All times are the server's, milliseconds since 1970.

/** Seconds; 0: for ever. What a member writes there may be any number. */
export const lifetimeOf = ({ expiresAfter }: Pick<MessageContent, "expiresAfter">): number =>
  Math.min(expiresAfter, limits.messageLifetimeSeconds);

/** Entries after this number were read at this time; 0: it is not known when. */
export interface ReadMoment {
  readonly from: number;
  readonly at: number;
}

export interface TimedMessage {
  readonly sequence: number;
  readonly time: number;
  /** Seconds. */
  readonly lifetime: number;
  readonly mine: boolean;
}

/**
 * When a message is deleted; 0: not before it is read. Its sender counts from its time, others from when they read it; who does not know when that
 * was counts from its time as well, so that no device keeps it longer than another.
 */
export function endOf(message: TimedMessage, reader: { readonly upTo: number; readonly moment: ReadMoment; readonly now: number }): number {
  const { sequence, time, lifetime, mine } = message;
  const { upTo, moment, now } = reader;
  if (!mine && sequence > upTo) return 0;
  const isKnown = !mine && moment.at > 0 && sequence > moment.from;
  const begun = isKnown ? Math.max(time, Math.min(moment.at, now)) : time;
  return begun + 1_000 * lifetime;
}

/** Deletes what was written, or that it was deleted; that something was, who did, and its hash stay [S4]. Also what stands beside it: shown by the server at other times, or lost by it. */
export function erase(entry: StoredEntry): void {
  if (isWriting(entry)) {
    const said = identityOf(entry);
    entry.body = { case: "erased", value: create(StoredErasedSchema, said && { clientMessageId: said.id, counter: said.counter }) };
  }
  // Why it could not be read is of no interest any more; that something was dropped or forged is.
  entry.notices = entry.notices.filter(({ kind }) => kind !== "unreadable");
  for (const other of entry.others) erase(other);
}

/** Whether an entry, or what stands beside it, holds what was written, opened or not. */
export const isErasable = (entry: StoredEntry): boolean => isWriting(entry) || entry.others.some(isErasable);

const isWriting = ({ body }: StoredEntry): boolean =>
  body.case === "message" || body.case === "unreadable" || (body.case === "erased" && body.value.deleted);

/** Seconds that somebody wants a message to live. Throws RangeError. */
export function checkedLifetime(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= limits.messageLifetimeSeconds) return seconds;
  throw new RangeError(`a message's lifetime is a whole number of seconds from 0 to ${limits.messageLifetimeSeconds}`);
}
