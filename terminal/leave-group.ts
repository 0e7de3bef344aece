import type { ConversationSummary, Groups } from "@fastchat/client";
import { safeName } from "./safe-text.ts";
import { fewWords } from "./words.ts";

/** Leaves for good. Gives who is admin now, where one was the last. */
export async function leaveGroup(groups: Groups, id: ConversationSummary["id"], successor?: string): Promise<readonly string[]> {
  const adminsOf = async () => ((await groups.info(id))?.members ?? []).filter(({ role }) => role === "admin");
  const before = await adminsOf();
  await groups.leave(id, successor);
  const wasLast = before.length === 1 && before[0]!.me;
  return wasLast ? (await adminsOf()).filter(({ me }) => !me).map(({ person }) => person.name) : [];
}

/** "carol is its admin now." */
export const heirWords = (names: readonly string[]): string =>
  `${fewWords(names.map(safeName), 3)} ${names.length === 1 ? "is its admin" : "are its admins"} now.`;
