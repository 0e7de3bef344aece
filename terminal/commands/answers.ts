import type { Client, ConversationSummary } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import { Failure, exitCodes, usage } from "../failure.ts";
import { safeName } from "../safe-text.ts";
import { plural } from "../words.ts";
import { catchUp } from "./catch-up.ts";
import { requestMeant } from "./destination.ts";
import { allSent } from "./sending.ts";
import { nameOf, placeObject, safeNameOf } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const accept = signedInCommand({
  name: "accept",
  description: "Let a stranger's conversation or invitation be one of yours; go on after an identity or a history changed",
  args: { from: { type: "positional", required: true, description: "Whose request, or the group; or whose identity" } },
  waitsFor: "news",
  async run({ client, output, patience }, args) {
    const goesOn = await goOn(client, args.from);
    if (goesOn !== undefined) {
      await allSent(client, [goesOn.conversation.id], patience);
      return output.print({ type: "accepted", ...placeObject(goesOn.conversation) }, goesOn.words);
    }
    const request = await requestOf(client, args.from);
    await client.accept(request.id);
    await output.print({ type: "accepted", ...placeObject(request) }, `Accepted ${safeNameOf(request)}.`);
  },
});

export const decline = signedInCommand({
  name: "decline",
  description: "Put a stranger's conversation or invitation away; the stranger hears nothing",
  args: {
    from: { type: "positional", required: false, description: "Whose request, or the group" },
    all: { type: "boolean", description: "All that wait now" },
  },
  waitsFor: "nothing",
  async run({ client, output, patience }, args) {
    const all = args.all === true;
    if (all === (args.from !== undefined)) throw usage(`Say whose request, or --all: ${ourCommand} decline bob.`);
    await catchUp(client, patience, output);
    if (args.from !== undefined) {
      const request = await requestOf(client, args.from);
      await client.decline(request.id);
      await output.print({ type: "declined", count: 1, ...placeObject(request) }, `Declined ${safeNameOf(request)}.`);
      return;
    }
    const { count } = await client.requests();
    await client.decline(undefined);
    await output.print({ type: "declined", count }, count === 0 ? "No request waits." : `Declined ${plural(count, "request")}.`);
  },
});

/** After another identity, or two histories, what is written there is sent again. Undefined: there is nothing of that kind. */
async function goOn(
  client: Client,
  from: string,
): Promise<{ readonly conversation: ConversationSummary; readonly words: string } | undefined> {
  const name = from.toLowerCase();
  const conversations = await client.conversations();
  const called = conversations.filter((each) => nameOf(each).toLowerCase() === name);
  const forked = called.find(({ blocked }) => blocked === "forked");
  if (forked !== undefined) {
    await client.acceptFork(forked.id);
    return { conversation: forked, words: `Goes on with ${safeNameOf(forked)}, with the history that this device knows.` };
  }
  const person = (await client.people(name)).find((each) => each.name === name);
  if (person?.verification !== "changed") return undefined;
  const conversation = called.find(({ kind }) => kind === "direct") ?? conversations.find(({ blocked }) => blocked === "identity-changed");
  if (conversation === undefined) return undefined;
  await client.acceptIdentity(name);
  return { conversation, words: `Accepted ${safeName(name)}'s new identity.` };
}

async function requestOf(client: Client, from: string): Promise<ConversationSummary> {
  const request = requestMeant(from, (await client.requests()).conversations);
  if (request !== undefined) return request;
  throw new Failure(exitCodes.refused, "no-such-request", `No request of "${from}" waits: see "${ourCommand} requests".`);
}
