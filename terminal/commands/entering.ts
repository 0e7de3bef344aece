import type { ArgsDef } from "citty";
import type { AlreadySignedIn, Client, SignedIn } from "@fastchat/client";
import { openClient } from "@fastchat/client/node";
import { ErrorCode } from "@fastchat/protocol";
import { confirm } from "../ask.ts";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { elsewhereWords, othersShutOut } from "../elsewhere.ts";
import { Failure, exitCodes } from "../failure.ts";
import { wrapped } from "../output.ts";
import { checkedProfile, chooseGateway, homeOf, programIn, rememberProfile, untilOnline } from "../place.ts";
import type { CommandContext } from "./command.ts";
import { showWarnings } from "./warnings.ts";

type Context = Pick<CommandContext, "config" | "output" | "place">;

const placeOf = ({ config, place }: Context, name: string) => ({
  home: homeOf(config, place),
  profile: checkedProfile(place.profile ?? config.profile ?? name),
});

/** Where somebody is about to be signed up: a profile in which nobody is. Throws Failure. */
export async function freshPlace(context: Context, name: string, timeout: string) {
  const { home, profile } = placeOf(context, name);
  const client = await openClient({ home, profile }, { ...programIn(profile), offline: true });
  if (client !== undefined) {
    await client.close();
    throw takenBy(client.me.name, profile);
  }
  return { home, profile, gateway: await chooseGateway(context.config, context.place), milliseconds: parseDuration(timeout, "timeout") };
}

/** The same for who is about to be signed in, or is, by a device that is let in no more: what is there gives way then. Throws Failure. */
export async function placeToEnter(context: Context, name: string, timeout: string) {
  const { config, output, place } = context;
  const { home, profile } = placeOf(context, name);
  const milliseconds = parseDuration(timeout, "timeout");
  const given = place.gateway ?? config.gateway;
  const chosen = given === undefined ? undefined : await chooseGateway(config, place);
  const client = await openClient({ home, profile }, { ...programIn(profile), ...(chosen !== undefined && { gateway: chosen }) });
  if (client === undefined) return { home, profile, gateway: chosen ?? (await chooseGateway(config, place)), milliseconds };
  await using _ = client;
  const { me } = client;
  if (me.name !== name) throw takenBy(me.name, profile);
  // They go with the rest.
  await using _warnings = await showWarnings(client, output);
  if (!(await isPutOut(client, milliseconds))) throw takenBy(me.name, profile);
  return { home, profile, gateway: me.gateway, milliseconds };
}

const PUT_OUT: ReadonlySet<ErrorCode> = new Set([ErrorCode.DEVICE_REVOKED, ErrorCode.SIGNED_IN_ELSEWHERE]);

async function isPutOut(client: Client, milliseconds: number): Promise<boolean> {
  await untilOnline(client, milliseconds).catch(() => undefined);
  return client.connection.kind === "ended" && PUT_OUT.has(client.connection.code);
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

const takenBy = (name: string, profile: string): Failure =>
  new Failure(
    exitCodes.refused,
    "profile-in-use",
    `${name} is signed in with the profile ${profile} already: use another with --profile, or "${ourCommand} signout --profile ${profile}" first.`,
  );
