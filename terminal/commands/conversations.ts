import { activityOf } from "../activity.ts";
import { ourCommand } from "../config.ts";
import { tellJoinRequests } from "./join-requests.ts";
import { conversationLine, conversationObject } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";
import { remarkRequests } from "./waiting-requests.ts";

export const conversations = signedInCommand({
  name: "conversations",
  description: "Your conversations, newest first, with what is unread",
  args: {},
  waitsFor: "news",
  async run({ client, output }) {
    const found = await client.conversations();
    for (const conversation of found.toSorted((a, b) => activityOf(b) - activityOf(a)))
      await output.print(conversationObject(conversation), conversationLine(conversation));
    if (found.length === 0) output.tell(`No conversations yet: ${ourCommand} send NAME TEXT begins one.`);
    tellJoinRequests(output, found);
    const { count } = await client.requests();
    if (count > 0) remarkRequests(output, count);
  },
});
