import { fromBinary } from "@bufbuild/protobuf";
import { accountId, type AccountId } from "@fastchat/protocol";
import { AccountLinkSchema } from "@fastchat/protocol/wire/account";
import {
  type ConversationLink,
  ConversationLinkSchema,
  EpochKind,
  type LinkEntry,
  NewcomersRead,
  type Policy,
  Role,
  Who,
} from "@fastchat/protocol/wire/conversation";

/** A group as somebody would explain it, without hashes and keys: who is in it, who may do what, and who knows which key. */
export interface SimpleGroup {
  /** In the order in which they came. */
  readonly members: ReadonlyMap<AccountId, "admin" | "member">;
  readonly mayAdd: "admins" | "members";
  readonly mayWrite: "admins" | "members";
  readonly mayChangeProfile: "admins" | "members";
  readonly newcomersRead: (epoch: number) => boolean;
  readonly joining: "at-once" | "asks";
  readonly removed: ReadonlySet<AccountId>;
  /** Uses left of the invitations, by key; 0 for those that were taken back. */
  readonly invitations: ReadonlyMap<string, number>;
  readonly epoch: number;
  readonly oldestGoodEpoch: number;
  readonly turnDue: boolean;
  /** Epochs whose keys each account must have got, so that it reads what was written in them. */
  readonly knows: ReadonlyMap<AccountId, ReadonlySet<number>>;
  /** Who set the name last. */
  readonly namedBy: AccountId;
}

/** The group does not do what was explained. */
export class Divergence extends Error {
  override readonly name = "Divergence";
}

const insist = (holds: boolean, what: string): void => {
  if (!holds) throw new Divergence(what);
};

/** What one link makes of a group. Throws Divergence for a link that should not have been taken. */
export function afterLink(before: SimpleGroup | undefined, { link, evidence }: LinkEntry): SimpleGroup {
  const body = fromBinary(ConversationLinkSchema, link!.body);
  const author = accountId(body.account);
  if (before === undefined) return begun(body, author);
  insist(before.members.has(author), "a link of somebody who is no member");
  const ends = evidence.some(
    ({ account, links }) => before.members.has(accountId(account)) && links.some((each) => endsReading(each.body)),
  );
  const due = { ...before, turnDue: before.turnDue || ends };
  return withEpoch(withAnAdmin(changed(due, body, author)), body);
}

/** Whether somebody loses the right to read by a link of an account. */
function endsReading(body: Uint8Array): boolean {
  const kind = fromBinary(AccountLinkSchema, body).change.case;
  return kind === "revoke" || kind === "succeed" || kind === "close";
}

function begun(body: ConversationLink, author: AccountId): SimpleGroup {
  if (body.change.case !== "create") throw new Divergence("a group begins with its creation");
  const members = new Map(body.change.value.members.map(({ account, role }) => [accountId(account), wordOf(role)] as const));
  insist(members.get(author) === "admin", "who makes a group is an admin");
  return {
    members,
    ...policyOf(body.change.value.policy),
    removed: new Set(),
    invitations: new Map(),
    epoch: 1,
    oldestGoodEpoch: 1,
    turnDue: false,
    knows: new Map([...members.keys()].map((account) => [account, new Set([1])])),
    namedBy: author,
  };
}

const wordOf = (role: Role): "admin" | "member" => (role === Role.ADMIN ? "admin" : "member");

function policyOf(policy: Policy | undefined): Pick<SimpleGroup, "mayAdd" | "mayWrite" | "mayChangeProfile" | "newcomersRead" | "joining"> {
  const since = policy?.newcomersReadSinceEpoch ?? 0;
  const everything = policy?.newcomersRead === NewcomersRead.EVERYTHING;
  return {
    mayAdd: policy?.mayAdd === Who.MEMBERS ? "members" : "admins",
    mayWrite: policy?.mayWrite === Who.ADMINS ? "admins" : "members",
    mayChangeProfile: policy?.mayChangeProfile === Who.MEMBERS ? "members" : "admins",
    newcomersRead: (epoch) => everything || (since > 0 && epoch >= since),
    joining: policy?.joining === 2 ? "asks" : "at-once",
  };
}

function changed(group: SimpleGroup, { change }: ConversationLink, author: AccountId): SimpleGroup {
  const isAdmin = group.members.get(author) === "admin";
  const members = new Map(group.members);
  switch (change.case) {
    case "add": {
      insist(isAdmin || group.mayAdd === "members", "added by who may not");
      const invitations = new Map(group.invitations);
      for (const { member, invitation } of change.value.additions) {
        const [account, role] = [accountId(member!.account), wordOf(member!.role)];
        insist(!members.has(account), "added who is in it");
        insist(isAdmin || role === "member", "an admin added by who is none");
        if (invitation.length > 0) {
          const left = invitations.get(hex(invitation)) ?? 0;
          insist(left > 0 && !group.removed.has(account), "let in by an invitation that is not good");
          invitations.set(hex(invitation), left - 1);
        }
        members.set(account, role);
      }
      return { ...group, members, invitations };
    }
    case "remove": {
      insist(isAdmin, "removed by who is no admin");
      const gone = change.value.accounts.map((account) => accountId(account));
      for (const account of gone) insist(account !== author && members.delete(account), "removed who is not in it");
      return { ...group, members, removed: new Set([...group.removed, ...gone]), turnDue: true };
    }
    case "leave": {
      members.delete(author);
      if (change.value.successor.length > 0) {
        insist(isAdmin && ![...members.values()].includes("admin"), "a successor named by who is not the last admin");
        members.set(accountId(change.value.successor), "admin");
      }
      return { ...group, members, turnDue: true };
    }
    case "role":
      insist(isAdmin, "a role given by who is no admin");
      for (const { account, role } of change.value.members) {
        insist(members.has(accountId(account)), "a role given to who is not in it");
        members.set(accountId(account), wordOf(role));
      }
      return { ...group, members };
    case "policy": {
      insist(isAdmin, "the policy changed by who is no admin");
      const invitations = new Map(group.invitations);
      for (const { publicKey, uses, revoked } of change.value.policy!.invitations) invitations.set(hex(publicKey), revoked ? 0 : uses);
      return { ...group, ...policyOf(change.value.policy), invitations };
    }
    case "profile":
      insist(isAdmin || group.mayChangeProfile === "members", "renamed by who may not");
      return { ...group, namedBy: author };
    case "rekey":
    case "headsOnly":
      return group;
    case "create":
    case undefined:
      throw new Divergence("a link that is none of a group in use");
    default:
      return change satisfies never;
  }
}

/** A group is never without an admin: who came first is one. */
function withAnAdmin(group: SimpleGroup): SimpleGroup {
  const [first] = group.members.keys();
  if (first === undefined || [...group.members.values()].includes("admin")) return group;
  return { ...group, members: new Map(group.members).set(first, "admin") };
}

function withEpoch(group: SimpleGroup, { opening, change, account }: ConversationLink): SimpleGroup {
  const opens = change.case === "add" || change.case === "remove" || change.case === "rekey";
  insist(opens === (opening !== undefined), "a new key where none is due, or none where one is");
  if (opening === undefined) return group;
  insist(opening.epoch === group.epoch + 1 && opening.withoutKey.length === 0, "not the next epoch, or not for everybody");
  const fresh = opening.kind === EpochKind.FRESH;
  insist(fresh || (change.case === "add" && !group.turnDue), "a key that somebody who is gone could derive");
  const epoch = opening.epoch;
  const knows = new Map(group.knows);
  for (const member of group.members.keys()) knows.set(member, new Set([...(knows.get(member) ?? []), epoch]));
  if (change.case === "add") {
    // As far as whoever adds can give it.
    const given = [...(group.knows.get(accountId(account)) ?? [])].filter((each) => group.newcomersRead(each));
    for (const { member } of change.value.additions)
      knows.set(accountId(member!.account), new Set([...knows.get(accountId(member!.account))!, ...given]));
  }
  return { ...group, epoch, knows, turnDue: false, oldestGoodEpoch: group.turnDue ? epoch : group.oldestGoodEpoch };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
