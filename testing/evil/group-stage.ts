import { toBinary } from "@bufbuild/protobuf";
import { type ConversationId, idBytes } from "@fastchat/protocol";
import { type LinkEntry, LinkEntrySchema } from "@fastchat/protocol/wire/conversation";
import type { NewGroup, NoticeKind } from "@fastchat/client";
import { expect } from "vitest";
import { entryKinds } from "../../server/store/entries.ts";
import { agree, hears, say } from "../groups/group-talk.ts";
import type { Person } from "../person.ts";
import { rawDeviceOf } from "../raw-device.ts";
import type { System } from "../system.ts";
import { notices, type Stage, until } from "./case.ts";
import { ModifiedClient, profileOf } from "./modified-client.ts";

/** A group of four: bob made it, alice is behind the evil server, carol is honest, and mallory's client was changed. */
export interface StagedGroup {
  readonly id: ConversationId;
  readonly alice: Person;
  readonly bob: Person;
  readonly carol: Person;
  readonly mallory: ModifiedClient;
}

export interface StagedGroupOptions {
  readonly policy?: NonNullable<NewGroup["policy"]>;
  readonly mallory?: "admin" | "member";
  /** What becomes of bob and carol stays with this case. */
  readonly own?: boolean;
}

export async function stagedGroup(stage: Stage, name: string, options: StagedGroupOptions = {}): Promise<StagedGroup> {
  const somebody = (role: string) => (options.own === true ? stage.ownHonest(role) : stage.honest(role));
  const alice = await stage.victim("alice");
  const [bob, carol] = [await somebody("bob"), await somebody("carol")];
  const mallory = await changedClient(stage, "mallory");
  const members = [alice.name, carol.name, mallory.profile.me.name];
  const admins = options.mallory === "admin" ? [mallory.profile.me.name] : [];
  const id = await bob.client.groups.create({ name, members, admins, policy: options.policy ?? {} });
  await agree([bob, alice, carol], id);
  // Bob is a stranger to them.
  for (const who of [alice, carol]) await who.client.accept(id);
  return { id, alice, bob, carol, mallory };
}

/** Somebody whose own client is closed, and whose device does what it likes. */
export async function changedClient(stage: Stage, role: string): Promise<ModifiedClient> {
  const person = await stage.honest(role);
  await person.client.close();
  return stage.use(await ModifiedClient.open(stage.system, rawDeviceOf(stage.system, await profileOf(person))));
}

/** The server is honest from now on: all agree, and the group can be talked in and changed. */
export async function goesOn(
  stage: Stage,
  { id, alice, bob, carol }: StagedGroup,
  everybody: readonly Person[] = [alice, bob, carol],
): Promise<void> {
  stage.proxy.script = {};
  await bob.client.groups.setProfile(id, { name: "afterwards" });
  expect((await agree([bob, ...everybody], id)).name).toBe("afterwards");
  for (const who of everybody) await say(who, id, `afterwards, from ${who.name}`);
  for (const who of everybody) for (const from of everybody) await hears(who, id, `afterwards, from ${from.name}`);
}

/** Puts something into the log that no server takes, as whoever owns the database can; it goes out with what comes next. */
export async function plantLink(
  system: System,
  id: ConversationId,
  { entry, account, device }: { readonly entry: LinkEntry; readonly account: Uint8Array; readonly device: Uint8Array },
  times = 1,
): Promise<void> {
  const body = toBinary(LinkEntrySchema, entry);
  await system.query(
    `WITH place AS (
       UPDATE conversation SET head = head + $6 WHERE conversation = $1 RETURNING head - $6 AS before, head_time
     )
     INSERT INTO entry (conversation, sequence, time, account, device, kind, body)
     SELECT $1, before + number, head_time, $2, $3, $5, $4 FROM place, generate_series(1, $6::integer) AS number`,
    [Buffer.from(idBytes(id)), Buffer.from(account), Buffer.from(device), Buffer.from(body), entryKinds.link, times],
  );
}

export const countOf = async (who: Person, id: ConversationId, kind: NoticeKind): Promise<number> =>
  (await notices(who, id)).filter(({ notice }) => notice === kind).length;

/** Waits until that many notices of a kind are shown there. */
export const shows = (who: Person, id: ConversationId, kind: NoticeKind, count: number): Promise<true> =>
  until(who, `${count} notices ${kind}`, async () => (await countOf(who, id, kind)) === count || undefined);
