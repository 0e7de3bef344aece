import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ConversationId, ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { entryHash, runningHash, startHash } from "@fastchat/protocol/seal";
import { EntrySchema, type Witness, WitnessSchema } from "@fastchat/protocol/wire/conversation";
import { AppendedSchema } from "@fastchat/protocol/wire/frames";
import { setImmediate as nextTurn } from "node:timers/promises";
import { accessConversation } from "../chat/access.ts";
import type { ChatContext, Handler } from "../chat/context.ts";
import { type AnswerBody, encodeEntry } from "../chat/wire.ts";
import { entryKinds, readEntries } from "../store/entries.ts";
import { appendIncarnation } from "../store/incarnations.ts";

/**
 * [S4] [H6] By whoever has more of the log than the server: the next entry says what it goes on from. A server cannot know by itself that it was
 * restored; who says so wrongly has the log say it, under their name, and changes nothing else.
 */
export const beginIncarnation: Handler<"beginIncarnation"> = async (chat, session, asked) => {
  const { conversation, sequence: head } = await accessConversation(chat, session, asked.conversation);
  const appended = ({ sequence, time }: { readonly sequence: number; readonly time: number }): AnswerBody => ({
    case: "appended",
    value: create(AppendedSchema, { sequence, time: BigInt(time) }),
  });
  // All members ask when a server comes back: who is not the first costs nothing, and waits no longer than the first one takes.
  const [newest] = await readEntries(chat.database, conversation, { after: head - 1 }, { limit: 1, upTo: head });
  if (newest?.kind === entryKinds.incarnation) return appended(newest);
  if (!(await chat.rates.incarnations.tryTake(conversation))) throw new FastChatError(ErrorCode.RATE_LIMITED);
  const continued = await readWitness(chat, conversation, head);
  const { account, device } = session;
  const body = toBinary(WitnessSchema, continued);
  const stored = await appendIncarnation(chat.database, { conversation, account, device, head, body, now: chat.now() });
  if (stored === undefined) throw new FastChatError(ErrorCode.STALE_HEAD);
  chat.delivery.known(conversation, stored.sequence);
  chat.hints.tellHead(conversation, stored.sequence);
  return appended(stored);
};

/** The place that a log has come to, in slices. */
async function readWitness(chat: ChatContext, conversation: ConversationId, head: number): Promise<Witness> {
  let hash = startHash(conversation);
  let incarnation = 0;
  for (let after = 0; after < head;) {
    const page = await readEntries(chat.database, conversation, { after }, { limit: limits.entriesPerPage, upTo: head });
    if (page.length === 0) throw new FastChatError(ErrorCode.UNAVAILABLE);
    for (const entry of page) {
      if (entry.kind === entryKinds.incarnation) incarnation++;
      hash = runningHash(hash, entry.sequence, entryHash(fromBinary(EntrySchema, encodeEntry(entry))) ?? new Uint8Array(0));
      after = entry.sequence;
    }
    await nextTurn();
  }
  return create(WitnessSchema, { incarnation, sequence: head, hash });
}
