import { accountId, type AccountId, type ConversationId, isHash } from "@fastchat/protocol";
import { directConversationId } from "@fastchat/protocol/chain";
import type { ConversationSummary } from "./api.ts";
import type { Contacts } from "./contacts.ts";
import type { ConversationSettings } from "./conversation-settings.ts";
import type { Conversation as ConversationRecord } from "./generated/fastchat/profile/v1/profile_pb.ts";

/**
 * How a conversation stands with this person. `request`: a stranger began it, or brought this account in, and it waits to be accepted [C8];
 * `declined`: put away; `blocked`: by somebody whom this person blocked. All but the ordinary ones are quiet: whoever began them hears nothing.
 */
export type Standing = "ordinary" | "request" | "declined" | "blocked";

export interface StandingConversation {
  readonly standing: Standing;
  readonly conversation: ConversationSummary;
}

/** What the standing of a conversation follows from. */
export interface Beginning {
  readonly id: ConversationId;
  /** The other one of a direct conversation; of a group who brought this account in. Undefined: not known yet. */
  readonly by: AccountId | undefined;
  /** Of the newest entry, server's time. */
  readonly time: number;
}

/** Judges conversations by what the vault says: who is a contact, who is blocked, what was accepted or put away. */
export class Standings {
  readonly #me: AccountId;
  readonly #contacts: Contacts;
  readonly #settings: ConversationSettings;

  constructor(me: AccountId, contacts: Contacts, settings: ConversationSettings) {
    this.#me = me;
    this.#contacts = contacts;
    this.#settings = settings;
  }

  of({ id, by, time }: Beginning): Standing {
    if (by === undefined || by === this.#me) return "ordinary";
    const contact = this.#contacts.byAccount(by);
    if (contact?.blocked === true) return this.#settings.isAccepted(id) ? "ordinary" : "blocked";
    // A group that was put away stays so, whoever of its members becomes a contact.
    if (this.#settings.isDeclined(id)) return contact !== undefined && directConversationId(this.#me, by) === id ? "ordinary" : "declined";
    if (contact !== undefined || this.#settings.isAccepted(id)) return "ordinary";
    return time <= this.#settings.requestsPutAway ? "declined" : "request";
  }
}

export function beginningOf(id: ConversationId, { peer, addedBy, time }: ConversationRecord): Beginning {
  const by = isHash(peer) ? peer : addedBy;
  return { id, by: isHash(by) ? accountId(by) : undefined, time: Number(time) };
}
