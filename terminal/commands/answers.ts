import type { Client, ConversationSummary } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { Failure, exitCodes, usage } from "../failure.ts";
import type { Output } from "../output.ts";
import { openSignedIn } from "../place.ts";
import { plural } from "../ui/words.ts";
import { catchUp } from "./catch-up.ts";
import { command, timeoutOption } from "./command.ts";
import { requestMeant } from "./destination.ts";
import { placeObject, safeNameOf } from "./shapes.ts";

export const accept = command({
  name: "accept",
  description: "Let a stranger's conversation or invitation be one of yours",
  args: {
    from: { type: "positional", required: true, description: "Whose request, or the group" },
    timeout: { ...timeoutOption, default: "5s" },
  },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    const request = await requestOf(client, args.from, patience, output);
    await client.accept(request.id);
    await output.print({ type: "accepted", ...placeObject(request) }, `Accepted ${safeNameOf(request)}.`);
  },
});

export const decline = command({
  name: "decline",
  description: "Put a stranger's conversation or invitation away; the stranger hears nothing",
  args: {
    from: { type: "positional", required: false, description: "Whose request, or the group" },
    all: { type: "boolean", description: "All that wait now" },
    timeout: { ...timeoutOption, default: "5s" },
  },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const all = args.all === true;
    if (all === (args.from !== undefined)) throw usage(`Say whose request, or --all: ${ourCommand} decline bob.`);
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    if (args.from !== undefined) {
      const request = await requestOf(client, args.from, patience, output);
      await client.decline(request.id);
      await output.print({ type: "declined", count: 1, ...placeObject(request) }, `Declined ${safeNameOf(request)}.`);
      return;
    }
    await catchUp(client, patience, output);
    const { count } = await client.requests();
    await client.decline(undefined);
    await output.print({ type: "declined", count }, count === 0 ? "No request waits." : `Declined ${plural(count, "request")}.`);
  },
});

async function requestOf(client: Client, from: string, patience: number, output: Output): Promise<ConversationSummary> {
  await catchUp(client, patience, output);
  const request = requestMeant(from, (await client.requests()).conversations);
  if (request !== undefined) return request;
  throw new Failure(exitCodes.refused, "no-such-request", `No request of "${from}" waits: see "${ourCommand} requests".`);
}
