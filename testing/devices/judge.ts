import type { ChatItem, NoticeKind } from "@fastchat/client";
import type { ConversationId } from "@fastchat/protocol";
import { takeDump } from "../groups/dump.ts";
import { historyOf } from "../model/history.ts";
import { judge as judgeGroup } from "../model/judge.ts";
import type { Run } from "../model/run.ts";
import { eventually, settle } from "../model/settle.ts";
import { Divergence } from "../model/simple-group.ts";
import { comeBack, type OwnedDevice, type Owner } from "./household.ts";
import { living, type Played, prepareToSend } from "./played.ts";

const MOST_ITEMS = 500;

/** Compares what every device of everybody has. Throws Divergence. */
export async function judge(played: Played): Promise<void> {
  const { household } = played;
  for (const owner of household.players) {
    const [newest] = owner.dead.slice(-1);
    if (newest !== undefined) {
      const told = await household.tryPassword(owner, newest);
      if (told.kind !== "refused") throw new Divergence(`a dead password signs ${owner.name} in`);
    }
    // Name and password alone: nobody else has to be there.
    await household.signIn(owner);
  }
  await eventually("the devices are not those that they should be", () => wrongDevices(played));

  const run: Run = { cast: household, id: played.group, deeds: [], texts: textsIn(played, played.group) };
  const settled = await settle(run);
  try {
    await judgeGroup(run, settled);
  } catch (error) {
    const shown: string[] = [];
    for (const device of living(household)) shown.push(`${device.person.profile} shows`, ...linesOf(await itemsOf(device, played.group)));
    throw new Divergence([(error as Error).message, await historyOf(run), ...shown].join("\n"), { cause: error });
  }
  for (const { id, owners } of played.directs) {
    for (const { devices } of owners) {
      const device = devices.findLast(({ ended }) => !ended)!;
      await prepareToSend(played, device, id);
      await device.person.client.send(id, `at last, ${device.person.profile}`);
    }
    await eventually(`${owners[0].name} and ${owners[1].name} do not read the same`, () => directFault(played, id, owners));
  }
  for (const device of living(household)) {
    await eventually(`${device.person.profile} lost what it was to send`, () => lostBy(played, device));
    await eventually(`${device.person.profile} shows what it should not`, () => wrongNotice(played, device));
  }
  for (const owner of household.players) await eventually(`${owner.name}'s devices know different things`, () => different(played, owner));
  for (const device of household.devices) if (device.ended && device.hasProfile) await mustBeOut(played, device);
}

const ownerOf = ({ household }: Played, { person }: OwnedDevice): Owner =>
  household.players.find(({ account }) => account === person.me.account)!;

const directsOf = (played: Played, device: OwnedDevice) => played.directs.filter(({ owners }) => owners.includes(ownerOf(played, device)));

const conversationsOf = (played: Played, device: OwnedDevice): ConversationId[] => [
  played.group,
  ...directsOf(played, device).map(({ id }) => id),
];

const textsIn = ({ texts }: Played, id: ConversationId): ReadonlyMap<string, Owner> =>
  new Map([...texts].filter(([, { conversation }]) => conversation === id).map(([text, { owner }]) => [text, owner]));

async function wrongDevices({ household }: Played): Promise<string | undefined> {
  for (const { name, devices } of household.players) {
    const listed = await living({ devices })[0]!.person.client.devices();
    if (listed.length !== devices.length) return `${name} has ${listed.length} devices and not ${devices.length}`;
    for (const { person, standing } of devices) {
      const seen = listed.find(({ device }) => device === person.me.device)?.state;
      if (standing !== "unknown" && seen !== standing) return `${person.profile} is ${seen} and not ${standing}`;
    }
  }
  return undefined;
}

async function itemsOf({ person }: OwnedDevice, id: ConversationId): Promise<readonly ChatItem[]> {
  return (await person.client.items(id, { limit: MOST_ITEMS })).items;
}

/** All that stands in the log is read by each device, at the same place with the same words. */
async function directFault(played: Played, id: ConversationId, owners: readonly Owner[]): Promise<string | undefined> {
  const { messages } = await takeDump(played.household.system, id);
  const said = textsIn(played, id);
  const byPlace = new Map<number, string>();
  for (const device of living({ devices: owners.flatMap(({ devices }) => devices) })) {
    const { profile } = device.person;
    const shown = (await itemsOf(device, id)).filter((item) => item.kind === "message");
    const queued = shown.find(({ sequence, status }) => sequence === undefined || status === "failed");
    if (queued !== undefined) {
      const { client } = device.person;
      // It may have heard only now that somebody replaced their identity.
      await prepareToSend(played, device, id);
      const blocked = (await client.conversation(id))?.blocked;
      return `${profile}, which is ${client.connection.kind}, did not send "${queued.text}": ${queued.status}, blocked ${blocked}`;
    }
    if (shown.length !== messages.length) return `${profile} reads ${shown.length} of ${messages.length} messages`;
    for (const { sequence, text } of shown) {
      if (!said.has(text) && !text.startsWith("at last, ")) return `nobody said "${text}"`;
      if ((byPlace.get(sequence!) ?? text) !== text) return `${profile} reads other words at ${sequence}`;
      byPlace.set(sequence!, text);
    }
  }
  return new Set(byPlace.values()).size === byPlace.size ? undefined : "one message at two places";
}

/** Of a device that lives, and that was not taken back to before it was asked to send. */
async function lostBy(played: Played, device: OwnedDevice): Promise<string | undefined> {
  for (const [text, { conversation, device: by, mayBeForgotten }] of played.texts) {
    if (by !== device || mayBeForgotten) continue;
    const shown = (await itemsOf(device, conversation)).filter((item) => item.kind === "message");
    if (!shown.some((message) => message.text === text)) return `"${text}"`;
  }
  return undefined;
}

/** A device that was taken back to an old copy may run twice; all else is a mistake. */
const MISTAKES: ReadonlySet<NoticeKind> = new Set(["unreadable", "contradiction", "fork", "incomplete", "invalid-link"]);

async function wrongNotice(played: Played, device: OwnedDevice): Promise<string | undefined> {
  for (const id of conversationsOf(played, device)) {
    const items = await itemsOf(device, id);
    for (const item of items) {
      if (item.kind !== "notice") continue;
      if (MISTAKES.has(item.notice) || (item.notice === "device-runs-twice" && !played.restored)) return linesOf(items).join("\n");
    }
  }
  const warning = device.person.events.find((event) => event.kind === "warning" && event.warning !== "new-device");
  return warning === undefined ? undefined : JSON.stringify(warning);
}

const linesOf = (items: readonly ChatItem[]): string[] =>
  items.map((item) => `${item.sequence}: ${item.kind === "notice" ? `${item.notice}, ` : `${item.from.name} `}"${item.text}"`);

/** What one notes on a device, all others have, too. */
async function different(played: Played, owner: Owner): Promise<string | undefined> {
  const views: string[] = [];
  for (const device of living(owner)) {
    const { client } = device.person;
    const people = (await client.people()).map(({ name, note, contact, verification }) => [name, note, contact, verification]);
    const devices = (await client.devices()).map((each) => [each.device, each.name, each.state]);
    const conversations: unknown[] = [];
    for (const id of conversationsOf(played, device)) {
      const summary = await client.conversation(id);
      conversations.push([summary?.draft, summary?.readUpTo, summary?.unread, summary?.head, summary?.blocked]);
    }
    views.push(JSON.stringify({ people, devices, conversations }));
  }
  return views.every((view) => view === views[0]) ? undefined : views.join("\n");
}

/** It is told so, and reads nothing of what was written last. */
async function mustBeOut(played: Played, device: OwnedDevice): Promise<void> {
  if (device.standing === "active" || device.standing === "unknown") return;
  await comeBack(device);
  const { client, profile } = device.person;
  await eventually(`${profile} does not know that it is out`, async () =>
    client.connection.kind === "ended" ? undefined : client.connection.kind,
  );
  for (const id of conversationsOf(played, device)) {
    const read = (await itemsOf(device, id)).find((item) => item.kind === "message" && item.text.startsWith("at last, "));
    if (read?.kind === "message") throw new Divergence(`${profile} is out and reads "${read.text}"`);
  }
}
