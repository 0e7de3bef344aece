import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type AccountId, type ConversationId, ErrorCode, FastChatError, idBytes, limits } from "@fastchat/protocol";
import { equal } from "@fastchat/protocol/seal";
import { type MessageReference, MessageReferenceSchema } from "@fastchat/protocol/wire/conversation";
import type { MessagePlace } from "./api.ts";
import type { OutgoingDeletion } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { lifetimeOf } from "./lifetimes.ts";
import { identityOf, storedMessage } from "./log-page.ts";
import type { Outbox } from "./outbox.ts";
import { inPieces } from "./pieces.ts";
import { keys, read, schemas } from "./records.ts";
import { refusal } from "./refusals.ts";
import type { Storage } from "./storage.ts";

export interface DeletionParts {
  readonly storage: Storage;
  readonly account: AccountId;
  readonly outbox: Pick<Outbox, "delete">;
}

/** [S5] See Client.deleteMessages. */
export async function deleteMessages(
  { storage, account, outbox }: DeletionParts,
  id: ConversationId,
  messages: readonly MessagePlace[],
): Promise<void> {
  const lifetimes: number[] = [];
  const deletes = messages.map(async ({ sequence, id: named }) => {
    const entry = await read(storage, keys.entry(id, sequence), schemas.entry);
    const message = entry && storedMessage(entry);
    if (entry === undefined || message?.id !== named || message.content.kind.case !== "text")
      throw new FastChatError(ErrorCode.NOT_FOUND, { sentence: "There is no such message here, or it is gone already." });
    if (!equal(entry.account, idBytes(account))) throw refusal("delete");
    lifetimes.push(lifetimeOf(message.content));
    const reference = create(MessageReferenceSchema, { device: entry.device, clientMessageId: idBytes(message.id) });
    return create(schemas.outgoingDeletion, { sequence, message: toBinary(MessageReferenceSchema, reference) });
  });
  const pieces = inPieces(await Promise.all(deletes), () => 0, { bytes: 0, count: limits.withdrawsPerMessage });
  // What disappears by itself leaves nothing, nor does that it was deleted; one that stays says so of all.
  const expiresAfter = lifetimes.includes(0) ? 0 : Math.max(0, ...lifetimes);
  await Promise.all(pieces.map((some) => outbox.delete(id, some, expiresAfter)));
}

/**
 * Those that stand where they stood when they were asked to go, also what is over here by now, for it may not be elsewhere [H4]. A server that was
 * restored may have another message there, which must not go in their place [H6].
 */
export async function stillStanding(
  storage: Storage,
  id: ConversationId,
  deletes: readonly OutgoingDeletion[],
): Promise<readonly { readonly sequence: number; readonly message: MessageReference }[]> {
  const found = await Promise.all(
    deletes.map(async ({ sequence, message: bytes }) => {
      const message = fromBinary(MessageReferenceSchema, bytes);
      const entry = await read(storage, keys.entry(id, sequence), schemas.entry);
      const said = entry && identityOf(entry);
      const stands = said !== undefined && equal(said.id, message.clientMessageId) && equal(entry!.device, message.device);
      return stands ? [{ sequence, message }] : [];
    }),
  );
  return found.flat();
}
