import { create, toBinary } from "@bufbuild/protobuf";
import { ErrorCode, FastChatError, limits } from "@fastchat/protocol";
import { SealedSlotSchema } from "@fastchat/protocol/wire/conversation";
import { SlotsSchema, SlotWrittenSchema } from "@fastchat/protocol/wire/frames";
import { accessForSealing, checkAuthor, malformed } from "../chat/access.ts";
import type { Handler } from "../chat/context.ts";
import { encodeFrame } from "../chat/wire.ts";
import { writeSlot as storeSlot } from "../store/slots.ts";

/**
 * An older slot than the stored one is answered alike and changes nothing: it says less. In a large group nobody is told: who wants to know asks.
 */
export const writeSlot: Handler<"writeSlot"> = async (chat, session, { conversation, slot }) => {
  if (slot === undefined || slot.ciphertext.length === 0) throw malformed("no slot");
  if (slot.ciphertext.length > limits.smallCiphertextBytes) throw new FastChatError(ErrorCode.TOO_LARGE);
  // Above the highest nothing could follow.
  if (slot.counter >= limits.largestNumber) throw malformed("a slot's counter leaves room for the next one");
  checkAuthor(session, slot);
  const access = await accessForSealing(chat, session, conversation, slot.epoch);
  if ((await storeSlot(chat.database, access.conversation, slot)) && access.members <= limits.liveReceiptsMembers) {
    const live = encodeFrame(0, { case: "slots", value: create(SlotsSchema, { conversation, slots: [slot] }) });
    chat.delivery.push(access.conversation, access.link, live, session);
    chat.hints.tell(["slot", access.conversation, Buffer.from(toBinary(SealedSlotSchema, slot)).toString("base64"), access.link]);
  }
  return { case: "slotWritten", value: create(SlotWrittenSchema) };
};
