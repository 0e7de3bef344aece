import { parseDuration } from "../durations.ts";
import { openSignedIn } from "../place.ts";
import { catchUp } from "./catch-up.ts";
import { command, timeoutOption } from "./command.ts";
import { conversationLine, conversationObject } from "./shapes.ts";
import { waitWords } from "./waiting-requests.ts";

export const requests = command({
  name: "requests",
  description: "What strangers began and waits for you to accept or decline it, newest first",
  args: { timeout: { ...timeoutOption, default: "5s" } },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await catchUp(client, patience, output);
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
