import { type ConversationId, ErrorCode, FastChatError } from "@fastchat/protocol";
import { buildClose } from "@fastchat/protocol/chain";
import type { KnownAccounts } from "./accounts.ts";
import type { AccountDeletion } from "./api.ts";
import { type Connection, ConnectionLost } from "./connection.ts";
import type { Conversations } from "./conversations.ts";
import type { Gateway } from "./gateway.ts";
import type { LocalProfile } from "./profile.ts";
import { openAccount } from "./sign-in.ts";

/** How often the link is written anew when somebody else's came first, or when its answer was lost. */
const CLOSE_ATTEMPTS = 5;

export interface AccountDeletionParts {
  readonly profile: LocalProfile;
  readonly accounts: KnownAccounts;
  readonly conversations: Conversations;
  readonly connection: Pick<Connection, "online" | "request">;
  readonly gateway: Gateway;
  /** Throws FastChatError, ConnectionLost. */
  readonly leaveGroup: (id: ConversationId) => Promise<void>;
}

/**
 * [H7] Closes the account for good [A1], in three phases. The password opens the identity key: until then nothing has changed. The account
 * leaves its groups, so that their members see it at once, and a last admin has a successor; what cannot be left is left all the same by
 * the first link there that names the closed account [C2]. Then the `close` is signed and sent. Whatever interrupts this leaves an account
 * that is whole, or closed: who begins again goes on where it stopped.
 */
export async function deleteAccount(parts: AccountDeletionParts, password: string): Promise<AccountDeletion> {
  const { profile, accounts, connection, gateway } = parts;
  const { me, passwordServerKey } = profile;
  await connection.online();
  const { state } = await accounts.refresh(me.account);
  const { identitySeed } = await openAccount(gateway, me.name, password, { state, passwordServerKey });
  const left = await leaveGroups(parts);
  await close(parts, identitySeed);
  return left;
}

async function leaveGroups({ profile, conversations, leaveGroup }: AccountDeletionParts): Promise<AccountDeletion> {
  const left = { groupsLeft: 0, groupsNotLeft: 0 };
  for (const { id, chain } of conversations.all) {
    if (chain.state?.kind !== "group" || !chain.state.members.has(profile.me.account)) continue;
    try {
      await leaveGroup(id);
      left.groupsLeft++;
    } catch (error) {
      if (!(error instanceof FastChatError || error instanceof ConnectionLost)) throw error;
      left.groupsNotLeft++;
    }
  }
  return left;
}

async function close(parts: AccountDeletionParts, identitySeed: Uint8Array): Promise<void> {
  const { profile, accounts, connection } = parts;
  for (let attempt = 1; ; attempt++) {
    try {
      await connection.online();
      const { state } = await accounts.refresh(profile.me.account);
      if (state.closed) return;
      const link = buildClose(state, { identitySeed });
      await connection.request({ case: "appendAccountLink", value: { link } }, "appended");
      return;
    } catch (error) {
      const code = error instanceof FastChatError ? error.code : undefined;
      if (code === ErrorCode.ACCOUNT_CLOSED || (await isClosed(parts))) return;
      const isWorthAgain = code === ErrorCode.STALE_HEAD || error instanceof ConnectionLost;
      if (!isWorthAgain || attempt === CLOSE_ATTEMPTS) throw error;
    }
  }
}

/** Whether the link was taken, whose answer was lost: then the gateway says so to this device, and to nobody else. */
async function isClosed({ profile, gateway }: AccountDeletionParts): Promise<boolean> {
  try {
    await gateway.ticket(profile.me.device, profile.signingSeed, []);
    return false;
  } catch (error) {
    return error instanceof FastChatError && error.code === ErrorCode.ACCOUNT_CLOSED;
  }
}
