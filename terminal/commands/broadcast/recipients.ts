import type { BroadcastList, Client } from "@fastchat/client";
import { limits } from "@fastchat/protocol";
import { listCalled } from "../../broadcast-lists.ts";
import { ourCommand } from "../../config.ts";
import { Failure, exitCodes, usage } from "../../failure.ts";

/** Throws Failure when there are none or too many. */
export function checkedRecipients(words: readonly string[]): readonly string[] {
  const names = [...new Set(words.map((word) => word.trim().toLowerCase()).filter((word) => word !== ""))];
  if (names.length === 0) throw usage(`Say to whom: ${ourCommand} broadcast send bob,carol hello.`);
  if (names.length > limits.broadcastRecipients)
    throw usage(`At most ${limits.broadcastRecipients} people can be written to at once: name fewer, or make a group.`);
  return names;
}

/** Throws Failure. */
export async function listNamed(client: Client, name: string): Promise<BroadcastList> {
  const found = listCalled(await client.broadcastLists(), name);
  if (found !== undefined) return found;
  const sentence = `There is no list "${name}": see "${ourCommand} broadcast list", or write names with commas.`;
  throw new Failure(exitCodes.refused, "no-such-list", sentence);
}
