import type { ChatMessage } from "@fastchat/client";
import { parseCount } from "../durations.ts";
import { exitCodes, Failure, usage } from "../failure.ts";
import { needOnline } from "../place.ts";
import { plural } from "../words.ts";
import { catchUp } from "./catch-up.ts";
import { conversationWith } from "./destination.ts";
import { newestItems, notFetched } from "./pages.ts";
import { deletedObject, safeNameOf } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";

/** So far back a message is looked for. */
const LOOKED_THROUGH = 1_000;

export const remove = signedInCommand({
  name: "delete",
  description: "Delete messages of yours for everybody, with their files: here, on the server and on other people's devices",
  example: "bob --last 1",
  args: {
    from: { type: "positional", required: true, description: "With whom, or in which group" },
    message: { type: "string", valueHint: "ID", description: "This one, as --json names it" },
    last: { type: "string", valueHint: "N", description: "The newest of yours, so many" },
  },
  waitsFor: "nothing",
  timeout: "10s",
  async run({ client, output, patience }, args) {
    if ((args.message === undefined) === (args.last === undefined))
      throw usage("Say which of your messages: --message ID, or --last N for the newest ones.");
    const count = args.last === undefined ? 1 : parseCount(args.last, "last");
    await needOnline(client, patience);
    await catchUp(client, patience, output);
    const conversation = await conversationWith(client, args.from, patience);
    let isShort = false;
    const items = await newestItems(client, conversation.id, LOOKED_THROUGH, () => {
      isShort = true;
    });
    const written = items.filter(
      (item): item is ChatMessage => item.kind === "message" && !item.deleted && item.sequence !== undefined && item.doubt !== "lost",
    );
    const found =
      args.message === undefined ? written.filter(({ mine }) => mine).slice(-count) : written.filter(({ id }) => id === args.message);
    if (found.length === 0 && isShort) throw notFetched();
    if (found.length === 0)
      throw new Failure(
        exitCodes.refused,
        "not-found",
        `There is no such message${args.message === undefined ? " of yours" : ""} ${conversation.kind === "group" ? "in" : "with"} ${safeNameOf(conversation)} among the last ${LOOKED_THROUGH.toLocaleString("en-GB")}.`,
      );
    await client.deleteMessages(
      conversation.id,
      found.map(({ sequence, id }) => ({ sequence: sequence!, id })),
    );
    for (const message of found) await output.print(deletedObject(message, conversation), undefined);
    output.remark(`Deleted for everybody: ${plural(found.length, "message")}. Who has read it may have kept it.`);
  },
});
