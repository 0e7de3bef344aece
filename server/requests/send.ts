import {
  clientMessageId,
  conversationId,
  type ConversationId,
  type DeviceId,
  ErrorCode,
  FastChatError,
  isClientMessageId,
  isHash,
  limits,
} from "@fastchat/protocol";
import type { SealedMessage } from "@fastchat/protocol/wire/conversation";
import { malformed } from "../chat/access.ts";
import type { ChatContext, Handler } from "../chat/context.ts";
import { encodeMessage, encodeSent } from "../chat/wire.ts";
import type { AppendVerdict, RefusalReason } from "../store/append.ts";
import type { SendGate } from "../store/append-queue.ts";
import { keepForMessage } from "../store/blobs.ts";

/** Membership, device and epoch are judged by the statement that appends, not here: only there the answer cannot be old. */
export const send: Handler<"send"> = async (chat, session, { conversation: id, message, resume }) => {
  if (!isHash(id)) throw malformed("a conversation's id has 32 bytes");
  const conversation = conversationId(id);
  const gate = session.gate(conversation);
  if (gate === undefined) {
    session.connection.close(ErrorCode.MOVED, "Too many conversations for one connection: connect again.");
    return undefined;
  }
  const refusal = checkForm(message);
  if (message === undefined || refusal !== undefined) {
    gate.held = true;
    throw refusal ?? malformed("a send without a message");
  }
  // Only where there is something to look for: whoever waits lets others by.
  if (message.blobs.length > 0 || gate.looking !== undefined) {
    let areThere = false;
    try {
      areThere = await behind(gate, () => keepFiles(chat, session.device, conversation, message));
    } finally {
      if (!areThere) gate.held = true;
    }
    if (!areThere) throw new FastChatError(ErrorCode.BLOB_MISSING);
  }
  const verdict = await new Promise<AppendVerdict>((resolve) => {
    const taken = chat.queue.offer({
      conversation,
      account: session.account,
      device: session.device,
      clientMessageId: clientMessageId(message.clientMessageId),
      epoch: message.epoch,
      body: encodeMessage(message),
      withdraws: message.withdraws,
      gate,
      resume,
      answer: resolve,
    });
    if (taken) return;
    gate.held = true;
    resolve({ kind: "refused", reason: "unavailable" });
  });
  switch (verdict.kind) {
    case "stored":
    case "duplicate":
      return { case: "encoded", frame: (request) => encodeSent(request, verdict.sequence, verdict.time) };
    case "refused":
      throw new FastChatError(codes[verdict.reason], details[verdict.reason] === undefined ? {} : { detail: details[verdict.reason]! });
    case "unknown":
      // Only a retry on a new connection can tell; what stands behind it in the queue is held.
      session.connection.close(ErrorCode.MOVED, "The database did not answer: connect again.");
      return undefined;
    default:
      return verdict satisfies never;
  }
};

/** Acts when what was looked for before is known. Who asked first goes on first. */
async function behind<Result>(gate: SendGate, act: () => Promise<Result>): Promise<Result> {
  const before = gate.looking;
  const looked = Promise.withResolvers<void>();
  gate.looking = looked.promise;
  try {
    await before;
    return await act();
  } finally {
    looked.resolve();
    if (gate.looking === looked.promise) gate.looking = undefined;
  }
}

const keepFiles = async (
  { database }: ChatContext,
  device: DeviceId,
  conversation: ConversationId,
  { blobs, clientMessageId: id }: SealedMessage,
): Promise<boolean> =>
  blobs.length === 0 || keepForMessage(database, { conversation, device, clientMessageId: clientMessageId(id) }, blobs, Date.now());

const codes: Record<RefusalReason, ErrorCode> = {
  "not-found": ErrorCode.NOT_FOUND,
  "device-ended": ErrorCode.DEVICE_REVOKED,
  // The device brings its own head up to date, then sends again [C1].
  "device-not-recorded": ErrorCode.STALE_HEAD,
  closed: ErrorCode.ACCOUNT_CLOSED,
  "may-not-write": ErrorCode.FORBIDDEN,
  "stale-epoch": ErrorCode.STALE_EPOCH,
  held: ErrorCode.HELD,
  "storage-full": ErrorCode.STORAGE_FULL,
  unavailable: ErrorCode.UNAVAILABLE,
};

const details: Partial<Record<RefusalReason, string>> = {
  "device-not-recorded": "The conversation has not recorded this device yet: write its heads first.",
};

function checkForm(message: SealedMessage | undefined): FastChatError | undefined {
  if (message === undefined) return malformed("a send without a message");
  if (!isClientMessageId(message.clientMessageId)) return malformed("a client message id has 16 bytes");
  if (!message.blobs.every(isHash)) return malformed("a blob's id has 32 bytes");
  const { ciphertext, blobs, withdraws } = message;
  if (ciphertext.length === 0 || message.epoch < 1) return malformed("a message without a ciphertext or an epoch");
  const large =
    ciphertext.length > limits.ciphertextBytes || blobs.length > limits.blobsPerMessage || withdraws.length > limits.withdrawsPerMessage;
  return large ? new FastChatError(ErrorCode.TOO_LARGE) : undefined;
}
