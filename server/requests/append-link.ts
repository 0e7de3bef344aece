import { create, fromBinary } from "@bufbuild/protobuf";
import { accountId, conversationId, ErrorCode, FastChatError, isHash, limits, linkHash } from "@fastchat/protocol";
import {
  applyConversationLink,
  conversationLinkHash,
  type ConversationState,
  copyRecipients,
  isEntitled,
  isTooMuchEvidence,
  newestEpoch,
} from "@fastchat/protocol/chain";
import { equal, sealedKeysHash, sealingOverhead, toHex } from "@fastchat/protocol/seal";
import {
  ConversationKind,
  type ConversationLink,
  ConversationLinkSchema,
  type LinkEntry,
  type SealedKey,
} from "@fastchat/protocol/wire/conversation";
import { AppendedSchema } from "@fastchat/protocol/wire/frames";
import { checkAuthor, malformed } from "../chat/access.ts";
import type { ChatContext, Handler } from "../chat/context.ts";
import type { AnswerBody } from "../chat/wire.ts";
import { appendLink as storeLink, findLink, type LinkAppendResult, type NamedHead } from "../store/conversations.ts";

/** [C3] A link is taken only on top of the head, only when it is valid, and only with all its evidence and sealed keys. */
export const appendLink: Handler<"appendLink"> = async (chat, session, { conversation, entry, sealedKeys }) => {
  const body = readBody(entry);
  if (entry?.link === undefined || body === undefined) throw malformed("no conversation link");
  checkAuthor(session, body);
  if (body.change.case === "create" && body.change.value.kind !== ConversationKind.DIRECT) {
    throw new FastChatError(ErrorCode.LINK_INVALID, {
      detail: "This server does not take groups yet: write to each person by themselves.",
    });
  }
  if (conversation.length !== 0 && !isHash(conversation)) throw malformed("a conversation's id has 32 bytes");
  chat.rates.links.takeOrThrow(session.device);
  if (isTooMuchEvidence(entry.evidence)) throw new FastChatError(ErrorCode.TOO_LARGE);

  const before = conversation.length === 0 ? undefined : await chat.chains.conversation(conversationId(conversation));
  if (before === undefined ? body.change.case !== "create" : !before.members.has(session.account)) {
    throw new FastChatError(ErrorCode.NOT_FOUND);
  }
  if (before !== undefined) {
    // Only now, and for each member, so that nobody uses up another's; a stranger's id makes no bucket.
    if (body.change.case === "rekey") chat.rates.rekeys.takeOrThrow(before.conversation + session.account);
    if (body.index !== before.head.index + 1 || toHex(body.previous) !== before.head.hash) {
      // A retry of a link that was stored is answered as then.
      const same = await findLink(chat.database.query, before.conversation, body.index, conversationLinkHash(entry.link));
      if (same === undefined) throw new FastChatError(ErrorCode.STALE_HEAD);
      return answer(same);
    }
  }
  const verified = chat.chains.verified;
  const heads = readHeads(body);
  for (const head of heads) {
    if (!(await chat.chains.knowsHead(head))) throw unknownHead();
  }
  const result = applyConversationLink(before, entry, verified);
  switch (result.kind) {
    case "valid":
      break;
    case "invalid":
      throw new FastChatError(ErrorCode.LINK_INVALID, { detail: `The change is not allowed: ${result.reason}.` });
    case "incomplete":
      throw new FastChatError(incompleteCodes[result.reason]);
    default:
      return result satisfies never;
  }
  const { state } = result;
  if (conversation.length !== 0 && conversationId(conversation) !== state.conversation) throw malformed("a link of another conversation");
  const wrong = checkSealedKeys(state, sealedKeys);
  if (wrong !== undefined) throw new FastChatError(ErrorCode.LINK_INVALID, { detail: `The sealed keys do not fit the change: ${wrong}.` });

  const { account, device } = session;
  const stored = await storeLink(chat.database, {
    conversation: state.conversation,
    account,
    device,
    entry,
    sealedKeys,
    before,
    state,
    heads,
    now: chat.now(),
  });
  if (stored.kind === "appended") {
    chat.chains.rememberConversation(state);
    deliver(chat, state, stored);
  }
  return answer(stored);
};

function answer(stored: LinkAppendResult): AnswerBody {
  switch (stored.kind) {
    case "appended":
    case "duplicate":
      return { case: "appended", value: create(AppendedSchema, { sequence: stored.sequence, time: BigInt(stored.time) }) };
    case "stale":
      throw new FastChatError(ErrorCode.STALE_HEAD);
    case "device-ended":
      throw new FastChatError(ErrorCode.DEVICE_REVOKED);
    case "unknown-heads":
      throw unknownHead();
    default:
      return stored satisfies never;
  }
}

const unknownHead = () =>
  new FastChatError(ErrorCode.LINK_INVALID, { detail: "The change names an account chain that this server does not have." });

function readHeads(body: ConversationLink): NamedHead[] {
  if (body.heads.length > limits.groupMembers) throw new FastChatError(ErrorCode.TOO_LARGE);
  if (!body.heads.every(({ account, hash }) => isHash(account) && isHash(hash))) throw malformed("not a head");
  return body.heads.map(({ account, index, hash }) => ({ account: accountId(account), index, hash: linkHash(hash) }));
}

const incompleteCodes = {
  version: ErrorCode.VERSION_TOO_OLD,
  evidence: ErrorCode.EVIDENCE_MISSING,
  previous: ErrorCode.STALE_HEAD,
} as const;

function readBody(entry: LinkEntry | undefined): ConversationLink | undefined {
  try {
    return entry?.link && fromBinary(ConversationLinkSchema, entry.link.body);
  } catch {
    return undefined;
  }
}

/** [C4] Exactly the copies that are due lie beside an opening link, in order, well-formed, and with the hash that the link names. */
function checkSealedKeys(state: ConversationState, keys: readonly SealedKey[]): string | undefined {
  const epoch = newestEpoch(state);
  if (epoch.index !== state.head.index) return keys.length === 0 ? undefined : "the change opens no epoch";
  if (!equal(sealedKeysHash([...keys]), epoch.sealedKeysHash)) return "another list than the link names";
  const places = keys.map((key) => toHex(key.account) + key.epoch.toString(16).padStart(8, "0"));
  if (!places.every((place, index) => index === 0 || places[index - 1]! < place)) return "not in order";
  if (keys.some((key) => key.sealed.length !== SEALED_EPOCH_KEY_BYTES)) return "a malformed copy";
  const due = new Map(copyRecipients(state).map((recipient) => [recipient.account as string, recipient]));
  const current = keys.filter((key) => key.epoch === epoch.epoch);
  if (current.length !== due.size) return "not one copy for each member";
  for (const { account, generation } of current) {
    if (due.get(toHex(account))?.generation !== generation) return "a copy for somebody else, or to an older account key";
  }
  for (const key of keys) {
    if (key.epoch === epoch.epoch) continue;
    if (
      !isHash(key.account) ||
      key.epoch > epoch.epoch ||
      !due.has(toHex(key.account)) ||
      !isEntitled(state, accountId(key.account), key.epoch)
    ) {
      return "an older key for somebody whom the policy does not give it";
    }
  }
  return undefined;
}

/** A 32-byte key, sealed. */
const SEALED_EPOCH_KEY_BYTES = 32 + sealingOverhead;

/** Newcomers watch from this link on; everybody here gets it, with their copies; the other servers hear of it. */
function deliver(chat: ChatContext, state: ConversationState, stored: Extract<LinkAppendResult, { kind: "appended" }>): void {
  const { conversation } = state;
  for (const account of stored.joined) {
    for (const session of chat.delivery.sessionsOf(account)) chat.delivery.watch(session, conversation, stored.sequence - 1);
    chat.hints.tell(["joined", account, conversation, stored.sequence]);
  }
  chat.delivery.known(conversation, stored.sequence);
  chat.hints.tellHead(conversation, stored.sequence);
}
