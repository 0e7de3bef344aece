import { activityOf } from "../activity.ts";
import { parseDuration } from "../durations.ts";
import { openSignedIn } from "../place.ts";
import { catchUp } from "./catch-up.ts";
import { command, timeoutOption } from "./command.ts";
import { conversationLine, conversationObject } from "./shapes.ts";
import { remarkRequests } from "./waiting-requests.ts";

export const conversations = command({
  name: "conversations",
  description: "Your conversations, newest first, with what is unread",
  args: { timeout: { ...timeoutOption, default: "5s" } },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await catchUp(client, patience, output);
    const found = await client.conversations();
    for (const conversation of found.toSorted((a, b) => activityOf(b) - activityOf(a)))
      await output.print(conversationObject(conversation), conversationLine(conversation));
    const { count } = await client.requests();
    if (count > 0) remarkRequests(output, count);
  },
});
