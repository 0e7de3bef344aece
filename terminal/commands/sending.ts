import type { Client, ConversationSummary } from "@fastchat/client";
import { type ExitCode, exitCodes, Failure } from "../failure.ts";
import type { Output } from "../output.ts";
import { refuseBlocked } from "./blocked.ts";
import { showSealing } from "./sealing.ts";

type Id = ConversationSummary["id"];

/** True when nothing of these conversations waits any more; false when nothing has moved for so long. */
export async function allSent(client: Client, conversations: readonly Id[], patienceMs: number): Promise<boolean> {
  const patience = new AbortController();
  const giveUp = (): NodeJS.Timeout => setTimeout(() => patience.abort(), patienceMs);
  let timer = giveUp();
  using _ = showSealing(client);
  const unsubscribe = client.subscribe((event) => {
    if ((event.kind !== "items" && event.kind !== "sealing") || !conversations.includes(event.conversation)) return;
    clearTimeout(timer);
    timer = giveUp();
  });
  try {
    for (const conversation of conversations) await client.sent(conversation, patience.signal);
    return true;
  } catch (error) {
    if (patience.signal.aborted) return false;
    throw error;
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

/** Counts what the server refuses for good from now on. */
export function watchRefusals(client: Client, conversations: readonly Id[]): Disposable & { readonly refused: number } {
  let refused = 0;
  const unsubscribe = client.subscribe((event) => {
    if (event.kind !== "items" || !conversations.includes(event.conversation)) return;
    refused += event.items.filter((item) => item.kind === "message" && item.status === "failed").length;
  });
  return {
    get refused() {
      return refused;
    },
    [Symbol.dispose]: unsubscribe,
  };
}

/** Why messages were refused, as far as their conversation tells by now: a rule may have changed while they were on their way. */
export async function refusedMessages(client: Client, { id }: ConversationSummary, what: string): Promise<Failure> {
  const now = await client.conversation(id);
  const why = { "announce-only": "Only admins write here", out: "You are not in this group any more" } as const;
  const blocked = now?.blocked === "announce-only" || now?.blocked === "out" ? why[now.blocked] : undefined;
  return new Failure(
    exitCodes.refused,
    "not-sent",
    blocked === undefined ? `The server refused ${what}.` : `${blocked}. Not sent: ${what}.`,
  );
}

/** Says that what was to be sent is kept. */
export function queued(output: Output, count: number): ExitCode {
  const what = count === 1 ? "The message is" : "Messages are";
  output.remark(`Sorry, no services available. ${what} kept here and sent as soon as FastChat runs and is connected: do not send again.`);
  return exitCodes.queued;
}

/** Who writes to a stranger lets them in. Throws Failure for somebody whom one blocked. */
export async function letIn(client: Client, conversation: ConversationSummary): Promise<void> {
  refuseBlocked(conversation);
  if (conversation.request) await client.accept(conversation.id);
}
