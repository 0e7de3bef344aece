import { setTimeout as wait } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { accountId, idBytes } from "@fastchat/protocol";
import { toHex } from "@fastchat/protocol/seal";
import { JoinRequestSchema } from "@fastchat/protocol/wire/conversation";
import { type Dump, takeDump } from "../groups/dump.ts";
import { messagesOf, viewOf } from "../groups/group-talk.ts";
import type { Device } from "./cast.ts";
import type { Run } from "./run.ts";
import { Divergence } from "./simple-group.ts";

const PATIENCE_MS = 20_000;
const LOOK_MS = 20;

/** The group when nothing happens in it any more. */
export interface Settled {
  readonly dump: Dump;
}

/** Waits until everything queued is sent, who asked is let in, everybody who may write has said something more, and all members have all of it. */
export async function settle(run: Run): Promise<Settled> {
  await eventually("somebody with a good invitation is not let in", () => stillAsking(run));
  await eventually("not all members have the newest link", () => behind(run));
  await eventually("what was queued is still not sent", () => stillQueued(run));
  const last: string[] = [];
  for (const device of active(run)) {
    if ((await groupOf(run, device))?.mayWrite !== true) continue;
    const text = `at last, ${device.person.profile}`;
    last.push(text);
    await device.person.client.send(run.id, text);
  }
  await eventually("not all members have everything", () => behind(run, last));
  return { dump: await takeDump(run.cast.system, run.id) };
}

/** Which member's device does not have the whole log yet, with these texts in it. */
async function behind(run: Run, texts: readonly string[] = []): Promise<string | undefined> {
  const dump = await takeDump(run.cast.system, run.id);
  const newest = Math.max(dump.links.at(-1)!.sequence, dump.messages.at(-1)?.sequence ?? 0, ...dump.invalid);
  const { head, members } = dump.links.at(-1)!.state;
  for (const { person } of active(run)) {
    const summary = await person.client.conversation(run.id);
    if (!members.has(person.me.account)) {
      if (summary !== undefined && summary.blocked !== "out") return `${person.profile} does not know yet that it is out`;
      continue;
    }
    const view = await viewOf(person, run.id);
    const stored = new Set((await messagesOf(person, run.id)).map(({ sequence, text }) => (sequence === undefined ? undefined : text)));
    const missing = texts.filter((text) => !stored.has(text));
    if (summary?.head === newest && view?.head === `${head.index} ${head.hash}` && missing.length === 0) continue;
    return `${person.profile} has ${summary?.head} of ${newest} and link ${view?.head} of ${head.index}, and lacks ${JSON.stringify(missing)}`;
  }
  return undefined;
}

/** A message of somebody who may write that is not in the log yet. */
async function stillQueued(run: Run): Promise<string | undefined> {
  for (const device of active(run)) {
    if ((await groupOf(run, device))?.mayWrite !== true) continue;
    const messages = await messagesOf(device.person, run.id);
    const queued = messages.find(({ sequence, status }) => sequence === undefined && status !== "failed");
    if (queued !== undefined) return `${device.person.profile}: ${JSON.stringify(queued)}`;
  }
  return undefined;
}

export const active = ({ cast }: Run): Device[] => cast.devices.filter(({ ended }) => !ended);

async function groupOf({ id }: Run, { person }: Device) {
  const summary = await person.client.conversation(id);
  return summary?.kind === "group" ? summary.group : undefined;
}

/** Who was never in it and asks with an invitation that is good is let in by an admin's device; the others may wait as long as they like. */
async function stillAsking({ cast, id }: Run): Promise<string | undefined> {
  const rows = await cast.system.query("SELECT account, request FROM join_request WHERE conversation = $1", [Buffer.from(idBytes(id))]);
  const { policy, members, invitations, former } = (await takeDump(cast.system, id)).links.at(-1)!.state;
  if (policy.joining === "asks" || members.size === 0) return undefined;
  const isWelcome = (row: Record<string, unknown>): boolean => {
    const invitation = invitations.get(toHex(fromBinary(JoinRequestSchema, row["request"] as Buffer).invitation));
    const account = accountId(row["account"] as Buffer);
    return invitation !== undefined && !invitation.revoked && invitation.used < invitation.uses && !former.has(account);
  };
  const welcome = rows.filter(isWelcome);
  const admins = cast.players.filter(({ account }) => members.get(account)?.role === "admin").map(({ name }) => name);
  return welcome.length > 0 ? `${welcome.length} of ${rows.length} who ask, and ${admins.join(" and ")} do not let them in` : undefined;
}

/** @param look what is not so yet, or undefined */
export async function eventually(what: string, look: () => Promise<string | undefined>): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; ;) {
    const seen = await look();
    if (seen === undefined) return;
    if (Date.now() > end) throw new Divergence(`${what}: ${seen}`);
    await wait(LOOK_MS);
  }
}
