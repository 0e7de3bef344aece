import { type AccountId, accountId, conversationId, isHash } from "@fastchat/protocol";
import type { Entries, ServerFrame } from "@fastchat/protocol/wire/frames";
import type { KnownAccounts } from "./accounts.ts";
import type { Admissions } from "./admissions.ts";
import type { CatchUp } from "./catch-up.ts";
import type { Conversations } from "./conversations.ts";
import type { News } from "./news.ts";
import type { Outbox } from "./outbox.ts";
import type { OwnAccount } from "./own-account.ts";
import type { Presence } from "./presence.ts";
import type { Requests } from "./requests.ts";
import { believableTime } from "./server-words.ts";
import type { Slots } from "./slots.ts";
import type { Typing } from "./typing.ts";
import type { Vault } from "./vault.ts";

export type Push = Exclude<ServerFrame["body"], { case: undefined }>;

export interface PushReceivers {
  readonly account: AccountId;
  readonly accounts: KnownAccounts;
  readonly ownAccount: OwnAccount;
  readonly conversations: Conversations;
  readonly requests: Requests;
  /** Who is a contact is known, as far as this connection can tell. */
  readonly contactsKnown: () => Promise<void>;
  readonly catchUp: CatchUp;
  readonly outbox: Outbox;
  readonly news: News;
  readonly slots: Slots;
  readonly typing: Typing;
  readonly presence: Presence;
  readonly vault: Vault;
  readonly admissions: Admissions;
}

/** Brings what the server says by itself to whom it concerns. */
export async function receivePush(body: Push, to: PushReceivers): Promise<void> {
  switch (body.case) {
    case "entries": {
      if (!isHash(body.value.conversation)) return;
      const id = conversationId(body.value.conversation);
      if (to.conversations.get(id) === undefined && (await isLeft(body.value, to))) return;
      const conversation = to.conversations.known(id);
      const copies = [...to.conversations.takeCopies(id), ...body.value.sealedKeys];
      await conversation.receive(body.value.entries, copies, body.value.head);
      if (conversation.isBehind) await to.catchUp.one(conversation);
      return;
    }
    case "slots": {
      const conversation = to.conversations.get(conversationId(body.value.conversation));
      if (conversation !== undefined) await to.slots.receive(conversation, body.value.slots);
      return;
    }
    case "signal": {
      const conversation = to.conversations.get(conversationId(body.value.conversation));
      const { signal } = body.value;
      if (conversation !== undefined && signal !== undefined && !to.requests.isQuiet(conversation))
        await to.typing.receive(conversation, signal);
      return;
    }
    case "presence":
      to.presence.receive(body.value.accounts);
      return;
    case "accountMoved":
      if (body.value.head !== undefined && isHash(body.value.head.account)) await accountMoved(accountId(body.value.head.account), to);
      return;
    case "vaultMoved":
      await to.vault.moved(body.value.revision);
      return;
    case "joinAsked": {
      const conversation = to.conversations.get(conversationId(body.value.conversation));
      if (conversation !== undefined) await to.admissions.look(conversation);
      return;
    }
    case "keyRequested":
      // Whoever asked opens a new epoch soon: the own rekey suffices [C6].
      return;
    case "error":
    case "welcome":
    case "sent":
    case "appended":
    case "heads":
    case "sealedKeys":
    case "account":
    case "people":
    case "vault":
    case "vaultWritten":
    case "slotWritten":
    case "pong":
    case "move":
    case "movedHeads":
    case "accountKeys":
    case "joinRequested":
    case "joinRequests":
    case "joinRequestDropped":
    case "publicGroups":
    case "compared":
    case "accountPutBack":
    case "sessionsSet":
      // Answers that nobody asked for.
      return;
    default:
      body satisfies never;
  }
}

/** Whether entries of a conversation that is not here are left for later. Who wrote them stands in for who brought this account in. */
async function isLeft({ conversation, entries, head, sealedKeys }: Entries, to: PushReceivers): Promise<boolean> {
  const id = conversationId(conversation);
  // Copies go ahead of their link.
  if (entries.length === 0 && head === 0) {
    to.conversations.holdCopies(id, sealedKeys);
    return true;
  }
  await to.contactsKnown();
  if (to.conversations.get(id) !== undefined) return false;
  const by = entries.flatMap(({ account }) => (isHash(account) ? [accountId(account)] : []));
  const last = entries.at(-1);
  const time = Number(believableTime(last?.time ?? 0n));
  return to.requests.defers({ id, by, head: Math.max(head, last?.sequence ?? 0), time });
}

async function accountMoved(account: AccountId, to: PushReceivers): Promise<void> {
  if (account === to.account) return to.ownAccount.refresh();
  const before = (await to.accounts.get(account))?.state;
  if (before === undefined) return;
  const { state } = await to.accounts.refresh(account);
  if (state.head.index === before.head.index) return;
  await to.news.accountMoved(account);
  // Who knows of a lost right writes it down before sending [C1].
  to.outbox.driveAll();
}
