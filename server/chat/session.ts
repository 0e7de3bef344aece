import { type AccountId, type ConversationId, type DeviceId, limits } from "@fastchat/protocol";
import type { SendGate } from "../store/append-queue.ts";
import type { Connection } from "./connection.ts";

/** A connection after its `hello`: who is there, and what it watches. */
export class Session {
  readonly connection: Connection;
  readonly account: AccountId;
  readonly device: DeviceId;
  /** Conversations whose entries it gets live. */
  readonly conversations = new Set<ConversationId>();
  /** Accounts whose presence it watches. */
  watchedPresence: ReadonlySet<AccountId> = new Set();
  readonly #gates = new Map<ConversationId, SendGate>();

  constructor(connection: Connection, account: AccountId, device: DeviceId) {
    this.connection = connection;
    this.account = account;
    this.device = device;
  }

  /** The order of this socket's sends to a conversation. Undefined: it writes to more than one socket may. */
  gate(conversation: ConversationId): SendGate | undefined {
    let gate = this.#gates.get(conversation);
    if (gate === undefined) {
      if (this.#gates.size >= limits.sendConversationsPerSocket) return undefined;
      gate = { held: false };
      this.#gates.set(conversation, gate);
    }
    return gate;
  }
}
