import { create, fromBinary } from "@bufbuild/protobuf";
import type { AccountId } from "@fastchat/protocol";
import type { Change as ChainChange, ConversationState } from "@fastchat/protocol/chain";
import { ProfileContentSchema, type SignedProfile } from "@fastchat/protocol/wire/conversation";
import type { NoticeKind } from "./api.ts";
import { type StoredNotice, StoredNoticeSchema } from "./generated/fastchat/profile/v1/profile_pb.ts";

export const notice = (kind: NoticeKind, text: string): StoredNotice => create(StoredNoticeSchema, { kind, text });

/** Why an entry shows no message; "key" may heal, the others will not. */
export type UnreadableReason =
  | "key"
  | "unknown-suite"
  | "refused"
  | "malformed"
  | "signature"
  | "not-allowed"
  | "device-ended"
  | "stale-epoch"
  | "before-joining"
  | "missed-joining";

const unreadableTexts: Record<UnreadableReason, string> = {
  key: "A message cannot be read yet: its key has not arrived. It will be shown when it does.",
  "unknown-suite": "A message was written by a newer FastChat: update to read it.",
  refused: "A message could not be opened: it was changed on its way, or sealed for another place. It is not shown.",
  malformed: "A message has no readable content. It is not shown.",
  signature: "A message was not written by the device it claims to come from. It is not shown.",
  "not-allowed": "A message came from somebody who may not write here. It is not shown.",
  "device-ended": "A message came from a device that had been signed out or revoked. It is not shown.",
  "stale-epoch": "A message was sealed with a key that no longer counts. It is not shown.",
  "before-joining": "A message was written before you could read here.",
  "missed-joining": "A message was sealed just before you were let in, by somebody who did not know of it yet: it is not for you to read.",
};

export const unreadableNotice = (reason: string): StoredNotice =>
  notice("unreadable", unreadableTexts[reason as UnreadableReason] ?? unreadableTexts.malformed);

export const invalidLinkNotice = (by: string): StoredNotice =>
  notice("invalid-link", `A change of this conversation, said to be by ${by}, does not follow the rules. It was ignored.`);

export const contradictionNotice = (by: string): StoredNotice =>
  notice(
    "contradiction",
    `${by} saw other entries before this message than this device did: something was dropped, swapped or held back, or ${by} is wrong.`,
  );

export const claimNotice = (by: string): StoredNotice =>
  notice(
    "contradiction",
    `${by} received other entries up to here than this device did: something was dropped, swapped or held back, or what was said about it is wrong.`,
  );

export const orderNotice = (by: string): StoredNotice =>
  notice("contradiction", `Messages of one of ${by}'s devices do not stand in the order in which it wrote them.`);

export const runsTwiceNotice = (by: string): StoredNotice =>
  notice("device-runs-twice", `This device of ${by} runs twice: a copy of its profile is in use somewhere.`);

export const forkNotice = (): StoredNotice =>
  notice("fork", "The server showed another entry at a place where this device already has one. What this device has was kept.");

export const linkMismatchNotice = (): StoredNotice =>
  notice("fork", "The server showed other changes of this conversation at different times. What came first was kept.");

export const evidenceNotice = (): StoredNotice =>
  notice("incomplete", "A change of this conversation came without what proves it; this device had the proof, or asked for it.");

export const incarnationNotice = (): StoredNotice =>
  notice("incomplete", "The server was restored from a backup here: newer messages may be missing on it.");

/** [H6] Before what was kept of it. */
export const lostNotice = (count: number): StoredNotice =>
  notice(
    "incomplete",
    count === 1
      ? "The server lost the message that follows; it was kept on this device."
      : `The server lost the ${count} messages that follow; they were kept on this device.`,
  );

export const falseIncarnationNotice = (): StoredNotice =>
  notice("contradiction", "The server says that it was restored here, but to another past than this device knows: it is not believed.");

/** A link that counts: what it did, and to which state. */
export interface LinkStep {
  readonly changes: readonly ChainChange[];
  readonly before: ConversationState | undefined;
  readonly after: ConversationState;
  readonly author: AccountId;
  readonly me: AccountId;
}

const PROFILE_CHANGED = "changed the group's name, description or picture.";

/** Says what was changed, once the profile could be opened. */
export function profileSentence(told: string, before: SignedProfile | undefined, after: SignedProfile): string {
  const [was, is] = [before, after].map((signed) => signed && fromBinary(ProfileContentSchema, signed.content));
  if (is === undefined || !told.endsWith(PROFILE_CHANGED)) return told;
  const by = told.slice(0, -PROFILE_CHANGED.length);
  if (was?.name !== is.name) return `${by}renamed the group to "${is.name}".`;
  if (was.description !== is.description) return `${by}changed the group's description.`;
  return `${by}changed the group's picture.`;
}

/** So many people are named in one sentence. */
const NAMED = 4;

/** What a link did, for people; nothing for what nobody needs to know. */
export function linkNotices(step: LinkStep): StoredNotice[] {
  const { changes, after, author, me } = step;
  const chainOf = (account: AccountId) =>
    (after.members.get(account) ?? after.former.get(account) ?? step.before?.members.get(account))?.chain;
  const nameOf = (account: AccountId) => (account === me ? "you" : (chainOf(account)?.name ?? "somebody"));
  const subject = (account: AccountId) => (account === me ? "You" : nameOf(account));
  const by = subject(author);
  const people = (accounts: readonly AccountId[]) => {
    const youFirst = accounts.toSorted((one, other) => Number(other === me) - Number(one === me));
    const named = youFirst.slice(0, accounts.length > NAMED ? NAMED - 1 : NAMED).map(nameOf);
    const others = accounts.length - named.length;
    return listed(others > 0 ? [...named, `${others} others`] : named);
  };
  const isGroup = after.kind === "group";
  const of = (kind: "added" | "removed"): AccountId[] =>
    changes.flatMap((change) => (change.kind === kind && !("invited" in change && change.invited) ? [change.account] : []));
  const [added, removed] = [of("added"), of("removed")];
  const told: StoredNotice[] = [];
  if (added.length > 0) told.push(notice("membership", `${by} added ${people(added)}.${added.includes(me) ? beforeYou(step) : ""}`));
  if (removed.length > 0) told.push(notice("membership", `${by} removed ${people(removed)}.`));
  const rest = changes.flatMap((change): StoredNotice[] => {
    switch (change.kind) {
      case "created": {
        const others = change.members.filter((account) => account !== author);
        const whom = isGroup && others.length > 0 ? ` with ${people(others)}` : "";
        const what = isGroup ? "this group" : "this conversation";
        return [notice("created", `${by} began ${what}${whom}. Messages are end-to-end encrypted.`)];
      }
      case "device-recorded":
        return [notice("device-added", `${subject(change.account)} ${change.account === me ? "use" : "uses"} a new device.`)];
      case "device-ended": {
        const how = change.how === "revoked" ? "revoked a device" : "signed out on a device";
        return [notice("device-ended", `${subject(change.account)} ${how}.`)];
      }
      case "identity-changed":
        return [
          notice(
            "identity-changed",
            `${possessive(subject(change.account))} identity was replaced; the old one signed it. Compare safety numbers.`,
          ),
        ];
      case "account-closed":
        return [notice("device-ended", `${subject(change.account)} closed the account.`)];
      case "epoch-opened":
        // With an addition or a removal a new key goes without saying.
        return change.epoch === 1 || change.reason === "" ? [] : [notice("rekeyed", `${by} renewed the key of this conversation.`)];
      case "added":
        if (!change.invited) return [];
        return [notice("membership", `${subject(change.account)} joined by an invitation.${change.account === me ? beforeYou(step) : ""}`)];
      case "left":
        return [notice("membership", `${subject(change.account)} left.`)];
      case "role-changed":
        return [notice("role", roleSentence(change, by, subject(change.account), nameOf(change.account)))];
      case "policy-changed":
        return policySentences(step).map((sentence) => notice("policy", `${by} ${sentence}`));
      case "invitation-announced":
        return [notice("policy", `${by} made an invitation: who has its link can ask to be let in.`)];
      case "invitation-revoked":
        return [notice("policy", `${by} took an invitation back.`)];
      case "profile-changed":
        return [notice("profile", `${by} ${PROFILE_CHANGED}`)];
      case "removed":
      case "turn-due":
        return [];
      default:
        return change satisfies never;
    }
  });
  return [...told, ...rest];
}

const possessive = (name: string): string => (name === "You" ? "Your" : `${name}'s`);

const listed = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? "nobody") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)!}`;

/** What somebody who comes now is told about what was there before. */
function beforeYou({ before, after }: LinkStep): string {
  if (before === undefined || after.policy.newcomersRead === "everything") return "";
  return after.policy.newcomersReadSinceEpoch > 0
    ? " Some of what was written before is not for newcomers."
    : " What was written before is not for newcomers.";
}

function roleSentence(change: Extract<ChainChange, { kind: "role-changed" }>, by: string, subject: string, name: string): string {
  const is = subject === "You" ? "are" : "is";
  switch (change.how) {
    case "role":
      if (change.role === "admin") return `${by} made ${name} an admin.`;
      return by === subject ? `${by} gave up the admin role.` : `${by} took the admin role from ${name}.`;
    case "successor":
      return `${subject} ${is} an admin now, as the last one wished.`;
    case "earliest":
      return `${subject} ${is} an admin now: no other was left.`;
    default:
      return change.how satisfies never;
  }
}

/** Each thing of the policy that is another now, as the rest of a sentence. */
function policySentences({ before, after }: LinkStep): string[] {
  if (before === undefined) return [];
  const [was, is] = [before.policy, after.policy];
  const who = (value: "admins" | "members") => (value === "admins" ? "only admins" : "every member");
  const told: string[] = [];
  if (was.mayAdd !== is.mayAdd) told.push(`allowed ${who(is.mayAdd)} to add people.`);
  if (was.mayWrite !== is.mayWrite) told.push(`allowed ${who(is.mayWrite)} to write.`);
  if (was.mayChangeProfile !== is.mayChangeProfile)
    told.push(`allowed ${who(is.mayChangeProfile)} to change name, description and picture.`);
  if (was.newcomersRead !== is.newcomersRead || was.newcomersReadSinceEpoch !== is.newcomersReadSinceEpoch) {
    if (is.newcomersRead === "everything") told.push("allowed newcomers to read everything from the beginning.");
    else if (is.newcomersReadSinceEpoch > 0) told.push("allowed newcomers to read a part of what was written before.");
    else told.push("allowed newcomers to read nothing that was written before.");
  }
  if (was.retentionSeconds !== is.retentionSeconds) {
    told.push(
      is.retentionSeconds === 0
        ? "set messages to be kept for ever."
        : `set messages to disappear after ${durationWords(is.retentionSeconds)}.`,
    );
  }
  if (was.publicName !== is.publicName) {
    told.push(
      is.publicName === ""
        ? "took the group off the public list."
        : `put the group on the public list as "${is.publicName}": the server can read this name.`,
    );
  }
  if (was.joining !== is.joining) {
    told.push(
      is.joining === "asks" ? "set invitations to ask an admin before they let anybody in." : "set invitations to let people in at once.",
    );
  }
  return told;
}

function durationWords(seconds: number): string {
  const units = [
    [86_400, "day"],
    [3_600, "hour"],
    [60, "minute"],
    [1, "second"],
  ] as const;
  const [size, word] = units.find(([each]) => seconds % each === 0) ?? units[3];
  const count = seconds / size;
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
