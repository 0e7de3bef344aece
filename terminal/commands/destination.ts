import type { Client, ConversationSummary, GroupMember, GroupSummary } from "@fastchat/client";
import { ErrorCode, errorRow, FastChatError, parseName } from "@fastchat/protocol";
import { ourCommand } from "../config.ts";
import { Failure, exitCodes, isUnreachable, usage } from "../failure.ts";
import { patience } from "../patience.ts";
import { needOnline } from "../place.ts";
import { safeName } from "../safe-text.ts";
import { plural } from "../words.ts";

// What TO means: `bob`, `Chess club`, and where that is not clear `person:bob`, `group:Chess club`, `group:1a2b3c4d`.

/** What is known here; the two have nothing in common. */
export interface Known {
  readonly conversations: readonly ConversationSummary[];
  /** Begun by strangers, and not accepted. */
  readonly requests: readonly ConversationSummary[];
}

export type Meaning =
  | { readonly kind: "conversation"; readonly conversation: ConversationSummary }
  /** A group, by a bare word that could as well be the name of somebody whom one has no conversation with. */
  | { readonly kind: "group-or-contact"; readonly conversation: GroupSummary; readonly name: string }
  /** Somebody whom one has no conversation with. */
  | { readonly kind: "person"; readonly name: string }
  | { readonly kind: "no-such-group"; readonly text: string }
  /** No group, and no name that anybody could have. */
  | { readonly kind: "nobody" };

export const PERSON = /^person:/iu;
export const GROUP = /^group:/iu;
/** First letters of a conversation's id. */
const ID = /^[0-9a-f]{8,64}$/iu;
const FULL_ID_LETTERS = 64;
const SHORT_ID_LETTERS = 8;

const isGroup = (conversation: ConversationSummary): conversation is GroupSummary => conversation.kind === "group";
const isIn = ({ group }: GroupSummary): boolean => group.role !== undefined;

const folded = (text: string): string => text.normalize("NFC").toLowerCase();

/** How a command can name a group, whatever it is called and whoever called it so. */
export const typedId = ({ id }: Pick<GroupSummary, "id">, letters = SHORT_ID_LETTERS): string => `group:${id.slice(0, letters)}`;

/**
 * What the words mean, out of what is known. Names of groups are chosen by others, so no group takes the place of another or of a person:
 * what a stranger calls a group counts only where nothing else has that name, and never for a bare word that could be a person's. Throws
 * Failure when several could be meant.
 */
export function meaningOf(to: string, known: Known): Meaning {
  if (PERSON.test(to)) return personNamed(to.replace(PERSON, ""), known);
  if (GROUP.test(to)) {
    const text = to.replace(GROUP, "");
    const group = theOne(text, groupsMeant(text, known));
    return group === undefined ? { kind: "no-such-group", text } : { kind: "conversation", conversation: group };
  }
  const name = folded(to);
  const couldBePerson = parseName(to).kind === "valid";
  const group = theOne(to, groupsNamed(to, couldBePerson ? { ...known, requests: [] } : known));
  if (group === undefined) return couldBePerson ? personNamed(to, known) : { kind: "nobody" };
  const person = known.conversations.some((each) => !isGroup(each) && each.peer.name === name);
  if (!person)
    return couldBePerson ? { kind: "group-or-contact", conversation: group, name } : { kind: "conversation", conversation: group };
  // Of a group that one has left no more than its past is meant.
  if (!isIn(group)) return personNamed(to, known);
  throw personOrGroup(to);
}

function personNamed(text: string, { conversations, requests }: Known): Meaning {
  const name = folded(text);
  const conversation = [...conversations, ...requests].find((each) => !isGroup(each) && each.peer.name === name);
  return conversation === undefined ? { kind: "person", name } : { kind: "conversation", conversation };
}

/** A stranger's request that waits. */
export function requestMeant(to: string, requests: readonly ConversationSummary[]): ConversationSummary | undefined {
  const person = GROUP.test(to) ? undefined : personNamed(to.replace(PERSON, ""), { conversations: [], requests });
  const known = { conversations: [], requests };
  const group = PERSON.test(to) ? undefined : theOne(to, groupsMeant(to.replace(GROUP, ""), known));
  if (person?.kind !== "conversation") return group;
  if (group !== undefined) throw personOrGroup(to);
  return person.conversation;
}

/** By name, or by the first letters of the id: whoever calls a group like the id of another wins nothing. */
export function groupsMeant(text: string, known: Known): readonly GroupSummary[] {
  const groups = [...known.conversations, ...known.requests].filter(isGroup);
  const id = text.toLowerCase();
  const byId = ID.test(text) ? groups.filter((group) => group.id.startsWith(id)) : [];
  if (id.length === FULL_ID_LETTERS && byId.length > 0) return byId;
  return [...new Set([...byId, ...groupsNamed(text, known)])];
}

/** Those that one is in before those of strangers, and those before the ones that one has left. */
function groupsNamed(text: string, { conversations, requests }: Known): readonly GroupSummary[] {
  const name = folded(text);
  const hasName = (group: GroupSummary): boolean => group.group.name !== "" && folded(group.group.name) === name;
  const own = conversations.filter(isGroup).filter(hasName);
  const tiers = [own.filter(isIn), requests.filter(isGroup).filter(hasName), own.filter((group) => !isIn(group))];
  return tiers.find(({ length }) => length > 0) ?? [];
}

function theOne(text: string, groups: readonly GroupSummary[]): GroupSummary | undefined {
  if (groups.length <= 1) return groups[0];
  throw new SeveralGroups(text, groups);
}

/** Groups of one name, told apart by their ids and, where that is known, by who is in them. */
class SeveralGroups extends Failure {
  readonly text: string;
  readonly groups: readonly GroupSummary[];

  constructor(text: string, groups: readonly GroupSummary[], names: ReadonlyMap<GroupSummary["id"], readonly string[]> = new Map()) {
    const letters = distinctLetters(groups);
    const which = groups.map((group) => {
      const some = (names.get(group.id) ?? []).map(safeName).join(", ");
      return `${typedId(group, letters)} (${plural(group.group.memberCount, "member")}${some === "" ? "" : `: ${some}`})`;
    });
    super(exitCodes.usage, "ambiguous", `${groups.length} groups could be meant by "${text}": write ${which.join(" or ")}.`);
    this.text = text;
    this.groups = groups;
  }
}

const NAMES_TO_TELL_APART = 2;

/** As the work does; groups of one name are refused with some of their members. */
async function withMembersTold<Result>(client: Client, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SeveralGroups)) throw error;
    const known = await Promise.all(error.groups.map(({ id }) => client.groups.info(id)));
    const namesOf = (members: readonly GroupMember[]): readonly string[] =>
      members
        .filter(({ me }) => !me)
        .slice(0, NAMES_TO_TELL_APART)
        .map(({ person }) => person.name);
    const names = new Map(error.groups.map(({ id }, index) => [id, namesOf(known[index]?.members ?? [])]));
    throw new SeveralGroups(error.text, error.groups, names);
  }
}

function distinctLetters(groups: readonly GroupSummary[]): number {
  let letters = SHORT_ID_LETTERS;
  while (letters < FULL_ID_LETTERS && new Set(groups.map(({ id }) => id.slice(0, letters))).size < groups.length) letters++;
  return letters;
}

const ambiguous = (sentence: string): Failure => new Failure(exitCodes.usage, "ambiguous", sentence);

const personOrGroup = (text: string): Failure =>
  ambiguous(`"${text}" is the name of a person and of a group: write person:${text} or group:${text}.`);

export const noSuchGroup = (text: string): Failure =>
  new Failure(exitCodes.refused, "no-such-group", `There is no group "${text}" here: see "${ourCommand} group list".`);

function nobody(text: string, { requests }: Known): Failure {
  const waits = groupsNamed(text, { conversations: [], requests }).length > 0;
  const advice = waits
    ? `a group of this name, to which you were invited, is group:${text}`
    : `check the name, or see "${ourCommand} group list"`;
  return new Failure(exitCodes.refused, errorRow(ErrorCode.NO_SUCH_USER).name, `No person and no group is called "${text}": ${advice}.`);
}

async function knownTo(client: Client): Promise<Known> {
  const [conversations, { conversations: requests }] = await Promise.all([client.conversations(), client.requests()]);
  return { conversations, requests };
}

/** What the words mean; what is not known here may have come in the meantime, for which a server is asked. Throws Failure. */
async function meaningNow(client: Client, to: string, patienceMs: number): Promise<Meaning> {
  const meaning = meaningOf(to, await knownTo(client));
  if (meaning.kind === "conversation" || meaning.kind === "group-or-contact") return meaning;
  using waiting = patience(patienceMs);
  await needOnline(client, patienceMs);
  // What takes too long is not waited for: it is then as it is here.
  await client.caughtUp(waiting.signal).catch((error: unknown) => {
    if (!waiting.signal.aborted) throw error;
  });
  return meaningOf(to, await knownTo(client));
}

/** Whom TO means, with a conversation begun when there is none yet. Throws Failure when that needs a server and there is none. */
export async function conversationWith(client: Client, to: string, patienceMs: number): Promise<ConversationSummary> {
  const meaning = await withMembersTold(client, () => meaningNow(client, to, patienceMs));
  switch (meaning.kind) {
    case "conversation":
      return meaning.conversation;
    case "group-or-contact":
      if (await isContact(client, meaning.name)) throw personOrGroup(to);
      return meaning.conversation;
    case "person":
      return openDirect(client, meaning.name).catch(async (error: unknown) => {
        if (PERSON.test(to) || !(error instanceof FastChatError) || error.code !== ErrorCode.NO_SUCH_USER) throw error;
        throw nobody(to, await knownTo(client));
      });
    case "nobody":
      throw nobody(to, await knownTo(client));
    case "no-such-group":
      throw noSuchGroup(meaning.text);
    default:
      return meaning satisfies never;
  }
}

/** The group that a command about groups names, with or without "group:". Throws Failure. */
export async function groupWith(client: Client, text: string): Promise<GroupSummary> {
  if (PERSON.test(text)) throw usage(`"${text}" is a person: name a group.`);
  const name = text.replace(GROUP, "");
  const group = await withMembersTold(client, async () => theOne(name, groupsMeant(name, await knownTo(client))));
  if (group === undefined) throw noSuchGroup(name);
  return group;
}

async function isContact(client: Client, name: string): Promise<boolean> {
  try {
    return (await client.people(name)).some((person) => person.name === name && person.contact);
  } catch (error) {
    if (isUnreachable(error)) return false;
    throw error;
  }
}

async function openDirect(client: Client, name: string): Promise<ConversationSummary> {
  const id = await client.openDirect(name);
  const conversation = await client.conversation(id);
  if (conversation === undefined) throw new FastChatError(ErrorCode.NOT_FOUND);
  return conversation;
}
