import type { ChatMessage } from "@fastchat/client";
import { isEnding, shortLength } from "../lifetimes.ts";
import { type Span, span } from "./rows.ts";
import { type State, openChat, serverTimeIn } from "./state.ts";

// How long a message still lives, beside it.

type Lifetime = Pick<ChatMessage, "expiresAfter" | "expires">;

/** Beside a message that is over some day; one that counts stands out from one that waits to be read. */
export function lifetimeMark(message: Lifetime, serverNow: number, words: boolean): Span | undefined {
  const { expiresAfter, expires } = message;
  if (expires === undefined && expiresAfter === 0) return undefined;
  const counts = isEnding(message, serverNow);
  const length = shortLength(counts ? (expires! - serverNow) / 1_000 : expiresAfter);
  // As wide with what is left as in the beginning, mostly: the text beside it is not wrapped anew.
  return span(`${words ? "gone in" : "◔"} ${length.padStart(SHORTEST_CELLS)} `, counts ? "accent" : "dim");
}

const SHORTEST_CELLS = "59m".length;

/** A tick may say another time beside a message than stands there now, or take one away. */
export function changesWithTime(state: State, now: number, serverAhead: number): boolean {
  const [before, after] = [serverTimeIn(state), now + serverAhead];
  const changes = ({ expires }: ChatMessage): boolean =>
    expires !== undefined && (expires <= after || shortLength((expires - before) / 1_000) !== shortLength((expires - after) / 1_000));
  return openChat(state)?.entries.some(({ item }) => item.kind === "message" && changes(item)) ?? false;
}
