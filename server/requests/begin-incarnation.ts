import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ConversationId, ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { entryHash, runningHash, startHash } from "@fastchat/protocol/seal";
import { EntrySchema, type Witness, WitnessSchema } from "@fastchat/protocol/wire/conversation";
import { AppendedSchema } from "@fastchat/protocol/wire/frames";
import { setImmediate as nextTurn } from "node:timers/promises";
import { accessConversation } from "../chat/access.ts";
import type { ChatContext, Handler } from "../chat/context.ts";
import { encodeEntry } from "../chat/wire.ts";
import { entryKinds, readEntries } from "../store/entries.ts";
import { appendIncarnation } from "../store/incarnations.ts";

/**
 * [S4] [H6] By whoever has more of the log than the server: the next entry says what it goes on from. A server cannot know by itself that it was
 * restored; who says so wrongly has the log say it, under their name, and changes nothing else.
 */
export const beginIncarnation: Handler<"beginIncarnation"> = async (chat, session, body) => {
  const { conversation, sequence: head } = await accessConversation(chat, session, body.conversation);
  chat.rates.incarnations.takeOrThrow(conversation);
  const { continued, isLast } = await readWitness(chat, conversation, head);
  const { account, device } = session;
  const stored = isLast
    ? { sequence: head, time: chat.now() }
    : await appendIncarnation(chat.database, {
        conversation,
        account,
        device,
        head,
        body: toBinary(WitnessSchema, continued),
        now: chat.now(),
      });
  if (stored === undefined) throw new FastChatError(ErrorCode.STALE_HEAD);
  chat.delivery.known(conversation, stored.sequence);
  chat.hints.tellHead(conversation, stored.sequence);
  return { case: "appended", value: create(AppendedSchema, { sequence: stored.sequence, time: BigInt(stored.time) }) };
};

/** The place that a log has come to, in slices. `isLast`: its newest entry begins an incarnation already. */
async function readWitness(
  chat: ChatContext,
  conversation: ConversationId,
  head: number,
): Promise<{ readonly continued: Witness; readonly isLast: boolean }> {
  let hash = startHash(conversation);
  let incarnation = 0;
  let isLast = false;
  for (let after = 0; after < head;) {
    const page = await readEntries(chat.database, conversation, { after }, { limit: limits.entriesPerPage, upTo: head });
    if (page.length === 0) throw new FastChatError(ErrorCode.UNAVAILABLE);
    for (const entry of page) {
      isLast = entry.kind === entryKinds.incarnation;
      if (isLast) incarnation++;
      hash = runningHash(hash, entry.sequence, entryHash(fromBinary(EntrySchema, encodeEntry(entry))) ?? new Uint8Array(0));
      after = entry.sequence;
    }
    await nextTurn();
  }
  return { continued: create(WitnessSchema, { incarnation, sequence: head, hash }), isLast };
}
