import type { Client, ConversationSummary } from "@fastchat/client";
import { limits } from "@fastchat/protocol";
import { setTimeout as wait } from "node:timers/promises";
import { inListOrder } from "../activity.ts";
import { ourCommand } from "../config.ts";
import { tellJoinRequests } from "./join-requests.ts";
import { conversationLine, conversationObject } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";
import { remarkRequests } from "./waiting-requests.ts";

export const conversations = signedInCommand({
  name: "conversations",
  description: "Your conversations, pinned ones first, then newest first, with what is unread",
  args: {},
  waitsFor: "news",
  async run({ client, output, patience }) {
    await untilCounted(client, patience);
    const found = await client.conversations();
    for (const conversation of found.toSorted(inListOrder))
      await output.print(conversationObject(conversation), conversationLine(conversation));
    if (found.length === 0) output.tell(`No conversations yet: ${ourCommand} send NAME TEXT begins one.`);
    tellJoinRequests(output, found);
    const { count } = await client.requests();
    if (count > 0) remarkRequests(output, count);
  },
});

const LOOK_MS = 50;

/** A fresh device first shows how much is unread at most, and goes back in each conversation to count it. */
const isCounted = ({ oldest, readUpTo, unread }: ConversationSummary): boolean => oldest - 1 <= readUpTo || unread >= limits.unreadCounted;

async function untilCounted(client: Client, patienceMs: number): Promise<void> {
  const end = performance.now() + patienceMs;
  while (client.connection.kind === "online" && performance.now() < end && !(await client.conversations()).every(isCounted))
    await wait(LOOK_MS);
}
