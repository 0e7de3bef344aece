import { type AccountId, accountId, conversationId, isHash } from "@fastchat/protocol";
import type { ServerFrame } from "@fastchat/protocol/wire/frames";
import type { KnownAccounts } from "./accounts.ts";
import type { CatchUp } from "./catch-up.ts";
import type { Conversations } from "./conversations.ts";
import type { News } from "./news.ts";
import type { Outbox } from "./outbox.ts";
import type { OwnAccount } from "./own-account.ts";
import type { Presence } from "./presence.ts";
import type { Slots } from "./slots.ts";
import type { Typing } from "./typing.ts";
import type { Vault } from "./vault.ts";

export type Push = Exclude<ServerFrame["body"], { case: undefined }>;

export interface PushReceivers {
  readonly account: AccountId;
  readonly accounts: KnownAccounts;
  readonly ownAccount: OwnAccount;
  readonly conversations: Conversations;
  readonly catchUp: CatchUp;
  readonly outbox: Outbox;
  readonly news: News;
  readonly slots: Slots;
  readonly typing: Typing;
  readonly presence: Presence;
  readonly vault: Vault;
}

/** Brings what the server says by itself to whom it concerns. */
export async function receivePush(body: Push, to: PushReceivers): Promise<void> {
  switch (body.case) {
    case "entries": {
      if (!isHash(body.value.conversation)) return;
      const conversation = to.conversations.known(conversationId(body.value.conversation));
      await conversation.receive(body.value.entries, body.value.sealedKeys, body.value.head);
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
      if (conversation !== undefined && body.value.signal !== undefined) await to.typing.receive(conversation, body.value.signal);
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
      // Answers that nobody asked for.
      return;
    default:
      body satisfies never;
  }
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
