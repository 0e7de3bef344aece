import { accountId, type AccountId, idBytes, isHash, limits } from "@fastchat/protocol";
import { additionOf, type ConversationState, faultOfJoinRequest, invitationStanding, type InvitationState } from "@fastchat/protocol/chain";
import { toHex } from "@fastchat/protocol/seal";
import type { Addition, JoinRequest } from "@fastchat/protocol/wire/conversation";
import type { WaitingJoinRequest } from "@fastchat/protocol/wire/frames";
import type { KnownAccount, KnownAccounts } from "./accounts.ts";
import type { ClientEvent } from "./api.ts";
import { breathe } from "./breathe.ts";
import type { Connection } from "./connection.ts";
import type { Conversation } from "./conversation.ts";
import type { ConversationLinks } from "./conversation-links.ts";
import { newcomersInPieces } from "./link-pieces.ts";

/** Several admins' devices hear of a request at once: whoever waits shortest adds, the others find it done. */
const JITTER_MS = 300;
const READ_AT_ONCE = 32;
/** After a link is written, or lost, whoever is left is looked at again so often. */
const ROUNDS = 20;

export interface AdmissionsParts {
  readonly account: AccountId;
  readonly accounts: KnownAccounts;
  readonly connection: Pick<Connection, "request">;
  readonly links: ConversationLinks;
  /** Groups of strangers, which wait to be accepted: nothing is done for them. */
  readonly isQuiet: (conversation: Conversation) => boolean;
  readonly emit: (event: ClientEvent) => void;
}

/** Somebody who asks, at the newest head known; `request` is theirs beyond doubt. */
export interface Asking {
  readonly request: JoinRequest;
  readonly known: KnownAccount;
  readonly time: number;
}

/** [C7] Lets in who asks with an invitation, where the policy says so, and counts who is to be decided about. Admins' devices alone do. */
export class Admissions {
  readonly #parts: AdmissionsParts;
  readonly #looking = new Map<Conversation, { again: boolean; readonly ended: Promise<void> }>();

  constructor(parts: AdmissionsParts) {
    this.#parts = parts;
  }

  /** Somebody asks, or may have: looks through those who wait. One look at a time for each group. */
  async look(conversation: Conversation): Promise<void> {
    if (this.#parts.isQuiet(conversation)) return;
    const running = this.#looking.get(conversation);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    const look = { again: true, ended };
    this.#looking.set(conversation, look);
    try {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * JITTER_MS));
      for (let round = 0; round < ROUNDS && look.again; round++) {
        look.again = false;
        // Somebody may say so meanwhile.
        const more = await this.#look(conversation);
        look.again ||= more;
      }
    } finally {
      this.#looking.delete(conversation);
      end();
    }
  }

  /** All looks that are under way are over. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#looking.values(), ({ ended }) => ended));
  }

  /**
   * Who asks, with a request that is their own; admins drop the others. Throws FORBIDDEN for who may not add.
   *
   * @param wanted of which requests alone it is looked whose they are; `total` counts all
   */
  async asking(
    conversation: Conversation,
    wanted: (request: JoinRequest) => boolean = () => true,
  ): Promise<{ readonly asking: readonly Asking[]; readonly total: number }> {
    const { connection } = this.#parts;
    const asked = { conversation: idBytes(conversation.id), limit: 2 * limits.joinRequestsPerGroup };
    const { requests: waiting, total } = await connection.request({ case: "fetchJoinRequests", value: asked }, "joinRequests");
    const { state } = conversation.chain;
    if (state === undefined) return { asking: [], total: 0 };
    const isAdmin = state.members.get(this.#parts.account)?.role === "admin";
    const requests = waiting.filter(({ request }) => request !== undefined && wanted(request));
    const asking: Asking[] = [];
    for (let at = 0; at < requests.length; at += READ_AT_ONCE) {
      const some = requests.slice(at, at + READ_AT_ONCE);
      for (const [place, each] of (await Promise.all(some.map((waiting) => this.#read(state, waiting)))).entries()) {
        const account = some[place]?.request?.head?.account;
        if (each !== undefined) asking.push(each);
        else if (isAdmin && account !== undefined) await this.drop(conversation, account);
      }
      await breathe();
    }
    return { asking, total };
  }

  async drop(conversation: Conversation, account: Uint8Array): Promise<void> {
    const value = { conversation: idBytes(conversation.id), account };
    await this.#parts.connection.request({ case: "dropJoinRequest", value }, "joinRequestDropped");
  }

  async #read(state: ConversationState, { request, time }: WaitingJoinRequest): Promise<Asking | undefined> {
    const head = request?.head;
    if (request === undefined || head === undefined || !isHash(head.account) || toHex(request.conversation) !== state.conversation)
      return undefined;
    const account = accountId(head.account);
    if (state.members.has(account)) return undefined;
    const here = await this.#parts.accounts.get(account);
    const known = here !== undefined && here.state.head.index >= head.index ? here : await this.#parts.accounts.refresh(account);
    return faultOfJoinRequest(request, known.state) === undefined ? { request, known, time: Number(time) } : undefined;
  }

  /** True: look again. */
  async #look(conversation: Conversation): Promise<boolean> {
    const { account, links } = this.#parts;
    if (conversation.isBehind) await conversation.catchUp();
    const { state: now } = conversation.chain;
    const role = now?.members.get(account)?.role;
    if (now === undefined || role === undefined || (role !== "admin" && now.policy.mayAdd !== "members")) return false;
    // Nobody but these is let in without being asked about.
    const isGood = ({ invitation }: JoinRequest) => isGoodNow(now.invitations.get(toHex(invitation)), Date.now());
    const { asking, total } = await this.asking(conversation, isGood);
    // Others are let in with the next look: one link brings along no more than it may.
    const [letIn = []] = role === "admin" ? newcomersInPieces(isLetIn(now, asking), ({ known }) => known, now) : [];
    if (letIn.length > 0) {
      // Decided anew on every state: others' devices let them in as well.
      await links.change(conversation, async (state) => {
        const left = isLetIn(state, letIn);
        if (left.length === 0) return { kind: "done" };
        return {
          kind: "change",
          change: { case: "add", value: { additions: additionsFor(left, state) } },
          newcomers: newcomersAmong(left),
        };
      });
    }
    await this.#count(conversation, total - letIn.length);
    return letIn.length > 0 && total > letIn.length;
  }

  async #count(conversation: Conversation, count: number): Promise<void> {
    const before = conversation.record.group?.joinRequests ?? 0;
    if (before === count) return;
    await conversation.update((record) => {
      if (record.group !== undefined) record.group.joinRequests = count;
    });
    if (count > before) this.#parts.emit({ kind: "join-request", conversation: conversation.id });
    this.#parts.emit({ kind: "conversations", conversations: [conversation.id] });
  }

  /** Some of them were let in or sent away. */
  async recount(conversation: Conversation): Promise<void> {
    await this.#count(conversation, (await this.asking(conversation)).total);
  }
}

/** Those whom their invitations let in at once, as far as these go. */
function isLetIn(state: ConversationState, asking: readonly Asking[]): Asking[] {
  if (state.policy.joining !== "at-once") return [];
  const room = limits.groupMembers - state.members.size;
  // About who was a member before, a person decides: an old request may be shown again.
  const isNew = (account: AccountId) => !state.members.has(account) && !state.former.has(account);
  return [...goodInvitations(state, asking)].filter(({ known }) => !known.state.closed && isNew(known.state.account)).slice(0, room);
}

const isGoodNow = (invitation: InvitationState | undefined, now: number, used = invitation?.used ?? 0): boolean =>
  invitation !== undefined && invitationStanding({ ...invitation, used }, now) === "good";

/** Those of these whose invitations are good now, each use counted once. */
function goodInvitations(state: ConversationState, asking: readonly Asking[]): Set<Asking> {
  const used = new Map<string, number>();
  const now = Date.now();
  return new Set(
    asking.filter(({ request, known }) => {
      const invitation = state.invitations.get(toHex(request.invitation));
      if (invitation === undefined || state.removed.has(known.state.account)) return false;
      const uses = used.get(invitation.publicKey) ?? invitation.used;
      used.set(invitation.publicKey, uses + 1);
      return isGoodNow(invitation, now, uses);
    }),
  );
}

/** What an `add` says of those who ask, ascending: whose invitation is not good any more is added by hand, by who decides so. */
export function additionsFor(asking: readonly Asking[], state: ConversationState): Addition[] {
  const good = goodInvitations(state, asking);
  const additions = asking.map((each) => additionOf(good.has(each) ? each.request : { ...each.request, invitation: new Uint8Array(0) }));
  return additions.sort((one, other) => (idOf(one) < idOf(other) ? -1 : 1));
}

const idOf = (addition: Addition): string => toHex(addition.member?.account ?? new Uint8Array(0));

export const newcomersAmong = (asking: readonly Asking[]): ReadonlyMap<AccountId, KnownAccount> =>
  new Map(asking.map(({ known }) => [known.state.account, known]));
