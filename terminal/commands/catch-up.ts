import type { Client, ConversationSummary } from "@fastchat/client";
import type { Output } from "../output.ts";
import { patience, within } from "../patience.ts";
import { refuseEnded } from "../place.ts";
import { progressLine } from "./progress-line.ts";

const MARK_MS = 2_000;

/** Waits until what had arrived is here, or says that what follows is what was here before. */
export async function catchUp(client: Client, patienceMs: number, output: Output): Promise<void> {
  using waiting = patience(patienceMs);
  using _ = showCatchingUp(client);
  try {
    await client.caughtUp(waiting.signal);
  } catch (error) {
    refuseEnded(client);
    if (!(error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError"))) throw error;
    output.remark("Sorry, no services available: this is what is here already.");
  }
}

/** So few are here before anybody looks. */
const FEW = 10;

function showCatchingUp(client: Client): Disposable {
  const line = progressLine();
  const unsubscribe = client.subscribe((event) => {
    if (event.kind !== "catching-up" || event.total <= FEW) return;
    line.show(event.done >= event.total ? "" : `Fetching what is new: ${event.done} of ${event.total} conversations`);
  });
  return {
    [Symbol.dispose]: () => {
      unsubscribe();
      line[Symbol.dispose]();
    },
  };
}

/** What was read is told later when it cannot be told now: not a reason to keep anybody waiting. */
export const markRead = (client: Client, id: ConversationSummary["id"], upTo: number): Promise<void> =>
  within(MARK_MS, client.markRead(id, upTo));
