import type { Client, ConversationSummary } from "@fastchat/client";
import { ourCommand } from "../../config.ts";
import { type ExitCode, exitCodes } from "../../failure.ts";
import type { Output } from "../../output.ts";
import { patience as timeLimit } from "../../patience.ts";
import { placeObject, safeNameOf } from "../shapes.ts";
import { connectedCommand } from "./group-command.ts";

export const join = connectedCommand({
  name: "join",
  description: "Come into a group by a link, or ask to by its public name",
  example: "chess",
  args: { "link-or-name": { type: "positional", required: true, description: "Which link or public name" } },
  timeout: "15s",
  async run({ client, output, patience, words }): Promise<ExitCode> {
    using waiting = timeLimit(patience);
    const { kind, conversation } = await client.groups.join(words[0]!.trim());
    using _ = sayWaiting(output);
    const group = await untilMember(client, conversation, waiting.signal);
    const isIn = kind === "joined" || group !== undefined;
    const place = group === undefined ? { with: null, conversation, kind: "group" } : placeObject(group);
    const where = group === undefined ? "the group" : safeNameOf(group);
    await output.print({ type: "group-joined", ...place, status: isIn ? "joined" : "asked" }, isIn ? `You are in ${where}.` : undefined);
    if (isIn) return exitCodes.done;
    output.remark(`You asked to join: an admin, or an admin's FastChat, has to let you in. "${ourCommand} group list" shows it then.`);
    return exitCodes.asked;
  },
});

const SAID_AFTER_MS = 1_000;

/** Whoever waits at a terminal hears for what. */
function sayWaiting(output: Output): Disposable {
  if (output.json || !process.stderr.isTTY) return { [Symbol.dispose]: () => undefined };
  const timer = setTimeout(() => output.remark("Asked: waiting for an admin to let you in …"), SAID_AFTER_MS);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

async function untilMember(client: Client, id: ConversationSummary["id"], deadline: AbortSignal): Promise<ConversationSummary | undefined> {
  let wake = Promise.withResolvers<void>();
  const unsubscribe = client.subscribe((event) => {
    if (event.kind === "conversations" && event.conversations.includes(id)) wake.resolve();
  });
  deadline.addEventListener("abort", () => wake.resolve(), { once: true });
  try {
    while (!deadline.aborted) {
      const conversation = await client.conversation(id);
      if (conversation?.kind === "group" && conversation.group.role !== undefined) return conversation;
      await wake.promise;
      wake = Promise.withResolvers<void>();
    }
    return undefined;
  } finally {
    unsubscribe();
  }
}
