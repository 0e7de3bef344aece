import { idBytes, limits } from "@fastchat/protocol";
import type { ConversationState } from "@fastchat/protocol/chain";

/** "@name", not in the middle of a word or of an address: usernames have letters a to z, digits, and single . _ - between them. */
const MENTION = /(?<![\p{L}\p{N}@._-])@([a-z0-9](?:[._-]?[a-z0-9])*)/giu;

/** Names behind an "@" in a text, each once, in lower case. */
export const namesMentioned = (text: string): string[] => [...new Set([...text.matchAll(MENTION)].map(([, name]) => name!.toLowerCase()))];

/** Accounts of the members of a group that a text mentions. */
export function mentionedIn(text: string, { kind, members }: ConversationState): Uint8Array[] {
  const names = kind === "group" && text.includes("@") ? new Set(namesMentioned(text)) : undefined;
  if (names === undefined || names.size === 0) return [];
  const mentioned = [...members.values()].filter(({ chain }) => names.has(chain.name));
  return mentioned.slice(0, limits.mentionsPerMessage).map(({ account }) => idBytes(account));
}
