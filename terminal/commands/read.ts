import type { ChatItem } from "@fastchat/client";
import { parseCount, parseMoment } from "../durations.ts";
import { usage } from "../failure.ts";
import { remarkBlocked } from "./blocked.ts";
import { catchUp, markRead } from "./catch-up.ts";
import { conversationWith } from "./destination.ts";
import { showFetching } from "./fetching.ts";
import { itemsAfter, newestItems, notFetched, sequenceBefore } from "./pages.ts";
import { itemLine, itemObject } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const read = signedInCommand({
  name: "read",
  description: "Show the newest messages with somebody, or of a group",
  args: {
    to: { type: "positional", required: true, description: "With whom" },
    last: { type: "string", valueHint: "N", description: "So many messages (20)" },
    since: { type: "string", valueHint: "TIME", description: "From a time on: 2026-11-20, 2026-11-20T14:05, 2h" },
    all: { type: "boolean", description: "From the beginning" },
    peek: { type: "boolean", description: "Do not mark them as read" },
  },
  waitsFor: "nothing",
  async run({ client, output, patience }, args) {
    if ([args.last, args.since, args.all].filter((option) => option !== undefined && option !== false).length > 1) {
      throw usage("--last, --since and --all exclude each other: choose one.");
    }
    const count = args.last === undefined ? 20 : parseCount(args.last, "last");
    const since = args.since === undefined ? undefined : parseMoment(args.since, Date.now());
    await catchUp(client, patience, output);
    const conversation = await conversationWith(client, args.to, patience);
    remarkBlocked(output, conversation);
    const { id } = conversation;
    using fetching = showFetching(client, id);
    let newest = 0;
    let isShort = false;
    const onMissing = (): void => {
      isShort = true;
    };
    const show = async (items: readonly ChatItem[]): Promise<void> => {
      fetching.show("");
      for (const item of items) {
        await output.print(itemObject(item, conversation), itemLine(item, conversation));
        newest = Math.max(newest, item.sequence ?? 0);
      }
    };
    if (args.all === true || since !== undefined) {
      const after = since === undefined ? 0 : await sequenceBefore(client, id, since);
      for await (const page of itemsAfter(client, id, after, onMissing)) {
        if (output.closed.aborted) break;
        await show(page);
      }
    } else await show(await newestItems(client, id, count, onMissing));
    if (isShort) throw notFetched();
    // Who waits to be accepted is told nothing.
    if (args.peek !== true && !conversation.request && newest > 0) await markRead(client, id, newest);
  },
});
