import { ErrorCode, FastChatError } from "@fastchat/protocol";
import type { ConversationState } from "@fastchat/protocol/chain";
import { type Connection, ConnectionLost } from "./connection.ts";
import type { ConversationLinks, Wanted } from "./conversation-links.ts";
import type { Conversation } from "./conversation.ts";
import { pause } from "./pause.ts";

/** A change whose answer was lost with the connection is looked for, and made again where it is missing, for so long. */
const LOST_ANSWER_MS = 30_000;
const RETRY_MS = 200;

const isUnreachable: ReadonlySet<ErrorCode> = new Set([ErrorCode.UNAVAILABLE, ErrorCode.NO_SERVER]);

export interface ChangeParts {
  readonly connection: Pick<Connection, "online">;
  readonly links: Pick<ConversationLinks, "change">;
  /** The client is being closed: nothing is tried again. */
  readonly closing: AbortSignal;
}

/** Makes a change of a conversation's chain. An answer that is lost with its connection says nothing: the next one shows whether it was made. */
export async function makeChange(
  { connection, links, closing }: ChangeParts,
  conversation: Conversation,
  decide: (state: ConversationState) => Promise<Wanted>,
): Promise<void> {
  await connection.online();
  for (const end = Date.now() + LOST_ANSWER_MS; ;) {
    try {
      await connection.online();
      return await links.change(conversation, decide);
    } catch (error) {
      const isLost = error instanceof ConnectionLost || (error instanceof FastChatError && isUnreachable.has(error.code));
      if (!isLost || Date.now() > end || closing.aborted) throw error;
      await pause(RETRY_MS, closing);
    }
  }
}
