import type { ChatMessage } from "@fastchat/client";
import type { ConversationId } from "@fastchat/protocol";
import { type ConversationState, stateHash } from "@fastchat/protocol/chain";
import { toHex } from "@fastchat/protocol/seal";
import { join } from "node:path";
import { decodeSnapshot } from "../../client/snapshot.ts";
import { keys, read, schemas } from "../../client/records.ts";
import { openSqliteStorage } from "../../client/storage-sqlite.ts";
import { until } from "../evil/case.ts";
import type { Person } from "../person.ts";

const PATIENCE_MS = 20_000;
const MOST_ITEMS = 500;

/** Resolves when it is on the server. */
export async function say({ client }: Person, id: ConversationId, text: string): Promise<void> {
  await client.send(id, text);
  await client.sent(id, AbortSignal.timeout(PATIENCE_MS));
}

export async function messagesOf({ client }: Person, id: ConversationId): Promise<ChatMessage[]> {
  const { items } = await client.items(id, { limit: MOST_ITEMS });
  return items.filter((item) => item.kind === "message");
}

export const textsOf = async (person: Person, id: ConversationId): Promise<string[]> =>
  (await messagesOf(person, id)).map(({ text }) => text);

export const hears = (person: Person, id: ConversationId, text: string): Promise<true> =>
  until(person, `"${text}"`, async () => (await textsOf(person, id)).includes(text) || undefined, PATIENCE_MS);

/** What one member's device makes of a group's chain; the same for all who agree. */
export interface GroupView {
  /** Number and hash of the newest link. */
  readonly head: string;
  readonly epoch: number;
  /** "alice admin", by name. */
  readonly roster: readonly string[];
  readonly name: string;
}

/** Undefined while the group is not known there. */
export async function viewOf({ client }: Person, id: ConversationId): Promise<GroupView | undefined> {
  const info = await client.groups.info(id);
  if (info === undefined) return undefined;
  const roster = info.members.map(({ person, role }) => `${person.name} ${role}`).sort();
  return { head: `${info.head.index} ${info.head.hash}`, epoch: info.epoch, roster, name: info.name };
}

/** Waits until all have the same view of a group as the first has now, or a later one. */
export async function agree(people: readonly Person[], id: ConversationId): Promise<GroupView> {
  for (const end = Date.now() + PATIENCE_MS; ;) {
    const views = await Promise.all(people.map((person) => viewOf(person, id)));
    const [first] = views;
    if (first !== undefined && views.every((view) => JSON.stringify(view) === JSON.stringify(first))) return first;
    if (Date.now() > end) {
      const seen = people.map(({ name }, place) => `${name}: ${JSON.stringify(views[place])}`);
      throw new Error(`they do not agree\n${seen.join("\n")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** While they are away, something happens; then they are back, with everything that they missed. */
export async function whileAway(away: readonly Person[], work: () => Promise<void>): Promise<void> {
  await Promise.all(away.map(({ client }) => client.close()));
  await work();
  await Promise.all(away.map((person) => person.reopen()));
  await Promise.all(away.map(({ client }) => client.caughtUp(AbortSignal.timeout(PATIENCE_MS))));
}

/** What a closed profile holds of a group: byte for byte the same for all who are members. */
export interface KeptGroup {
  /** Of the state after the newest link: members, roles, policy, epochs and all else that counts. */
  readonly stateHash: string;
  readonly head: string;
  /** The newest place of the log, with the hash of everything up to it. */
  readonly log: string;
}

export async function keptBy(person: Person, id: ConversationId): Promise<KeptGroup> {
  const storage = openSqliteStorage(join(person.home, person.profile));
  try {
    const chain = await read(storage, keys.chain(id), schemas.chain);
    const record = await read(storage, keys.conversation(id), schemas.conversation);
    const state = chain && decodeSnapshot<ConversationState>(chain.snapshot);
    if (state === undefined || record?.newest === undefined) throw new Error(`${person.name} does not have the whole group`);
    const { incarnation, sequence, hash } = record.newest;
    return {
      stateHash: toHex(stateHash(state)),
      head: `${state.head.index} ${state.head.hash}`,
      log: `${incarnation} ${sequence} ${toHex(hash)}`,
    };
  } finally {
    await storage.close();
  }
}
