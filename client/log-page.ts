import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  accountId,
  type AccountId,
  clientMessageId,
  type ClientMessageId,
  type ConversationId,
  deviceId,
  type DeviceId,
  isClientMessageId,
  isHash,
} from "@fastchat/protocol";
import { type ConversationState, messageAllowed, type MessageVerdict } from "@fastchat/protocol/chain";
import { equal, openMessage } from "@fastchat/protocol/seal";
import { type Entry, EntrySchema, type MessageContent, MessageContentSchema } from "@fastchat/protocol/wire/conversation";
import { type Conversation, type StoredEntry, StoredEntrySchema } from "./generated/fastchat/profile/v1/profile_pb.ts";
import { type UnreadableReason, unreadableNotice } from "./notices.ts";

/** A message of the log as far as it could be opened [S3]. */
export type ReadMessage =
  | { readonly kind: "message"; readonly content: MessageContent; readonly author: MessageAuthor }
  | { readonly kind: "unreadable"; readonly reason: UnreadableReason };

export interface MessageAuthor {
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly id: ClientMessageId;
}

export type MessageEntry = Entry & { readonly body: Extract<Entry["body"], { case: "message" }> };

export const isMessage = (entry: Entry): entry is MessageEntry => entry.body.case === "message";

/**
 * Opens one message by what counts at its place. What the envelope claims is only used to choose key and signing key: it is
 * part of what was authenticated and signed.
 *
 * @param state the conversation after the last link before the message
 */
export async function readMessage(
  conversation: ConversationId,
  entry: MessageEntry,
  state: ConversationState | undefined,
  keyOf: (epoch: number) => Promise<Uint8Array | undefined>,
): Promise<ReadMessage> {
  const message = entry.body.value;
  const formless = !isHash(entry.account) || !isHash(entry.device) || !isClientMessageId(message.clientMessageId);
  if (formless) return unreadable("malformed");
  if (state === undefined) return unreadable("not-allowed");
  const author = { account: accountId(entry.account), device: deviceId(entry.device), id: clientMessageId(message.clientMessageId) };
  const { epoch } = message;
  const verdict = messageAllowed(state, { ...author, epoch });
  if (verdict.kind === "refused") return unreadable(reasonOf(verdict));
  const signingKey = state.members.get(author.account)?.chain.devices.get(author.device)?.signingKey;
  const opening = state.epochs[epoch - 1];
  if (signingKey === undefined || opening === undefined) return unreadable("not-allowed");
  const key = await keyOf(epoch);
  if (key === undefined) return unreadable("key");
  const { account, device } = author;
  const context = { conversation, account, device, epoch, openingLink: opening.openingLink };
  const opened = await openMessage(key, context, message, signingKey);
  return opened.kind === "opened" ? { kind: "message", content: opened.content, author } : unreadable(opened.reason);
}

/** Everything of an entry that is stored whatever it holds. */
export function storedBase(entry: Entry, entryHash: Uint8Array, time: bigint): StoredEntry {
  return create(StoredEntrySchema, { time, account: entry.account, device: entry.device, entryHash });
}

export function storeMessage(stored: StoredEntry, entry: MessageEntry, read: ReadMessage, doubt: string): void {
  if (read.kind === "unreadable") {
    stored.body = {
      case: "unreadable",
      value: {
        $typeName: "fastchat.profile.v1.Unreadable",
        entry: toBinary(EntrySchema, entry),
        reason: read.reason,
        epoch: entry.body.value.epoch,
      },
    };
    // Of what was written before one's time, nothing need be said.
    if (read.reason !== "before-joining") stored.notices.push(unreadableNotice(read.reason));
    return;
  }
  stored.body = {
    case: "message",
    value: {
      $typeName: "fastchat.profile.v1.StoredMessage",
      clientMessageId: entry.body.value.clientMessageId,
      epoch: entry.body.value.epoch,
      content: toBinary(MessageContentSchema, read.content),
      doubt,
    },
  };
}

/** [C1] What is shown apart: what a device wrote after its revocation was known here. See ChatMessage.doubt. */
export function doubtOf({ revoked }: Conversation, { device, sequence }: Pick<Entry, "device" | "sequence">): "none" | "revoked-device" {
  return revoked.some((each) => sequence > each.high && equal(each.device, device)) ? "revoked-device" : "none";
}

/** The message of a stored entry, with its content. */
export function storedMessage(stored: StoredEntry): { id: ClientMessageId; content: MessageContent; doubt: string } | undefined {
  if (stored.body.case !== "message") return undefined;
  const { clientMessageId: id, content, doubt } = stored.body.value;
  return { id: clientMessageId(id), content: fromBinary(MessageContentSchema, content), doubt };
}

/** An entry that is shown as a message; without content: its author deleted what it said [S5]. */
export function shownMessage(stored: StoredEntry): { id: ClientMessageId; content: MessageContent | undefined; doubt: string } | undefined {
  if (stored.body.case === "erased" && stored.body.value.deleted)
    return { id: clientMessageId(stored.body.value.clientMessageId), content: undefined, doubt: "none" };
  const message = storedMessage(stored);
  return message?.content.kind.case === "text" ? message : undefined;
}

export const isShown = (stored: StoredEntry): boolean => shownMessage(stored) !== undefined;

/** By what a message is known again, also when what it said is deleted; undefined: there is none, or nobody read it here. */
export function identityOf({ body }: StoredEntry): { readonly id: Uint8Array; readonly counter: number } | undefined {
  if (body.case === "message") {
    const { clientMessageId: id, content } = body.value;
    return { id, counter: fromBinary(MessageContentSchema, content).counter };
  }
  if (body.case !== "erased" || body.value.clientMessageId.length === 0) return undefined;
  return { id: body.value.clientMessageId, counter: body.value.counter };
}

const unreadable = (reason: UnreadableReason): ReadMessage => ({ kind: "unreadable", reason });

function reasonOf({ reason }: Extract<MessageVerdict, { kind: "refused" }>): UnreadableReason {
  switch (reason) {
    case "device-ended":
      return "device-ended";
    case "stale-epoch":
    case "turn-due":
      return "stale-epoch";
    case "not-a-member":
    case "closed":
    case "device-unknown":
    case "may-not-write":
    case "unknown-epoch":
      return "not-allowed";
    default:
      return reason satisfies never;
  }
}
