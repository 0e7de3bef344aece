import type { Client, ConversationSummary } from "@fastchat/client";
import { type ProgressLine, progressLine } from "./progress-line.ts";

/** While a conversation's older messages are fetched, page by page from the newest back: how far that is. */
export function showFetching(client: Client, id: ConversationSummary["id"]): ProgressLine {
  const line = progressLine();
  const look = async (): Promise<void> => {
    const conversation = await client.conversation(id);
    if (conversation === undefined || conversation.oldest <= 1 || isOver) return;
    const { head, oldest } = conversation;
    line.show(`Fetching older messages: ${(head - oldest + 1).toLocaleString("en")} of ${head.toLocaleString("en")}`);
  };
  let isOver = false;
  const unsubscribe = client.subscribe((event) => {
    if (event.kind === "conversations" && event.conversations.includes(id)) look().catch(() => undefined);
  });
  return {
    ...line,
    [Symbol.dispose]: () => {
      isOver = true;
      unsubscribe();
      line[Symbol.dispose]();
    },
  };
}
