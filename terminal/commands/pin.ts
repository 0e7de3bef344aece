import { conversationWith } from "./destination.ts";
import { placeObject, safeNameOf } from "./shapes.ts";
import { type SignedInContext, signedInCommand } from "./signed-in-command.ts";

const to = { type: "positional", required: true, description: "Whom, or which group" } as const;

export const pin = signedInCommand({
  name: "pin",
  description: "Keep a conversation at the top of the list, on all your devices",
  args: { to },
  waitsFor: "server",
  run: (context, args) => set(context, args.to, true),
});

export const unpin = signedInCommand({
  name: "unpin",
  description: "Let a conversation go its way in the list again",
  args: { to },
  waitsFor: "server",
  run: (context, args) => set(context, args.to, false),
});

async function set({ client, output, patience }: SignedInContext, whom: string, pinned: boolean): Promise<void> {
  const conversation = await conversationWith(client, whom, patience);
  await client.setPinned(conversation.id, pinned);
  await output.print(
    { type: "pinned", ...placeObject(conversation), pinned },
    pinned ? `Pinned ${safeNameOf(conversation)}.` : `${safeNameOf(conversation)} is not pinned any more.`,
  );
}
