import type { ChatItem, Client, ConversationSummary } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { Failure, exitCodes, usage } from "../failure.ts";
import { patience } from "../patience.ts";
import { openSignedIn } from "../place.ts";
import { remarkBlocked } from "./blocked.ts";
import { markRead } from "./catch-up.ts";
import { command, timeoutOption } from "./command.ts";
import { conversationWith } from "./destination.ts";
import { itemsAfter } from "./pages.ts";
import { itemLine, itemObject, safeNameOf } from "./shapes.ts";
import { showWarnings } from "./warnings.ts";

export const wait = command({
  name: "wait",
  description: "Wait for a message of somebody, or in a group: the oldest unread one, or the next",
  args: {
    from: { type: "string", valueHint: "NAME", description: "Of whom, or in which group" },
    timeout: { ...timeoutOption, default: "30s" },
  },
  async run({ config, output, place }, args) {
    const { from } = args;
    if (from === undefined) throw usage(`Say of whom: ${ourCommand} wait --from bob.`);
    const patienceMs = parseDuration(args.timeout, "timeout");
    using waiting = patience(patienceMs);
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await using _warnings = await showWarnings(client, output);
    const conversation = await conversationWith(client, from, patienceMs);
    remarkBlocked(output, conversation);
    const item = await nextFrom(client, conversation.id, waiting.signal);
    if (item === undefined) {
      const where = conversation.kind === "group" ? "in" : "of";
      throw new Failure(exitCodes.timeout, "timeout", `No message ${where} ${safeNameOf(conversation)} came within ${args.timeout}.`);
    }
    await output.print(itemObject(item, conversation), itemLine(item, conversation));
    if (!conversation.request) await markRead(client, conversation.id, item.sequence!);
  },
});

async function nextFrom(client: Client, id: ConversationSummary["id"], deadline: AbortSignal): Promise<ChatItem | undefined> {
  let wake = Promise.withResolvers<void>();
  const unsubscribe = client.subscribe((event) => {
    if (event.kind === "items" || event.kind === "conversations") wake.resolve();
  });
  deadline.addEventListener("abort", () => wake.resolve(), { once: true });
  try {
    let after = (await client.conversation(id))?.readUpTo ?? 0;
    while (!deadline.aborted) {
      // What is here may be the one.
      for await (const page of itemsAfter(client, id, after, () => undefined)) {
        const found = page.find((item) => item.kind === "message" && !item.mine);
        if (found !== undefined) return found;
        after = page.at(-1)!.sequence!;
      }
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
    return undefined;
  } finally {
    unsubscribe();
  }
}
