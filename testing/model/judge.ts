import { fromBinary } from "@bufbuild/protobuf";
import { type AccountId, accountId, ErrorCode } from "@fastchat/protocol";
import { ConversationLinkSchema } from "@fastchat/protocol/wire/conversation";
import { isEntitled } from "@fastchat/protocol/chain";
import type { Dump } from "../groups/dump.ts";
import { viewOf } from "../groups/group-talk.ts";
import type { Device, Player } from "./cast.ts";
import type { DeviceOperation, Operation } from "./operations.ts";
import type { Run } from "./run.ts";
import { active, eventually, type Settled } from "./settle.ts";
import { afterLink, Divergence, type SimpleGroup } from "./simple-group.ts";

/** What somebody tried, and what they were told. */
export interface Deed {
  readonly player: Player;
  readonly operation: Operation | DeviceOperation;
  /** Whom it was about. */
  readonly whom: Player | undefined;
  /** `unknown`: the connection was lost before the answer. */
  readonly outcome: "done" | "unknown" | ErrorCode;
  /** Links that the device had before and afterwards. */
  readonly from: number;
  readonly until: number;
}

/** Compares what everybody has with what the order in the log says. Throws Divergence. */
export async function judge(run: Run, { dump }: Settled): Promise<void> {
  const groups = simpleGroups(dump);
  judgeMessages(dump, groups);
  for (const deed of run.deeds) judgeDeed(deed, groups);
  const truth = await textsByPlace(run, dump);
  // A device that came lately may still be reading what is old.
  for (const device of active(run))
    await eventually(`${device.person.profile} has it wrong`, () => faultOf(run, device, dump, groups, truth));
}

/** The group after each link; the same that `apply` makes of the same links. */
function simpleGroups({ links, invalid }: Dump): SimpleGroup[] {
  if (invalid.length > 0) throw new Divergence(`the server took links that do not count, at ${invalid.join()}`);
  const groups: SimpleGroup[] = [];
  for (const { entry, state } of links) {
    const { change } = fromBinary(ConversationLinkSchema, entry.link!.body);
    if (change.case === "rekey" && change.value.reason.includes("could not be opened")) throw new Divergence("somebody lacked a key");
    const group = afterLink(groups.at(-1), entry);
    groups.push(group);
    const same = (what: string, one: unknown, other: unknown): void => {
      if (one !== other) throw new Divergence(`link ${state.head.index}: ${what} is ${String(one)} and not ${String(other)}`);
    };
    same("roster", rosterOf(new Map([...state.members].map(([account, { role }]) => [account, role]))), rosterOf(group.members));
    same("epoch", state.epochs.length, group.epoch);
    same("oldest good epoch", state.oldestGoodEpoch, group.oldestGoodEpoch);
    same("turn due", state.turnDue, group.turnDue);
  }
  return groups;
}

const rosterOf = (members: ReadonlyMap<AccountId, string>): string =>
  [...members]
    .map(([account, role]) => `${account} ${role}`)
    .sort()
    .join();

/** The group at a place of the log: after the last link before it. */
function groupAt({ links }: Dump, groups: readonly SimpleGroup[], sequence: number): SimpleGroup {
  return groups[links.findLastIndex((link) => link.sequence < sequence)]!;
}

function judgeMessages(dump: Dump, groups: readonly SimpleGroup[]): void {
  for (const { sequence, account, message } of dump.messages) {
    const group = groupAt(dump, groups, sequence);
    const role = group.members.get(accountId(account));
    const mayWrite = role === "admin" || (role === "member" && group.mayWrite === "members");
    const isGood = !group.turnDue && message.epoch >= group.oldestGoodEpoch && message.epoch <= group.epoch;
    if (!mayWrite || !isGood) throw new Divergence(`the server took a message at ${sequence} that should not stand there`);
  }
}

/** Who was told that it is done finds it done; who was told that they may not, might not at some moment while they tried. */
function judgeDeed({ player, operation, whom, outcome, from, until }: Deed, groups: readonly SimpleGroup[]): void {
  const seen = groups.slice(Math.max(0, from - 1), Math.max(until, from, 1));
  const somewhere = (holds: (group: SimpleGroup) => boolean): void => {
    if (seen.some(holds)) return;
    throw new Divergence(`${player.name} was told ${outcome} about ${JSON.stringify(operation)} after link ${from}, and no state says so`);
  };
  const own = ({ members }: SimpleGroup) => members.get(player.account);
  if (outcome === ErrorCode.NOT_A_MEMBER) somewhere((group) => own(group) === undefined);
  if (outcome === ErrorCode.FORBIDDEN) somewhere((group) => !mayDo(group, own(group), operation));
  if (outcome !== "done") return;
  // The last admin stays one where nobody came before them.
  const isOnlyAdmin = ({ members }: SimpleGroup): boolean =>
    [...members].every(([each, role]) => (role === "admin") === (each === whom!.account));
  if (operation.kind === "add") somewhere(({ members }) => members.has(whom!.account));
  else if (operation.kind === "remove") somewhere(({ members }) => !members.has(whom!.account));
  else if (operation.kind === "leave") somewhere((group) => own(group) === undefined);
  else if (operation.kind === "role") somewhere((group) => group.members.get(whom!.account) === operation.role || isOnlyAdmin(group));
}

function mayDo(group: SimpleGroup, role: "admin" | "member" | undefined, operation: Deed["operation"]): boolean {
  if (role === "admin") return true;
  if (role === undefined || adminsOnly.has(operation.kind)) return false;
  if (operation.kind === "add") return group.mayAdd === "members" && operation.role === "member";
  if (operation.kind === "rename") return group.mayChangeProfile === "members";
  return operation.kind !== "send" || group.mayWrite === "members";
}

const adminsOnly: ReadonlySet<Deed["operation"]["kind"]> = new Set(["remove", "role", "policy", "invite"]);

/** What stands at each place, as its author's device has it and as nobody has it otherwise. */
async function textsByPlace(run: Run, dump: Dump): Promise<ReadonlyMap<number, string>> {
  const texts = new Map<number, string>();
  for (const device of active(run)) {
    for (const [sequence, text] of await shownBy(run, device)) {
      if ((texts.get(sequence) ?? text) !== text) throw new Divergence(`different texts at ${sequence}`);
      texts.set(sequence, text);
    }
  }
  const known = new Set(texts.values());
  if (known.size !== texts.size) throw new Divergence("one message at two places");
  for (const text of known) if (!run.texts.has(text) && !text.startsWith("at last, ")) throw new Divergence(`nobody said "${text}"`);
  for (const sequence of texts.keys()) {
    if (!dump.messages.some((message) => message.sequence === sequence))
      throw new Divergence(`a message at ${sequence}, where the log has none`);
  }
  return texts;
}

async function shownBy({ id }: Run, { person }: Device): Promise<Map<number, string>> {
  const { items } = await person.client.items(id, { limit: 500 });
  return new Map(items.flatMap((item) => (item.kind === "message" && item.sequence !== undefined ? [[item.sequence, item.text]] : [])));
}

/** What a device shows that it should not, or the other way round. */
async function faultOf(
  run: Run,
  device: Device,
  dump: Dump,
  groups: readonly SimpleGroup[],
  truth: ReadonlyMap<number, string>,
): Promise<string | undefined> {
  const { person } = device;
  const { account } = person.me;
  const newest = groups.at(-1)!;
  const isMember = newest.members.has(account);
  const ended = isMember ? Infinity : placeOfEnd(dump, account);
  const shown = await shownBy(run, device);
  let unread = 0;
  const summary = await person.client.conversation(run.id);
  for (const { sequence, account: author, message } of dump.messages) {
    const must = sequence < ended && newest.knows.get(account)?.has(message.epoch) === true;
    const may = sequence < ended && dump.links.some(({ state }) => isEntitled(state, account, message.epoch));
    if (must && !shown.has(sequence)) return `"${truth.get(sequence) ?? "a message"}" at ${sequence} is missing`;
    if (!may && shown.has(sequence)) return `"${shown.get(sequence)!}" at ${sequence} was not for it to read`;
    if (shown.has(sequence) && accountId(author) !== account && sequence > (summary?.readUpTo ?? 0)) unread += 1;
  }
  if (summary === undefined) {
    return ended > 0 ? "it does not know the group" : undefined;
  }
  if (summary.unread !== unread) return `${summary.unread} unread instead of ${unread}`;
  if (!isMember) {
    return summary.blocked === "out" ? undefined : "it does not know that it is out";
  }
  const view = (await viewOf(person, run.id))!;
  const { state } = dump.links.at(-1)!;
  const nameOf = (each: AccountId): string => run.cast.players.find((player) => player.account === each)!.name;
  const roster = [...newest.members].map(([each, role]) => `${nameOf(each)} ${role}`).sort();
  if (view.roster.join() !== roster.join()) return `it shows ${view.roster.join()} instead of ${roster.join()}`;
  if (view.head !== `${state.head.index} ${state.head.hash}`) return "it has another chain";
  const first = active(run).find((other) => newest.members.has(other.person.me.account))!;
  const name = (await viewOf(first.person, run.id))!.name;
  if (view.name !== name) return `it calls the group "${view.name}", and others "${name}"`;
  if (!name.startsWith(`${nameOf(newest.namedBy)} `))
    return `the group is called "${name}", though ${nameOf(newest.namedBy)} named it last`;
  return undefined;
}

/** The place of the link by which somebody is out at last; 0: never was in. */
function placeOfEnd({ links }: Dump, account: AccountId): number {
  const last = links.findLastIndex(({ state }) => state.members.has(account));
  return last === -1 ? 0 : (links[last + 1]?.sequence ?? Infinity);
}
