import { type ConversationId, ErrorCode, FastChatError } from "@fastchat/protocol";
import { setTimeout as wait } from "node:timers/promises";
import { ConnectionLost } from "../../client/connection.ts";
import { Divergence } from "../model/simple-group.ts";
import { newPassword } from "../person.ts";
import { comeBack, copyProfile, type OwnedDevice, type Owner, replacePassword, restoreProfile, wipeProfile } from "./household.ts";
import type { Operation } from "./operations.ts";
import { type Played, prepareToSend, type Said } from "./played.ts";

const AGAIN_MS = 200;
const PATIENCE_MS = 60_000;

interface Doing {
  readonly played: Played;
  /** Of the step. */
  readonly number: number;
  readonly owner: Owner;
  readonly operation: Operation;
}

/** @returns why nothing was done */
export async function perform(
  device: OwnedDevice,
  restored: OwnedDevice | undefined,
  { played, number, owner, operation }: Doing,
): Promise<string | undefined> {
  const { household } = played;
  if (operation.kind === "back") {
    if (device.away && device.hasProfile) await comeBack(device);
    return undefined;
  }
  if (operation.kind === "restore") {
    if (restored === undefined) return "no copy";
    played.restored = true;
    for (const said of played.texts.values()) if (said.device === restored) said.mayBeForgotten = true;
    await restoreProfile(restored);
    return undefined;
  }
  if (operation.kind === "sign-in") {
    await household.signIn(owner);
    return undefined;
  }
  if (operation.kind === "recover" && owner.words !== undefined) {
    await household.recover(owner, owner.words);
    return undefined;
  }
  if (device.ended) return "ended";
  return device.away ? "away" : performOn(device, { played, number, owner, operation });
}

/** What needs a device that is there. */
async function performOn(device: OwnedDevice, { played, number, owner, operation }: Doing): Promise<string | undefined> {
  const { household, group } = played;
  const { client } = device.person;
  const othersOf = household.players.filter((other) => other !== owner);
  switch (operation.kind) {
    case "send": {
      const conversation = conversationOf(played, owner, operation.to);
      await insistently(() => prepareToSend(played, device, conversation));
      for (let count = 1; count <= operation.count; count++) {
        const text = `${device.person.profile}, step ${number}, ${count} of ${operation.count}`;
        const said: Said = { conversation, owner, device, mayBeForgotten: true };
        played.texts.set(text, said);
        await client.send(conversation, text);
        said.mayBeForgotten = false;
      }
      return undefined;
    }
    case "read": {
      const summary = await client.conversation(conversationOf(played, owner, operation.to));
      if (summary !== undefined && summary.head > 0) await client.markRead(summary.id, summary.head);
      return undefined;
    }
    case "draft":
      await client.setDraft(conversationOf(played, owner, operation.to), `draft of step ${number}`);
      return undefined;
    case "note":
      await insistently(() => client.setNote(othersOf[operation.about % othersOf.length]!.name, `note of step ${number}`));
      return undefined;
    case "name-device":
      await insistently(() => client.nameDevice(device.person.me.device, `name of step ${number}`));
      return undefined;
    case "away":
      device.away = true;
      await client.close();
      return undefined;
    case "copy":
      await copyProfile(device);
      return undefined;
    case "wipe":
      await wipeProfile(device);
      if (isNobodyLeft(owner)) await household.signIn(owner);
      return undefined;
    case "sign-out": {
      device.ended = true;
      device.hasProfile = false;
      const { server } = await client.signOut();
      device.standing = server === "told" ? "signed-out" : "unknown";
      if (isNobodyLeft(owner)) await household.signIn(owner);
      return server;
    }
    case "revoke": {
      const others = owner.devices.filter((other) => other !== device && other.standing !== "revoked");
      const other = others[operation.which % Math.max(1, others.length)];
      if (other === undefined) return "no other device";
      other.ended = true;
      await insistently(() => client.revokeDevices(owner.password, [other.person.me.device]));
      other.standing = "revoked";
      return other.person.profile;
    }
    case "change-password": {
      const fresh = newPassword();
      await insistently(async () => mustBe("changed", await client.changePassword(owner.password, fresh)));
      replacePassword(owner, fresh);
      return undefined;
    }
    // Nobody wrote down the words of the sign-up: others are made first.
    case "recover":
    case "succeed": {
      const fresh = newPassword();
      const gone = owner.devices.filter((other) => other !== device);
      for (const other of gone) other.ended = true;
      const result = await insistently(async () => mustBe("succeeded", await client.succeed(owner.password, fresh)));
      for (const other of gone) other.standing = "revoked";
      replacePassword(owner, fresh);
      owner.words = "recoveryWords" in result ? result.recoveryWords.join(" ") : undefined;
      return undefined;
    }
    case "add":
      await insistently(() => client.groups.add(group, [othersOf[operation.whom % othersOf.length]!.name], "admin"));
      return undefined;
    case "remove":
      await insistently(() => client.groups.remove(group, [othersOf[operation.whom % othersOf.length]!.name]));
      return undefined;
    case "back":
    case "pause":
    case "restore":
    case "sign-in":
      return undefined;
    default:
      return operation satisfies never;
  }
}

const isNobodyLeft = ({ devices }: Owner): boolean => devices.every(({ ended }) => ended);

function conversationOf({ group, directs }: Played, owner: Owner, number: number): ConversationId {
  const all = [group, ...directs.filter(({ owners }) => owners.includes(owner)).map(({ id }) => id)];
  return all[number % all.length]!;
}

function mustBe<Result extends { readonly kind: string; readonly code?: ErrorCode }>(kind: Result["kind"], result: Result): Result {
  if (result.kind === kind) return result;
  if (result.code === ErrorCode.RATE_LIMITED || result.code === ErrorCode.UNAVAILABLE) throw new FastChatError(result.code);
  throw new Divergence(`it was ${JSON.stringify(result)} and not ${kind}`);
}

/** What a bad line or too much haste kept from being done is tried again. */
async function insistently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (const end = Date.now() + PATIENCE_MS; ;) {
    try {
      return await work();
    } catch (error) {
      if (!isAgain(error) || Date.now() > end) throw error;
      await wait(error instanceof FastChatError ? Math.max(AGAIN_MS, error.retryAfterMs) : AGAIN_MS);
    }
  }
}

const AGAIN: ReadonlySet<ErrorCode> = new Set([ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE, ErrorCode.NO_SERVER]);
const isAgain = (error: unknown): boolean => error instanceof ConnectionLost || (error instanceof FastChatError && AGAIN.has(error.code));
