import type { Mute } from "@fastchat/client";
import { conversationWith } from "./destination.ts";
import { placeObject, safeNameOf } from "./shapes.ts";
import { type SignedInContext, signedInCommand } from "./signed-in-command.ts";

const to = { type: "positional", required: true, description: "Whom, or which group" } as const;

export const mute = signedInCommand({
  name: "mute",
  description: "Let a conversation call for no attention; its messages still arrive",
  args: { to, "except-mentions": { type: "boolean", description: "Unless somebody mentions you" } },
  waitsFor: "server",
  run: (context, args) => set(context, args.to, args["except-mentions"] === true ? "except-mentions" : "all"),
});

export const unmute = signedInCommand({
  name: "unmute",
  description: "Let a conversation call for attention again",
  args: { to },
  waitsFor: "server",
  run: (context, args) => set(context, args.to, "none"),
});

async function set({ client, output, patience }: SignedInContext, whom: string, wanted: Mute): Promise<void> {
  const conversation = await conversationWith(client, whom, patience);
  await client.setMute(conversation.id, wanted);
  const words = { none: "Unmuted", all: "Muted", "except-mentions": "Muted, except where you are mentioned:" }[wanted];
  await output.print({ type: "muted", ...placeObject(conversation), mute: wanted }, `${words} ${safeNameOf(conversation)}.`);
}
