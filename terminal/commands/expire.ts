import type { ConversationSummary } from "@fastchat/client";
import { usage } from "../failure.ts";
import { lengthWords } from "../durations.ts";
import { lifetimeLimits, lifetimeValues, longestLifetime, longestRetention, readLifetime } from "../lifetimes.ts";
import { needOnline } from "../place.ts";
import { conversationWith } from "./destination.ts";
import { letIn } from "./sending.ts";
import { placeObject, whomOf } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const expire = signedInCommand({
  name: "expire",
  description: "After which time messages disappear, there for everybody or with --mine yours alone; without a time it shows that",
  example: "bob 1d",
  args: {
    to: { type: "positional", required: true, description: "With whom, or in which group" },
    time: { type: "positional", required: false, description: "As 1h or 7d, or off" },
    mine: { type: "boolean", description: "What you write there, counted from when it was read" },
  },
  waitsFor: "nothing",
  timeout: "10s",
  async run({ client, output, patience }, args) {
    const longest = args.mine === true ? longestLifetime : longestRetention;
    const seconds = args.time === undefined ? undefined : readLifetime(args.time, longest);
    if (args.time !== undefined && seconds === undefined) throw usage(`"${args.time}" is no such time: write ${lifetimeValues(longest)}.`);
    const conversation = await conversationWith(client, args.to, patience);
    let accepted: readonly string[] = [];
    if (seconds !== undefined && args.mine === true) await client.setTimer(conversation.id, seconds);
    else if (seconds !== undefined) {
      await needOnline(client, patience);
      accepted = await letIn(client, conversation);
      await client.setRetention(conversation.id, seconds);
    }
    const now = (await client.conversation(conversation.id)) ?? conversation;
    const { retentionSeconds, timerSeconds } = now;
    await output.print(
      { type: "expiry", ...placeObject(now), retentionSeconds, timerSeconds },
      [...accepted, ...expiryLines(now)].join("\n"),
    );
    if (seconds !== undefined && seconds > 0) output.tell(lifetimeLimits);
  },
});

function expiryLines(conversation: ConversationSummary): readonly string[] {
  const { retentionSeconds, timerSeconds } = conversation;
  const what = conversation.kind === "note-to-self" ? "Notes to yourself" : `Messages to and from ${whomOf(conversation)}`;
  return [
    retentionSeconds === 0
      ? `${what} are kept on the server and here.`
      : `${what} disappear ${lengthWords(retentionSeconds)} after they were sent, for everybody and on the server.`,
    ...(timerSeconds === 0 ? [] : [`What you write there disappears ${lengthWords(timerSeconds)} after it was read.`]),
  ];
}
