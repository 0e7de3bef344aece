import type { Me } from "@fastchat/client";
import { openClient } from "@fastchat/client/node";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { Failure, exitCodes } from "../failure.ts";
import { checkedProfile, chooseGateway, homeOf, rememberProfile, thisProgram } from "../place.ts";
import type { CommandContext } from "./command.ts";

/** Where somebody is about to be signed in: a profile in which nobody is. Throws Failure. */
export async function freshPlace({ config, place }: Pick<CommandContext, "config" | "place">, name: string, timeout: string) {
  const profile = checkedProfile(place.profile ?? config.profile ?? name);
  const home = homeOf(config, place);
  await refuseTaken(home, profile);
  return { home, profile, gateway: await chooseGateway(config, place), milliseconds: parseDuration(timeout, "timeout") };
}

/** They are: the profile is the one that commands without --profile mean. */
export async function signedIn(
  { output }: Pick<CommandContext, "output">,
  { home, profile, me }: { readonly home: string; readonly profile: string; readonly me: Me },
  sentence: string,
): Promise<void> {
  await rememberProfile(home, profile);
  await output.print({ type: "signed-in", name: me.name, account: me.account, device: me.device, profile, gateway: me.gateway }, sentence);
}

async function refuseTaken(home: string, profile: string): Promise<void> {
  const client = await openClient({ home, profile }, { ...thisProgram, offline: true });
  if (client === undefined) return;
  const { name } = client.me;
  await client.close();
  throw new Failure(
    exitCodes.refused,
    "profile-in-use",
    `${name} is signed in with the profile ${profile} already: use another with --profile, or "${ourCommand} signout --profile ${profile}" first.`,
  );
}
