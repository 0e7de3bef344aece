import { conversationLine, conversationObject } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";
import { waitWords } from "./waiting-requests.ts";

export const requests = signedInCommand({
  name: "requests",
  description: "What strangers began and waits for you to accept or decline it, newest first",
  args: {},
  waitsFor: "news",
  async run({ client, output }) {
    const { count, conversations } = await client.requests();
    const unread = count - conversations.length;
    const more = unread > 0 && conversations.length > 0 ? `; these are the newest ${conversations.length}` : "";
    await output.print(
      { type: "requests", count, shown: conversations.length },
      count === 0 ? "No request waits." : `${waitWords(count)}${more}.`,
    );
    for (const conversation of conversations) await output.print(conversationObject(conversation), conversationLine(conversation));
  },
});
