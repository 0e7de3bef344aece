import type { ArgsDef } from "citty";
import type { AlreadySignedIn, SignedIn } from "@fastchat/client";
import { openClient } from "@fastchat/client/node";
import { confirm } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { elsewhereWords, othersShutOut } from "../elsewhere.ts";
import { Failure, exitCodes } from "../failure.ts";
import { wrapped } from "../output.ts";
import { checkedProfile, chooseGateway, homeOf, programIn, rememberProfile, untilOnline } from "../place.ts";
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
  { home, profile }: { readonly home: string; readonly profile: string },
  { me, others }: SignedIn,
  sentence: string,
): Promise<void> {
  await rememberProfile(home, profile);
  const object = { type: "signed-in", name: me.name, account: me.account, device: me.device, profile, gateway: me.gateway };
  await output.print({ ...object, ...(others !== undefined && { others }) }, wrapped(sentence));
  if (others === "shut-out") output.remark(`${othersShutOut} Run "${ourCommand} devices" and revoke them.`);
  await introduce({ home, profile });
}

/** So long it is waited for a connection only to say what the device is called. */
const INTRODUCING_MS = 3_000;

/** The other devices hear at once what this one is called, and whoever signs in next sees where one is signed in. Nothing depends on it. */
export async function introduce(place: { readonly home: string; readonly profile: string }): Promise<void> {
  const client = await openClient(place, programIn(place.profile)).catch(() => undefined);
  if (client === undefined) return;
  // When it ends it says what was not said yet.
  await using _ = client;
  await untilOnline(client, INTRODUCING_MS).catch(() => undefined);
}

/** Of `signin` and `recover`. */
export const replacingOptions = {
  "sign-out-there": { type: "boolean", description: "Where one device at a time may be signed in: sign out the other one, and go on here" },
} as const satisfies ArgsDef;

/**
 * Signs in; where one device at a time may be and another one is, in its place, if that was said or is answered at the prompt. Throws Failure.
 *
 * @param again the same once more, signing out the others
 */
export async function inThePlaceOfOthers(
  output: Pick<CommandContext["output"], "json">,
  result: SignedIn | AlreadySignedIn,
  again: () => Promise<SignedIn | AlreadySignedIn>,
): Promise<SignedIn> {
  if (result.kind === "signed-in") return result;
  const there = elsewhereWords(result.devices, Date.now());
  if (!output.json && (await confirm(`${there}. Sign out there and go on here?`))) {
    const replaced = await again();
    if (replaced.kind === "signed-in") return replaced;
  }
  throw new Failure(
    exitCodes.refused,
    "already-signed-in",
    `${there}: sign out there, or add --sign-out-there to sign out there and go on here.`,
  );
}

async function refuseTaken(home: string, profile: string): Promise<void> {
  const client = await openClient({ home, profile }, { ...programIn(profile), offline: true });
  if (client === undefined) return;
  const { name } = client.me;
  await client.close();
  throw new Failure(
    exitCodes.refused,
    "profile-in-use",
    `${name} is signed in with the profile ${profile} already: use another with --profile, or "${ourCommand} signout --profile ${profile}" first.`,
  );
}
