import type { AccountId, ClientMessageId, ConversationId } from "@fastchat/protocol";
import type { Client } from "./api.ts";
import type { UploadProgress } from "./api-files.ts";
import type { Groups } from "./api-groups.ts";
import type { PresenceState } from "./presence.ts";
import type { NumberedWarning } from "./warnings.ts";

/** About people and this account's own settings. */
export interface OwnCalls extends Pick<
  Client,
  | "setMute"
  | "setPinned"
  | "setTimer"
  | "setRetention"
  | "accept"
  | "decline"
  | "setBlocked"
  | "setBroadcastList"
  | "broadcast"
  | "receipts"
  | "devices"
  | "nameDevice"
  | "sessionPolicy"
  | "setSessionPolicy"
  | "deleteMessages"
> {
  /** Reads a stranger's conversation that was left for later, now. */
  readRequest(id: ConversationId): Promise<void>;
  /** See Files.cancel. */
  cancelMessage(message: ClientMessageId): Promise<boolean>;
  /** How far the files of these messages are; of those that wait for nothing of theirs, nothing. */
  uploads(messages: readonly ClientMessageId[]): Promise<readonly (UploadProgress & { readonly message: ClientMessageId })[]>;
  /** The oldest warning that was not shown and that nobody else is about to show, for who shows it now. */
  claimWarning(): Promise<NumberedWarning | undefined>;
  /** It was: it waits no more. */
  warningShown(number: number): Promise<void>;
  /** See SealedCalls. */
  sealed(call: { readonly key: string; readonly call: string }): Promise<string>;
  /** Watches the presence of these as well. Gives what is known of them. */
  presences(people: readonly AccountId[]): Promise<readonly (PresenceState & { readonly account: AccountId })[]>;
}

/** What a process beside the holder may have it do by name, with arguments and result as they are; each name stands in this list. */
export interface Calls {
  readonly groups: Omit<Groups, "info">;
  readonly own: OwnCalls;
}

const names = {
  groups: [
    "create",
    "add",
    "remove",
    "setRole",
    "setProfile",
    "setPolicy",
    "leave",
    "invite",
    "revokeInvitation",
    "join",
    "find",
    "joinRequests",
    "approve",
    "reject",
  ],
  own: [
    "setMute",
    "setTimer",
    "setRetention",
    "setPinned",
    "accept",
    "decline",
    "setBlocked",
    "setBroadcastList",
    "broadcast",
    "receipts",
    "devices",
    "nameDevice",
    "sessionPolicy",
    "setSessionPolicy",
    "readRequest",
    "deleteMessages",
    "cancelMessage",
    "sealed",
    "presences",
    "uploads",
    "claimWarning",
    "warningShown",
  ],
} as const satisfies { readonly [Part in keyof Calls]: readonly (keyof Calls[Part])[] };

type AnyCall = (...given: readonly unknown[]) => Promise<unknown>;

const isName = (part: string, name: string): part is keyof Calls =>
  Object.hasOwn(names, part) && (names as Record<string, readonly string[]>)[part]!.includes(name);

/** Carries out what was asked for as "groups.add". @throws RangeError for what is no call. */
export function call(calls: Calls, path: string, given: readonly unknown[]): Promise<unknown> {
  const [part = "", name = ""] = path.split(".");
  if (!isName(part, name)) throw new RangeError(`there is no call ${path}`);
  const target = calls[part] as unknown as Record<string, AnyCall>;
  return target[name]!.call(target, ...given);
}

/** The same calls, each handed to whoever carries it out. */
export function callsThrough(carry: (path: string, given: readonly unknown[]) => Promise<unknown>): Calls {
  const parts = Object.entries(names).map(([part, list]) => [
    part,
    Object.fromEntries(list.map((name) => [name, (...given: unknown[]) => carry(`${part}.${name}`, withoutEnd(given))])),
  ]);
  return Object.fromEntries(parts) as Calls;
}

/** What is left out at the end stays so on the way. */
const withoutEnd = (given: readonly unknown[]): unknown[] => given.slice(0, given.findLastIndex((each) => each !== undefined) + 1);
