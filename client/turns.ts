import type { AccountId } from "@fastchat/protocol";
import { isClosed } from "@fastchat/protocol/chain";
import type { KnownAccounts } from "./accounts.ts";
import type { Conversation } from "./conversation.ts";
import type { ConversationLinks } from "./conversation-links.ts";
import type { Conversations } from "./conversations.ts";
import { pause } from "./pause.ts";

const RETRY_MS = 1_000;
const RETRY_AT_MOST_MS = 60_000;

export interface TurnsParts {
  readonly account: AccountId;
  readonly accounts: KnownAccounts;
  readonly conversations: Conversations;
  readonly links: ConversationLinks;
  readonly onTrouble: (error: unknown) => void;
}

/** [C1] Writes down, wherever it is not yet, that a device of this account lost its rights, with a new epoch. */
export class Turns {
  readonly #parts: TurnsParts;

  constructor(parts: TurnsParts) {
    this.#parts = parts;
  }

  /** Once in each conversation that is due. What refuses stops none of the others. */
  async turn(): Promise<void> {
    const { links, onTrouble } = this.#parts;
    for (const conversation of await this.#due()) await links.prepare(conversation).catch(onTrouble);
  }

  /** What could not be turned is tried again for as long as the session lasts; the next one begins with it. */
  async keepTurning(session: AbortSignal): Promise<void> {
    for (let wait = RETRY_MS; (await this.#due()).length > 0; wait = Math.min(2 * wait, RETRY_AT_MOST_MS)) {
      await pause(wait, session);
      if (session.aborted) return;
      await this.turn();
    }
  }

  async #due(): Promise<Conversation[]> {
    const { account, accounts, conversations } = this.#parts;
    const lastTurn = (await accounts.get(account))?.state.lastTurn ?? 0;
    return conversations.all.filter(({ chain: { state } }) => {
      const recorded = state?.members.get(account)?.chain.head.index ?? Infinity;
      return state !== undefined && state.members.has(account) && !isClosed(state) && recorded < lastTurn;
    });
  }
}
