import type { Mute } from "@fastchat/client";
import { parseDuration } from "../durations.ts";
import { openSignedIn, untilOnline } from "../place.ts";
import { type CommandContext, command, timeoutOption } from "./command.ts";
import { conversationWith } from "./destination.ts";
import { placeObject, safeNameOf } from "./shapes.ts";

const to = { type: "positional", required: true, description: "Whom, or which group" } as const;
const timeout = { ...timeoutOption, default: "5s" } as const;

export const mute = command({
  name: "mute",
  description: "Let a conversation call for no attention; its messages still arrive",
  args: { to, "except-mentions": { type: "boolean", description: "Unless somebody mentions you" }, timeout },
  run: (context, args) => set(context, args, args["except-mentions"] === true ? "except-mentions" : "all"),
});

export const unmute = command({
  name: "unmute",
  description: "Let a conversation call for attention again",
  args: { to, timeout },
  run: (context, args) => set(context, args, "none"),
});

interface Given {
  readonly to: string;
  readonly timeout: string;
}

async function set({ config, output, place }: CommandContext, given: Given, wanted: Mute): Promise<void> {
  const patience = parseDuration(given.timeout, "timeout");
  const { client } = await openSignedIn(config, place);
  await using _ = client;
  await untilOnline(client, patience);
  const conversation = await conversationWith(client, given.to, patience);
  await client.setMute(conversation.id, wanted);
  const words = { none: "Unmuted", all: "Muted", "except-mentions": "Muted, except where you are mentioned:" }[wanted];
  await output.print({ type: "muted", ...placeObject(conversation), mute: wanted }, `${words} ${safeNameOf(conversation)}.`);
}
