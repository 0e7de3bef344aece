import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  accountId,
  type ConversationId,
  conversationId,
  deviceId,
  ErrorCode,
  FastChatError,
  isHash,
  limits,
  linkHash,
} from "@fastchat/protocol";
import {
  applyConversationLink,
  checkSealedKeys,
  conversationLinkHash,
  type ConversationState,
  groupIdOf,
  isTooMuchEvidence,
  type VerifiedAccounts,
} from "@fastchat/protocol/chain";
import { equal, sealedProfileHash } from "@fastchat/protocol/seal";
import { type ConversationLink, ConversationLinkSchema, type LinkEntry, LinkEntrySchema } from "@fastchat/protocol/wire/conversation";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { AppendedSchema } from "@fastchat/protocol/wire/frames";
import { checkAuthor, checkNumbers, malformed } from "../chat/access.ts";
import type { ChatContext, Handler, RequestBody } from "../chat/context.ts";
import type { Session } from "../chat/session.ts";
import type { AnswerBody } from "../chat/wire.ts";
import { appendLink as storeLink, findLink, type LinkAppendResult, type NamedHead } from "../store/append-link.ts";
import { isMember } from "../store/members.ts";

/** What a link's packet takes on its way out besides the entry: ids, numbers, tags. */
const ENTRY_OVERHEAD = 1_024;

/** [C3] A link is taken only on top of the head, only when it is valid, and only with all its evidence, sealed keys and profile. */
export const appendLink: Handler<"appendLink"> = async (chat, session, request) => {
  const { conversation, entry, sealedKeys, putBack } = request;
  const body = readBody(entry);
  if (entry?.link === undefined || body === undefined) throw malformed("no conversation link");
  if (!putBack) checkAuthor(session, body);
  else if (!isHash(body.account) || !isHash(body.device)) throw malformed("a link without an author");
  checkNumbers(body.index);
  if (conversation.length !== 0 && !isHash(conversation)) throw malformed("a conversation's id has 32 bytes");
  chat.rates.links.takeOrThrow(session.device);
  // [H6] Its signature does not tell that this server took it when its author had the right to write it.
  if (putBack && !chat.receipts.isRight(conversationLinkHash(entry.link), entry.link.receipt))
    throw new FastChatError(ErrorCode.NO_RECEIPT);
  if (isTooMuchEvidence(entry.evidence)) throw new FastChatError(ErrorCode.TOO_LARGE);
  checkProfile(body, entry.profile);

  // Before a group's `create` there is no id to name: a retry of one that was stored is found by the one that follows from it.
  const id = conversation.length === 0 ? groupIdOf(entry.link) : conversationId(conversation);
  const isIn = await isMember(chat.database, id, session.account);
  const asked = { request, link: entry.link, entry, body, id, isIn };
  const judged = await judge(chat, session, asked).catch((error: unknown) => {
    // [W8] A member whose own addition was lost is none yet. Why its link is not taken would tell anybody that the conversation is there.
    if (putBack && !isIn && error instanceof FastChatError) throw new FastChatError(ErrorCode.NOT_FOUND, { cause: error });
    throw error;
  });
  if (judged.kind === "known") return answer(judged.stored);
  const { before, state, heads, accounts } = judged;
  await chat.receipts.putOnEntry(entry, accounts);
  const encoded = toBinary(LinkEntrySchema, entry);
  if (encoded.length > limits.packetBytes - ENTRY_OVERHEAD) throw new FastChatError(ErrorCode.TOO_LARGE);
  const stored = await storeLink(chat.database, {
    conversation: state.conversation,
    account: accountId(body.account),
    device: deviceId(body.device),
    isAuthors: !putBack,
    entry: encoded,
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

interface Asked {
  readonly request: RequestBody<"appendLink">;
  readonly link: SignedLink;
  readonly entry: LinkEntry;
  readonly body: ConversationLink;
  readonly id: ConversationId;
  /** The session's account is a member. */
  readonly isIn: boolean;
}

type Judged =
  /** A retry of a link that was stored. */
  | { readonly kind: "known"; readonly stored: LinkAppendResult }
  | {
      readonly kind: "good";
      readonly before: ConversationState | undefined;
      readonly state: ConversationState;
      readonly heads: readonly NamedHead[];
      /** At these heads. */
      readonly accounts: VerifiedAccounts;
    };

/** Whether the link may follow what is stored. Throws FastChatError. */
async function judge(chat: ChatContext, session: Session, { request, link, entry, body, id, isIn }: Asked): Promise<Judged> {
  const hash = conversationLinkHash(link);
  const { conversation, sealedKeys, putBack } = request;
  // Who puts a link back has its receipt, and may be no member yet again.
  const before = putBack || isIn ? await chat.chains.conversation(id) : undefined;
  if (before === undefined ? body.change.case !== "create" : !putBack && !before.members.has(session.account)) {
    throw new FastChatError(ErrorCode.NOT_FOUND);
  }
  if (before !== undefined) {
    const follows = body.index === before.head.index + 1 && Buffer.from(body.previous).toString("hex") === before.head.hash;
    // Who is no member and does not know the head learns nothing, not even whether there is such a conversation.
    if (!follows && !before.members.has(session.account)) throw new FastChatError(ErrorCode.NOT_FOUND);
    // Only now, and for each member, so that nobody uses up another's; a stranger's id makes no bucket.
    if (isIn && body.change.case === "rekey") await chat.rates.rekeys.takeOrThrow(before.conversation + session.account);
    if (!follows) {
      // A retry of a link that was stored is answered as then.
      const same = await findLink(chat.database.query, before.conversation, body.index, hash);
      if (same === undefined) throw new FastChatError(ErrorCode.STALE_HEAD);
      return { kind: "known", stored: same };
    }
  }
  const heads = readHeads(body);
  const verified = await chat.chains.knownHeads(heads);
  if (verified === undefined) throw unknownHead();
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
  if (conversation.length !== 0 && id !== state.conversation) throw malformed("a link of another conversation");
  if (putBack && !(before?.members.has(session.account) === true || state.members.has(session.account)))
    throw new FastChatError(ErrorCode.NOT_FOUND);
  // [H6] Nobody has the copies of an epoch that was lost: a new one opens next.
  const keys = putBack && sealedKeys.length === 0 ? ({ kind: "valid" } as const) : checkSealedKeys(state, sealedKeys);
  if (keys.kind === "invalid") {
    throw new FastChatError(ErrorCode.LINK_INVALID, { detail: `The sealed keys do not fit the change: ${keys.reason}.` });
  }
  return { kind: "good", before, state, heads, accounts: verified };
}

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
    case "public-name-taken":
      throw new FastChatError(ErrorCode.PUBLIC_NAME_TAKEN);
    default:
      return stored satisfies never;
  }
}

const unknownHead = () =>
  new FastChatError(ErrorCode.LINK_INVALID, { detail: "The change names an account chain that this server does not have." });

/** Each account once, or `apply` refuses the link. */
function readHeads(body: ConversationLink): NamedHead[] {
  if (body.heads.length > limits.groupMembers) throw new FastChatError(ErrorCode.TOO_LARGE);
  if (!body.heads.every(({ account, hash }) => isHash(account) && isHash(hash))) throw malformed("not a head");
  const heads = body.heads.map(({ account, index, hash }) => ({ account: accountId(account), index, hash: linkHash(hash) }));
  if (new Set(heads.map((head) => head.account)).size !== heads.length) throw malformed("an account's head twice");
  return heads;
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

/** [C8] The sealed profile of which a link names the hash lies beside it, and none beside another link. */
function checkProfile({ change, opening }: ConversationLink, profile: Uint8Array): void {
  const named = change.case === "profile" ? change.value.profileHash : (opening?.profileHash ?? new Uint8Array(0));
  const refuse = (why: string) =>
    new FastChatError(ErrorCode.LINK_INVALID, { detail: `The sealed profile does not fit the change: ${why}.` });
  if (profile.length > limits.profileBytes) throw refuse("it is too large");
  if (named.length === 0 && profile.length > 0) throw refuse("the change names none");
  if (named.length > 0 && profile.length === 0) throw refuse("it is missing");
  if (named.length > 0 && !equal(named, sealedProfileHash(profile))) throw refuse("the change names another one");
}

/** Newcomers watch from this link on; everybody here gets it, with their copies; the other servers hear of it. */
function deliver(chat: ChatContext, state: ConversationState, stored: Extract<LinkAppendResult, { kind: "appended" }>): void {
  const { conversation } = state;
  for (const account of stored.joined) {
    for (const session of chat.delivery.sessionsOf(account)) chat.delivery.watch(session, conversation, stored.sequence - 1);
  }
  if (stored.joined.length > 0) chat.hints.tell(["members", conversation, stored.sequence]);
  chat.delivery.known(conversation, stored.sequence);
  chat.hints.tellHead(conversation, stored.sequence);
}
