import type { ArgsDef } from "citty";
import type { Client } from "@fastchat/client";
import { parseDuration } from "../durations.ts";
import { openSignedIn, untilOnline } from "../place.ts";
import { catchUp } from "./catch-up.ts";
import { type Command, type CommandContext, command, type Definition, timeoutOption } from "./command.ts";
import { showWarnings } from "./warnings.ts";

export interface SignedInContext extends CommandContext {
  readonly client: Client;
  readonly profile: string;
  /** How long to wait for others, in milliseconds. */
  readonly patience: number;
}

interface More {
  /** What is waited for before it runs, in vain if need be: what had arrived, or a connection. */
  readonly waitsFor: "news" | "server" | "nothing";
  /** How long to wait, unless it is said; "5s". */
  readonly timeout?: string;
}

/** A command of whoever is signed in, with --timeout. The client is closed when it has run. */
export function signedInCommand<const Args extends ArgsDef>({
  args,
  run,
  waitsFor,
  timeout = "5s",
  ...definition
}: Definition<Args, SignedInContext> & More): Command {
  return command({
    ...definition,
    args: { ...args, timeout: { ...timeoutOption, default: timeout } },
    async run(context, given) {
      const { config, output, place } = context;
      const patience = parseDuration((given as { readonly timeout: string }).timeout, "timeout");
      const { client, profile } = await openSignedIn(config, place);
      await using _ = client;
      await using _warnings = await showWarnings(client, output);
      if (waitsFor === "news") await catchUp(client, patience, output);
      if (waitsFor === "server") await untilOnline(client, patience);
      return await run({ ...context, client, profile, patience }, given as unknown as Parameters<typeof run>[1]);
    },
  });
}
