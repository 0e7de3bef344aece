import type { ConversationSummary, GroupSummary } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import type { Output } from "../output.ts";
import { plural } from "../words.ts";
import { typedId } from "./destination.ts";
import { safeNameOf } from "./shapes.ts";

/** Says at a terminal who waits for an answer of whoever looks at their groups. */
export function tellJoinRequests(output: Output, conversations: readonly ConversationSummary[]): void {
  for (const group of conversations) if (group.kind === "group" && group.group.joinRequests > 0) output.tell(askingWords(group));
}

export function askingWords(group: GroupSummary): string {
  const asking = plural(group.group.joinRequests, "person asks", "people ask");
  return `${asking} to join ${safeNameOf(group)}: ${ourCommand} group requests ${typedName(group)}`;
}

/** A name that others chose goes into the shell only where it means nothing there. */
const typedName = (group: GroupSummary): string =>
  /^[\p{L}\p{N}][\p{L}\p{N} _.-]*$/u.test(group.group.name) ? `"${group.group.name}"` : typedId(group);
