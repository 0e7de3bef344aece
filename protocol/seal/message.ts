import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import {
  MessageContentSchema,
  type MessageContent,
  SealedMessageSchema,
  type SealedMessage,
  SealedSignalSchema,
  type SealedSignal,
  SealedSlotSchema,
  type SealedSlot,
  SignalContentSchema,
  type SignalContent,
  SignedContentSchema,
  SlotContentSchema,
  type SlotContent,
} from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, type ClientMessageId, type ConversationId, type DeviceId, idBytes, type LinkHash } from "../ids.ts";
import { decrypt, encrypt } from "./aead.ts";
import { encodeList, encodeParts, type LabelledBytes, type Part } from "./bytes.ts";
import { hkdf } from "./hash.ts";
import { labels, type DeriveLabel, type EncryptLabel, type SignatureLabel } from "./labels.ts";
import { pad, unpad } from "./padding.ts";
import { sign, verify } from "./signature.ts";

/** Who writes where, under which epoch: everything that a message is bound to and that its reader knows without it [S1]. */
export interface MessageContext {
  readonly conversation: ConversationId;
  readonly account: AccountId;
  readonly device: DeviceId;
  readonly epoch: number;
  /** Hash of the link that opened the epoch. */
  readonly openingLink: LinkHash;
}

export type OpenedContent<Content> =
  | { readonly kind: "opened"; readonly content: Content }
  | { readonly kind: "unreadable"; readonly reason: UnreadableReason };

/**
 * `unknown-suite`: made by a newer client. `refused`: another key, another place, or changed bytes. `malformed`: its author
 * sealed something that is no content. `signature`: not written by the device that the envelope claims [S3].
 */
export type UnreadableReason = "unknown-suite" | "refused" | "malformed" | "signature";

/** What one kind of sealed thing uses from the table of labels [G1], and how its content is encoded. */
interface Use<Schema extends DescMessage> {
  readonly schema: Schema;
  readonly key: DeriveLabel;
  readonly encrypt: EncryptLabel;
  readonly signature: SignatureLabel;
}

const messageUse: Use<typeof MessageContentSchema> = {
  schema: MessageContentSchema,
  key: labels.derive.messageKey,
  encrypt: labels.encrypt.message,
  signature: labels.signature.message,
};
const slotUse: Use<typeof SlotContentSchema> = {
  schema: SlotContentSchema,
  key: labels.derive.slotKey,
  encrypt: labels.encrypt.slot,
  signature: labels.signature.slot,
};
const signalUse: Use<typeof SignalContentSchema> = {
  schema: SignalContentSchema,
  key: labels.derive.signalKey,
  encrypt: labels.encrypt.signal,
  signature: labels.signature.signal,
};

/** What of a message is readable for the server, and authenticated. */
export interface MessageEnvelope {
  readonly clientMessageId: ClientMessageId;
  readonly blobs?: readonly Uint8Array[];
  readonly withdraws?: readonly number[];
}

/** Seals a message [S1], [S2]. Keeps no state: sealing twice gives two ciphertexts that both open. */
export async function sealMessage(
  epochKey: Uint8Array,
  context: MessageContext,
  envelope: MessageEnvelope,
  content: MessageContent,
  signingSeed: Uint8Array,
): Promise<SealedMessage> {
  const { blobs = [], withdraws = [] } = envelope;
  const id = idBytes(envelope.clientMessageId);
  const own = messageParts(id, blobs, withdraws);
  return create(SealedMessageSchema, {
    clientMessageId: id,
    epoch: context.epoch,
    blobs: [...blobs],
    withdraws: [...withdraws],
    ciphertext: await sealContent(messageUse, epochKey, context, own, content, signingSeed),
  });
}

/** Opens a message as written by `context.device`, whose public key the caller took from the account chain. */
export function openMessage(
  epochKey: Uint8Array,
  context: MessageContext,
  message: SealedMessage,
  signingKey: Uint8Array,
): Promise<OpenedContent<MessageContent>> {
  const own = messageParts(message.clientMessageId, message.blobs, message.withdraws);
  return openContent(messageUse, epochKey, context, own, message.ciphertext, signingKey);
}

/** Seals what was delivered to and read by an account [S5]. */
export async function sealSlot(
  epochKey: Uint8Array,
  context: MessageContext,
  content: SlotContent,
  signingSeed: Uint8Array,
): Promise<SealedSlot> {
  return create(SealedSlotSchema, {
    account: idBytes(context.account),
    device: idBytes(context.device),
    epoch: context.epoch,
    counter: content.counter,
    ciphertext: await sealContent(slotUse, epochKey, context, [content.counter], content, signingSeed),
  });
}

export async function openSlot(
  epochKey: Uint8Array,
  context: MessageContext,
  slot: SealedSlot,
  signingKey: Uint8Array,
): Promise<OpenedContent<SlotContent>> {
  const opened = await openContent(slotUse, epochKey, context, [slot.counter], slot.ciphertext, signingKey);
  if (opened.kind === "opened" && opened.content.counter !== slot.counter) return { kind: "unreadable", reason: "malformed" };
  return opened;
}

/** Seals a signal, such as typing [S5]. */
export async function sealSignal(
  epochKey: Uint8Array,
  context: MessageContext,
  content: SignalContent,
  signingSeed: Uint8Array,
): Promise<SealedSignal> {
  return create(SealedSignalSchema, {
    account: idBytes(context.account),
    device: idBytes(context.device),
    epoch: context.epoch,
    ciphertext: await sealContent(signalUse, epochKey, context, [], content, signingSeed),
  });
}

export function openSignal(
  epochKey: Uint8Array,
  context: MessageContext,
  signal: SealedSignal,
  signingKey: Uint8Array,
): Promise<OpenedContent<SignalContent>> {
  return openContent(signalUse, epochKey, context, [], signal.ciphertext, signingKey);
}

function messageParts(id: Uint8Array, blobs: readonly Uint8Array[], withdraws: readonly number[]): Part[] {
  return [id, encodeList(blobs), encodeList(withdraws)];
}

async function sealContent<Schema extends DescMessage>(
  use: Use<Schema>,
  epochKey: Uint8Array,
  context: MessageContext,
  own: readonly Part[],
  content: MessageShape<Schema>,
  signingSeed: Uint8Array,
): Promise<Uint8Array> {
  const associatedData = associatedDataOf(use.encrypt, context, own);
  const bytes = toBinary(use.schema, content);
  const signature = await sign(signingSeed, use.signature, associatedData, bytes);
  const signed = toBinary(SignedContentSchema, create(SignedContentSchema, { content: bytes, signature }));
  return encrypt(keyOf(use.key, epochKey, context), associatedData, pad(signed));
}

async function openContent<Schema extends DescMessage>(
  use: Use<Schema>,
  epochKey: Uint8Array,
  context: MessageContext,
  own: readonly Part[],
  ciphertext: Uint8Array,
  signingKey: Uint8Array,
): Promise<OpenedContent<MessageShape<Schema>>> {
  const associatedData = associatedDataOf(use.encrypt, context, own);
  const opened = decrypt(keyOf(use.key, epochKey, context), associatedData, ciphertext);
  if (opened.kind !== "decrypted") return { kind: "unreadable", reason: opened.kind };
  const unpadded = unpad(opened.plaintext);
  if (unpadded.kind !== "unpadded") return { kind: "unreadable", reason: "malformed" };
  const signed = parse(SignedContentSchema, unpadded.content);
  if (signed === undefined) return { kind: "unreadable", reason: "malformed" };
  if (!(await verify(signingKey, signed.signature, use.signature, associatedData, signed.content))) {
    return { kind: "unreadable", reason: "signature" };
  }
  const content = parse(use.schema, signed.content);
  return content === undefined ? { kind: "unreadable", reason: "malformed" } : { kind: "opened", content };
}

function associatedDataOf(label: EncryptLabel, context: MessageContext, own: readonly Part[]): LabelledBytes {
  const { conversation, account, device, epoch, openingLink } = context;
  return encodeParts(label, idBytes(conversation), idBytes(account), idBytes(device), epoch, idBytes(openingLink), ...own);
}

// Derived keys, by the epoch key that they come from: they are kept for as long as somebody holds its array, and no longer.
const derivedKeys = new WeakMap<Uint8Array, Map<string, Uint8Array>>();
const rememberedKeysPerEpoch = 1024;

function keyOf(label: DeriveLabel, epochKey: Uint8Array, { conversation, openingLink, account, device }: MessageContext): Uint8Array {
  const derived = derivedKeys.get(epochKey) ?? new Map<string, Uint8Array>();
  derivedKeys.set(epochKey, derived);
  const use = `${label} ${conversation} ${openingLink} ${account} ${device}`;
  let key = derived.get(use);
  if (key === undefined) {
    key = hkdf(epochKey, label, idBytes(conversation), idBytes(openingLink), idBytes(account), idBytes(device));
    if (derived.size === rememberedKeysPerEpoch) derived.clear();
    derived.set(use, key);
  }
  return key;
}

function parse<Schema extends DescMessage>(schema: Schema, bytes: Uint8Array): MessageShape<Schema> | undefined {
  try {
    return fromBinary(schema, bytes);
  } catch {
    return undefined;
  }
}
