import { hostname } from "node:os";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Client, Me } from "@fastchat/client";
import { findGateway, listProfiles, openClient } from "@fastchat/client/node";
import { ErrorCode, errorRow, FastChatError } from "@fastchat/protocol";
import { type Config, ourCommand } from "./config.ts";
import { forgetOpened } from "./files/opened-folder.ts";
import { Failure, exitCodes, isUnreachable, noServices, notSignedIn, type Refused, refusedWith, usage } from "./failure.ts";

/** What the options of any command say about whose command it is. */
export interface PlaceOptions {
  readonly home: string | undefined;
  readonly profile: string | undefined;
  readonly gateway: string | undefined;
}

const agent = "fastchat-terminal/0.1.0";

/** Letters of a machine's name and of a profile's in a device's name that holds both. */
const LONGEST_PART = 19;
const part = (text: string): string => (text.length > LONGEST_PART ? `${text.slice(0, LONGEST_PART - 1)}…` : text);

/** How a profile of this program is known: to the operator of the server, and to the other devices of its account. */
export const programIn = (profile: string) => ({
  agent,
  // One account may have several profiles on a machine: all but the usual one say which.
  deviceName: ({ name }: Me): string =>
    profile === name ? `Terminal on ${hostname()}` : `Terminal on ${part(hostname())}, profile ${part(profile)}`,
});

const quickName = `QuickChat on ${hostname()}`;

/** The same in a QuickChat session: whoever sees it among their devices knows what it is. */
export const quickProgram = { agent, deviceName: () => quickName };

export const homeOf = (config: Config, options: PlaceOptions): string => resolve(options.home ?? config.home);

const lastProfile = (home: string): string => join(home, "last-profile");

const PROFILE = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/u;

/** Profiles become folders: nothing else may come of a name. Throws Failure. */
export function checkedProfile(profile: string): string {
  if (!PROFILE.test(profile)) throw usage(`"${profile}" cannot be a profile's name: use letters, digits and . _ - only.`);
  return profile;
}

/** Throws Failure when several profiles could be meant. */
export async function chooseProfile(config: Config, options: PlaceOptions): Promise<string | undefined> {
  const named = options.profile ?? config.profile;
  if (named !== undefined) return checkedProfile(named);
  const home = homeOf(config, options);
  const profiles = await listProfiles(home);
  if (profiles.length <= 1) return profiles[0];
  const last = await readFile(lastProfile(home), "utf8").catch(() => "");
  if (profiles.includes(last.trim())) return last.trim();
  throw usage(`Several people are signed in here (${profiles.join(", ")}): say who with --profile NAME.`);
}

/** The profile that commands without --profile use from now on. */
export async function rememberProfile(home: string, profile: string): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const partial = `${lastProfile(home)}.${process.pid}`;
  await writeFile(partial, `${profile}\n`, { mode: 0o600 });
  await rename(partial, lastProfile(home));
}

/** --gateway, FASTCHAT_GATEWAY, the word that a local "fastchat up" left, port 8080. */
export async function chooseGateway(config: Config, options: PlaceOptions): Promise<string> {
  const given = options.gateway ?? config.gateway;
  if (given !== undefined) return checkedGateway(given);
  return findGateway(config.environment);
}

function checkedGateway(text: string): string {
  const url = /^https?:\/\//u.test(text) ? text : `http://${text}`;
  if (!URL.canParse(url)) throw usage(`"${text}" is no address of a gateway: write it as https://chat.example.org.`);
  return url.replace(/\/+$/u, "");
}

/**
 * The client of who is signed in in a profile; what was opened from there a while ago is removed. Undefined: nobody is.
 *
 * @param gateway in the place of the one that the profile knows
 */
export async function openProfile(
  place: { readonly home: string; readonly profile: string },
  gateway: string | undefined,
): Promise<Client | undefined> {
  const client = await openClient(place, { ...programIn(place.profile), ...(gateway !== undefined && { gateway }) });
  if (client !== undefined) await forgetOpened(join(place.home, place.profile));
  return client;
}

/** The client of whoever is signed in. Throws Failure when nobody is. */
export async function openSignedIn(config: Config, options: PlaceOptions): Promise<{ readonly client: Client; readonly profile: string }> {
  const profile = await chooseProfile(config, options);
  if (profile === undefined) throw notSignedIn(undefined);
  const given = options.gateway ?? config.gateway;
  const client = await openProfile({ home: homeOf(config, options), profile }, given === undefined ? undefined : checkedGateway(given));
  if (client === undefined) throw notSignedIn(profile);
  return { client, profile };
}

/** Throws Failure when the session has ended. */
export function refuseEnded({ connection, me }: Client): void {
  if (connection.kind !== "ended") return;
  const again = connection.code === ErrorCode.ACCOUNT_CLOSED ? "" : ` "${ourCommand} signin ${me.name}" does that;`;
  const sentence = `${connection.sentence}${again} "${ourCommand} signout" erases what is here.`;
  throw new Failure(exitCodes.notSignedIn, "session-ended", sentence);
}

/** Whether the client, or the process that holds its profile, is online now or becomes so in time. Throws Failure when its session has ended. */
export async function untilOnline(client: Client, patienceMs: number): Promise<boolean> {
  const { promise, resolve: settle } = Promise.withResolvers<boolean>();
  const look = (): void => {
    if (client.connection.kind === "online") settle(true);
    if (client.connection.kind === "ended") settle(false);
  };
  const unsubscribe = client.subscribe(look);
  const timer = setTimeout(() => settle(false), patienceMs);
  look();
  try {
    const online = await promise;
    refuseEnded(client);
    return online;
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

/** For what only a server can do. Throws Failure when none answers in time. */
export async function needOnline(client: Client, patienceMs: number): Promise<void> {
  if (!(await untilOnline(client, patienceMs))) throw noServices(client.me.gateway);
}

const isRefused = (result: { readonly kind: string }): result is Refused => result.kind === "refused";

const RETRY_MS = 500;

/**
 * Tries again while there are no services, until the time is up; `restart` begins the time anew, after somebody was asked something. Throws
 * Failure with the answer of a server that refuses.
 */
export async function withPatience<Result extends { readonly kind: string }>(
  { milliseconds, gateway }: { readonly milliseconds: number; readonly gateway: string },
  attempt: (restart: () => void) => Promise<Result | Refused>,
): Promise<Exclude<Result, Refused>> {
  let deadline = Date.now() + milliseconds;
  const restart = (): void => {
    deadline = Date.now() + milliseconds;
  };
  for (;;) {
    try {
      const result = await attempt(restart);
      if (isRefused(result)) throw refusedWith(result);
      return result as Exclude<Result, Refused>;
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      // What was done before there were none is not to be passed over.
      const saysMore = error instanceof FastChatError && error.row.sentence !== errorRow(error.code).sentence;
      if (Date.now() + RETRY_MS > deadline) throw saysMore ? error : noServices(gateway);
      await new Promise((again) => setTimeout(again, RETRY_MS));
    }
  }
}
