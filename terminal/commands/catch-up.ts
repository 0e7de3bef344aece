import type { Client, ConversationSummary } from "@fastchat/client";
import { Failure, exitCodes, noServices } from "../failure.ts";
import type { Output } from "../output.ts";
import { patience, within } from "../patience.ts";
import { untilOnline } from "../place.ts";

const MARK_MS = 2_000;

/** Waits until what had arrived is here, or says that what follows is what was here before. */
export async function catchUp(client: Client, patienceMs: number, output: Output): Promise<void> {
  using waiting = patience(patienceMs);
  try {
    await client.caughtUp(waiting.signal);
  } catch (error) {
    const { connection } = client;
    if (connection.kind === "ended") throw new Failure(exitCodes.notSignedIn, "session-ended", connection.sentence);
    if (!(error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError"))) throw error;
    output.remark("Sorry, no services available: this is what is here already.");
  }
}

/** The conversation with somebody, begun when there is none yet. Throws Failure when that needs a server and there is none. */
export async function conversationWith(client: Client, to: string, patienceMs: number): Promise<ConversationSummary["id"]> {
  const name = to.toLowerCase();
  const known = (await client.conversations()).find(({ peer }) => peer.name === name);
  if (known !== undefined) return known.id;
  if (!(await untilOnline(client, patienceMs))) throw noServices(client.me.gateway);
  return client.openDirect(name);
}

/** What was read is told later when it cannot be told now: not a reason to keep anybody waiting. */
export const markRead = (client: Client, id: ConversationSummary["id"], upTo: number): Promise<void> =>
  within(MARK_MS, client.markRead(id, upTo));
