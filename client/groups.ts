import { create, equals } from "@bufbuild/protobuf";
import {
  type AccountId,
  conversationId,
  type ConversationId,
  ErrorCode,
  FastChatError,
  idBytes,
  limits,
  parseName,
} from "@fastchat/protocol";
import {
  additionsOf,
  buildJoinRequest,
  type ConversationChange,
  type ConversationPolicy,
  type ConversationState,
  defaultPolicy,
  invitationDayMs,
  newestEpoch,
  policyOf,
  removalOf,
  rolesOf,
} from "@fastchat/protocol/chain";
import { fromHex, publicKeyOf, random, tooLargeInProfile, toHex } from "@fastchat/protocol/seal";
import { type ProfileContent, ProfileContentSchema } from "@fastchat/protocol/wire/conversation";
import type { KnownAccount, KnownAccounts } from "./accounts.ts";
import { additionsFor, type Admissions, type Asking, newcomersAmong } from "./admissions.ts";
import type { ClientEvent, Me } from "./api.ts";
import type {
  FoundGroup,
  GroupInfo,
  GroupInvitation,
  GroupPolicyChange,
  GroupRole,
  Groups,
  Joined,
  JoinRequestInfo,
  NewGroup,
} from "./api-groups.ts";
import { makeChange } from "./change.ts";
import type { Connection } from "./connection.ts";
import type { Contacts } from "./contacts.ts";
import type { Conversation } from "./conversation.ts";
import type { ConversationLinks, LinkAuthor, Wanted } from "./conversation-links.ts";
import type { Conversations } from "./conversations.ts";
import { profileOf } from "./group-record.ts";
import { joinLinkText, originOf, parseJoinLink } from "./join-link.ts";
import { newcomersInPieces } from "./link-pieces.ts";
import type { People } from "./people.ts";
import { refusal } from "./refusals.ts";
import type { Views } from "./views.ts";

const DEFAULT_USES = 100;
const DEFAULT_DAYS = 7;

export interface GroupsParts {
  readonly me: Me;
  readonly author: LinkAuthor;
  readonly accounts: KnownAccounts;
  readonly people: People;
  readonly contacts: Pick<Contacts, "heldBy">;
  readonly connection: Pick<Connection, "request" | "online">;
  readonly conversations: Conversations;
  readonly links: ConversationLinks;
  readonly admissions: Admissions;
  readonly views: Views;
  /** This person wants to be in that group: what strangers do there waits for nothing. */
  readonly accept: (id: ConversationId) => Promise<void>;
  readonly onLeft: (conversation: Conversation) => Promise<void>;
  /** This person did something in a group: a stranger's waits for nothing any more. */
  readonly onChanged: (conversation: Conversation) => Promise<void>;
  readonly emit: (event: ClientEvent) => void;
  /** The client is being closed: nothing is tried again. */
  readonly closing: AbortSignal;
}

/** What people do with groups: each call says what is wanted, and `ConversationLinks` brings it about on whatever state there is. */
export class GroupCalls implements Groups {
  readonly #parts: GroupsParts;

  constructor(parts: GroupsParts) {
    this.#parts = parts;
  }

  async create({ name, description = "", members, admins = [], policy }: NewGroup): Promise<ConversationId> {
    const { me, accounts, connection, links, emit } = this.#parts;
    const profile = checkedProfile(create(ProfileContentSchema, { name, description }));
    await connection.online();
    const [others, leading] = [await this.#resolve(members), await this.#resolve(admins)];
    const all = new Map([...others, ...leading]);
    all.delete(me.account);
    if (all.size >= limits.groupMembers)
      throw refuse(`A group has at most ${limits.groupMembers.toLocaleString("en")} members, you among them.`);
    const own = await accounts.refresh(me.account);
    const [first = [], ...rest] = newcomersInPieces([own, ...all.values()], (each) => each);
    const roleOf = (account: AccountId): GroupRole => (account === me.account || leading.has(account) ? "admin" : "member");
    const rolesIn = (some: readonly KnownAccount[]) => new Map(some.map(({ state }) => [state.account, roleOf(state.account)] as const));
    const conversation = await links.createGroup({
      members: rolesIn(first),
      known: knownAmong(first),
      profile,
      policy: policyOf({ ...defaultPolicy, ...settled(policy ?? {}) }),
    });
    for (const some of rest) await this.#addAll(conversation, some, rolesIn(some));
    emit({ kind: "conversations", conversations: [conversation.id] });
    return conversation.id;
  }

  async info(id: ConversationId): Promise<GroupInfo | undefined> {
    const { state } = this.#parts.conversations.get(id)?.chain ?? {};
    return state && this.#parts.views.groupInfo(id, state);
  }

  async add(id: ConversationId, names: readonly string[], role: GroupRole = "member"): Promise<void> {
    const conversation = this.#group(id);
    await this.#parts.connection.online();
    const people = await this.#resolve(names);
    const newest = await Promise.all([...people.keys()].map((account) => this.#parts.accounts.refresh(account)));
    for (const some of newcomersInPieces(newest, (each) => each, conversation.chain.state)) {
      await this.#addAll(conversation, some, new Map(some.map(({ state }) => [state.account, role] as const)));
    }
  }

  async remove(id: ConversationId, names: readonly string[]): Promise<void> {
    const { me } = this.#parts;
    if (names.some((name) => name.toLowerCase() === me.name)) throw refuse("To go yourself, leave the group.");
    await this.#change(this.#group(id), async (state) => {
      const gone = namedIn(state, names, this.#heldBy, "may-be-gone");
      return gone.length === 0 ? done : change(removalOf(gone));
    });
  }

  async setRole(id: ConversationId, names: readonly string[], role: GroupRole): Promise<void> {
    await this.#change(this.#group(id), async (state) => {
      const changed = namedIn(state, names, this.#heldBy).filter((account) => state.members.get(account)?.role !== role);
      const isAdminLeft = [...state.members.values()].some((member) => member.role === "admin" && !changed.includes(member.account));
      if (role === "member" && !isAdminLeft) throw refuse("A group needs an admin: make somebody else one first.");
      return changed.length === 0 ? done : change(rolesOf(new Map(changed.map((account) => [account, role]))));
    });
  }

  async setProfile(
    id: ConversationId,
    wanted: { readonly name?: string; readonly description?: string; readonly picture?: Uint8Array },
  ): Promise<void> {
    const conversation = this.#group(id);
    await this.#change(conversation, async () => {
      const now = profileOf(conversation.record) ?? create(ProfileContentSchema);
      const content = checkedProfile(create(ProfileContentSchema, { ...now, ...wanted }));
      return equals(ProfileContentSchema, now, content) ? done : { kind: "profile", content };
    });
  }

  async setPolicy(id: ConversationId, wanted: GroupPolicyChange): Promise<void> {
    const conversation = this.#group(id);
    const { newcomersRead } = wanted;
    // Before anything is done about it: a new key is open to everybody.
    const isAdmin = conversation.chain.state?.members.get(this.#parts.me.account)?.role === "admin";
    if (!isAdmin) throw refusal("policy");
    let sinceEpoch: number | undefined;
    if (newcomersRead === "now") sinceEpoch = await this.#freshEpoch(conversation);
    else if (typeof newcomersRead === "object") sinceEpoch = await conversation.epochSince(newcomersRead.since);
    const policy = settled(wanted, sinceEpoch);
    await this.#change(conversation, async (state) => {
      const next = { ...state.policy, ...policy };
      return samePolicy(state.policy, next) ? done : change({ case: "policy", value: { policy: policyOf(next) } });
    });
  }

  async leave(id: ConversationId, successor?: string): Promise<void> {
    const { me } = this.#parts;
    const conversation = this.#group(id);
    let wasTried = false;
    await this.#change(conversation, async (state) => {
      const [named] = successor === undefined ? [] : namedIn(state, [successor], this.#heldBy);
      const isLastAdmin = [...state.members.values()].every(({ account, role }) => role !== "admin" || account === me.account);
      const value = named === undefined || !isLastAdmin ? {} : { successor: idBytes(named) };
      wasTried = true;
      return change({ case: "leave", value });
    }).catch((error: unknown) => {
      // Its answer was lost, and it had been heard.
      const isHeard = wasTried && error instanceof FastChatError && error.code === ErrorCode.NOT_A_MEMBER;
      if (!isHeard || conversation.record.group?.end?.removed !== false) throw error;
    });
    await this.#parts.onLeft(conversation);
  }

  async invite(
    id: ConversationId,
    { uses = DEFAULT_USES, days = DEFAULT_DAYS }: { readonly uses?: number; readonly days?: number } = {},
  ): Promise<GroupInvitation & { readonly link: string }> {
    if (!Number.isInteger(uses) || uses < 1 || uses > limits.groupMembers)
      throw refuse(`An invitation is for 1 to ${limits.groupMembers} people.`);
    if (!Number.isInteger(days) || days < 0 || days > MOST_DAYS) throw refuse(`An invitation is good for 0 (today) to ${MOST_DAYS} days.`);
    const conversation = this.#group(id);
    const seed = random(32);
    const publicKey = publicKeyOf(seed);
    const lastDay = Math.floor(Date.now() / invitationDayMs) + days;
    await this.#change(conversation, async ({ invitations, policy }) => {
      if (invitations.has(toHex(publicKey))) return done;
      return change({ case: "policy", value: { policy: policyOf(policy, [{ publicKey, uses, lastDay }]) } });
    });
    return {
      publicKey: toHex(publicKey),
      uses,
      used: 0,
      lastDay: new Date(lastDay * invitationDayMs).toISOString().slice(0, 10),
      state: "good",
      link: joinLinkText(this.#parts.me.gateway, { conversation: conversation.id, seed }),
    };
  }

  async revokeInvitation(id: ConversationId, publicKey: string): Promise<void> {
    await this.#change(this.#group(id), async ({ invitations, policy }) => {
      const invitation = invitations.get(publicKey);
      if (invitation === undefined) throw refuse("There is no such invitation.");
      if (invitation.revoked) return done;
      const { uses, lastDay } = invitation;
      const revoked = { publicKey: fromHex(publicKey), uses, lastDay, revoked: true };
      return change({ case: "policy", value: { policy: policyOf(policy, [revoked]) } });
    });
  }

  async join(linkOrName: string): Promise<Joined> {
    const { me, author, accounts, connection, conversations } = this.#parts;
    const link = parseJoinLink(linkOrName);
    await connection.online();
    const id = link?.conversation ?? (await this.#publicGroup(linkOrName)).conversation;
    const known = conversations.get(id)?.chain.state;
    if (known?.removed.has(me.account) === true)
      throw new FastChatError(ErrorCode.FORBIDDEN, {
        sentence: "You were removed from this group: only who may add members can bring you back.",
      });
    if (known?.members.has(me.account) === true) return { kind: "joined", conversation: id };
    const { state: chain } = await accounts.refresh(me.account);
    const request = await buildJoinRequest(id, { chain, device: author.device, signingSeed: author.signingSeed }, link?.seed);
    const { member } = await connection.request({ case: "requestJoin", value: { request } }, "joinRequested").catch((error: unknown) => {
      throw invitationFault(error, link?.origin, originOf(me.gateway));
    });
    await this.#parts.accept(id);
    return { kind: member ? "joined" : "asked", conversation: id };
  }

  async find(text: string): Promise<readonly FoundGroup[]> {
    return this.#find({ text, limit: limits.groupsPerAnswer });
  }

  async joinRequests(id: ConversationId): Promise<readonly JoinRequestInfo[]> {
    const conversation = this.#group(id);
    await this.#parts.connection.online();
    const { asking } = await this.#parts.admissions.asking(conversation);
    return Promise.all(
      asking.map(async ({ request, known, time }): Promise<JoinRequestInfo> => {
        const person = await this.#parts.views.person(known.state.account);
        return { person, by: request.invitation.length > 0 ? "invitation" : "public-name", time };
      }),
    );
  }

  async approve(id: ConversationId, names: readonly string[]): Promise<void> {
    const { admissions } = this.#parts;
    const conversation = this.#group(id);
    const asking = await this.#askingNamed(conversation, names);
    for (const some of newcomersInPieces(asking, ({ known }) => known, conversation.chain.state)) await this.#letIn(conversation, some);
    await admissions.recount(conversation);
  }

  async #letIn(conversation: Conversation, asking: readonly Asking[]): Promise<void> {
    await this.#change(conversation, async (state) => {
      const left = asking.filter(({ known }) => !state.members.has(known.state.account));
      if (left.length === 0) return done;
      // An invitation that is good no more, or was used up, need not stop who approves: they add by hand then.
      const additions = additionsFor(left, state);
      return { kind: "change", change: { case: "add", value: { additions } }, newcomers: newcomersAmong(left) };
    });
  }

  async reject(id: ConversationId, names: readonly string[]): Promise<void> {
    const { admissions } = this.#parts;
    const conversation = this.#group(id);
    for (const { known } of await this.#askingNamed(conversation, names)) await admissions.drop(conversation, idBytes(known.state.account));
    await admissions.recount(conversation);
  }

  async #askingNamed(conversation: Conversation, names: readonly string[]) {
    await this.#parts.connection.online();
    const { asking } = await this.#parts.admissions.asking(conversation);
    return names.map((name) => {
      const isNamed = ({ known }: Asking) => known.state.name === name.toLowerCase();
      const found = theOne(name, asking.filter(isNamed), ({ known }) => known.state.account, this.#heldBy);
      if (found === undefined) throw refuse(`${name} does not ask to be let in.`);
      return found;
    });
  }

  readonly #heldBy: HeldBy = (name) => {
    const { me, contacts } = this.#parts;
    return name === me.name ? me.account : contacts.heldBy(name);
  };

  async #publicGroup(text: string): Promise<FoundGroup> {
    const parsed = parseName(text.trim());
    const [group] = parsed.kind === "valid" ? await this.#find({ text: parsed.name, exact: true, limit: 1 }) : [];
    if (group === undefined)
      throw new FastChatError(ErrorCode.NOT_FOUND, {
        sentence: text.includes("#")
          ? "This invitation's link is not whole: copy it again, to its last letter."
          : "That is no invitation's link, and no group has this public name.",
      });
    return group;
  }

  async #find(asked: { text: string; limit: number; exact?: boolean }): Promise<FoundGroup[]> {
    const { connection } = this.#parts;
    await connection.online();
    const { groups } = await connection.request({ case: "findGroups", value: asked }, "publicGroups");
    return groups
      .filter(({ name }) => parseName(name).kind === "valid")
      .map(({ name, conversation, members }) => ({ name, conversation: conversationId(conversation), memberCount: members }));
  }

  async #addAll(conversation: Conversation, people: readonly KnownAccount[], roles: ReadonlyMap<AccountId, GroupRole>): Promise<void> {
    await this.#change(conversation, async (state) => {
      const left = people.filter(({ state: each }) => !state.members.has(each.account));
      if (left.length === 0) return done;
      const additions = additionsOf(new Map(left.map(({ state: each }) => [each.account, roles.get(each.account) ?? "member"])));
      return { kind: "change", change: additions, newcomers: knownAmong(left) };
    });
  }

  /** Opens an epoch for its own sake: what is older than it stays closed to newcomers. Its number. */
  async #freshEpoch(conversation: Conversation): Promise<number> {
    const before = conversation.chain.state === undefined ? 0 : newestEpoch(conversation.chain.state).epoch;
    await this.#change(conversation, async (state) => {
      const { epoch, kind } = newestEpoch(state);
      if (epoch > before && kind === "fresh") return done;
      return change({ case: "rekey", value: { reason: "newcomers read from here on" } });
    });
    return newestEpoch(conversation.chain.state!).epoch;
  }

  async #change(conversation: Conversation, decide: (state: ConversationState) => Promise<Wanted>): Promise<void> {
    const { me, emit, onChanged } = this.#parts;
    await makeChange(this.#parts, conversation, decide);
    if (conversation.chain.state?.members.has(me.account) === true) await onChanged(conversation);
    emit({ kind: "conversations", conversations: [conversation.id] });
  }

  #group(id: ConversationId): Conversation {
    const conversation = this.#parts.conversations.get(id);
    if (conversation === undefined || !conversation.isGroup) throw refuse("That is no group.");
    return conversation;
  }

  /** Whom these names mean; nobody becomes a contact by it. Throws NO_SUCH_USER. */
  async #resolve(names: readonly string[]): Promise<Map<AccountId, KnownAccount>> {
    const known = await this.#parts.people.whoAre(names.map((name) => name.toLowerCase()));
    return new Map(known.map((each) => [each.state.account, each]));
  }
}

const MOST_DAYS = 3_650;

const done: Wanted = { kind: "done" };
const change = (wanted: ConversationChange): Wanted => ({ kind: "change", change: wanted });
const refuse = (sentence: string): FastChatError => new FastChatError(ErrorCode.LINK_INVALID, { sentence });

/** A server knows only its own groups: whose link names another one is told so. */
function invitationFault(error: unknown, named: string | undefined, ours: string | undefined): unknown {
  if (!(error instanceof FastChatError) || error.code !== ErrorCode.INVITATION_INVALID || named === undefined || named === ours)
    return error;
  return new FastChatError(ErrorCode.INVITATION_INVALID, {
    sentence: `This server knows no such invitation: the link is of ${named}, and you are signed in at ${ours}.`,
    cause: error,
  });
}

const knownAmong = (some: readonly KnownAccount[]): ReadonlyMap<AccountId, KnownAccount> =>
  new Map(some.map((each) => [each.state.account, each]));

/** Whose a name is, among accounts that call themselves so: the one that this person knows by it [A3]. Throws where nobody can tell. */
function theOne<Each>(name: string, those: readonly Each[], accountOf: (each: Each) => AccountId, held: HeldBy): Each | undefined {
  const holder = held(name.toLowerCase());
  if (holder !== undefined) return those.find((each) => accountOf(each) === holder);
  if (those.length > 1) throw refuse(`More than one account calls itself ${name} here: the server may be lying. Nothing was changed.`);
  return those[0];
}

type HeldBy = (name: string) => AccountId | undefined;

/** Members of these names, ascending. `may-be-gone`: one who is none any more is left out, if it ever was one. */
function namedIn({ members, former }: ConversationState, names: readonly string[], held: HeldBy, gone?: "may-be-gone"): AccountId[] {
  return names
    .flatMap((name) => {
      const isNamed = ({ chain }: { readonly chain: { readonly name: string } }) => chain.name === name.toLowerCase();
      const member = theOne(name, [...members.values()].filter(isNamed), ({ account }) => account, held);
      if (member !== undefined) return [member.account];
      if (gone !== undefined && [...former.values()].some(isNamed)) return [];
      throw new FastChatError(ErrorCode.NO_SUCH_USER, { sentence: `${name} is not in this group.` });
    })
    .sort();
}

function checkedProfile(content: ProfileContent): ProfileContent {
  if (content.name.trim() === "") throw refuse("A group has a name: say one.");
  if (/\p{Cc}/u.test(content.name)) throw refuse("A group's name is one line, without control characters.");
  if (/[^\P{Cc}\n\t]/u.test(content.description)) throw refuse("A group's description has no control characters.");
  const field = tooLargeInProfile(content);
  if (field !== undefined) throw new FastChatError(ErrorCode.TOO_LARGE, { sentence: `The group's ${field} is too large.` });
  return content;
}

/** The parts of a policy that a person changes, as a chain has them. */
function settled(wanted: GroupPolicyChange, sinceEpoch = 0): Partial<ConversationPolicy> {
  const { newcomersRead, publicName, ...rest } = wanted;
  if (publicName !== undefined && publicName !== "" && parseName(publicName).kind === "invalid") {
    throw new FastChatError(ErrorCode.NAME_INVALID, {
      sentence: "A public name has the form of a username: 2 to 32 small letters a to z, digits, and . _ - between them.",
    });
  }
  return {
    ...rest,
    ...(publicName !== undefined && { publicName: publicName.toLowerCase() }),
    ...(newcomersRead !== undefined && {
      newcomersRead: newcomersRead === "everything" ? ("everything" as const) : ("nothing-older" as const),
      newcomersReadSinceEpoch: sinceEpoch,
    }),
  };
}

const samePolicy = (one: ConversationPolicy, other: ConversationPolicy): boolean =>
  (Object.keys(one) as (keyof ConversationPolicy)[]).every((key) => one[key] === other[key]);
