import type { GroupInfo, GroupInvitation, GroupMember, GroupSummary } from "@fastchat/client";
import { policyLines } from "../../group-policy.ts";
import { safeName, safeText } from "../../safe-text.ts";
import { plural } from "../../words.ts";
import { typedId } from "../destination.ts";
import { type JsonObject, isoTime, placeObject, presenceWords } from "../shapes.ts";
import { column, endedWords, shortTitle } from "../words.ts";

export function groupObject(conversation: GroupSummary): JsonObject {
  const { name, description, memberCount, role, addedBy, ended, joinRequests, mayWrite, mayAdd, mayChangeProfile } = conversation.group;
  return {
    type: "group",
    ...placeObject(conversation),
    name,
    description,
    memberCount,
    role: role ?? null,
    ended: ended ?? null,
    addedBy,
    joinRequests,
    mayWrite,
    mayAdd,
    mayChangeProfile,
  };
}

export function groupLine(conversation: GroupSummary): string {
  const { memberCount, role, joinRequests } = conversation.group;
  const asks = joinRequests === 0 ? "" : `  ${plural(joinRequests, "request")} to join`;
  const members = plural(memberCount, "member").padEnd(11);
  return `${column(shortTitle(conversation.title), 20)}  ${members}  ${(role ?? "").padEnd(6)}  ${typedId(conversation)}${asks}`;
}

const memberObject = ({ person, role, me }: GroupMember) => ({
  name: person.name,
  account: person.account,
  role,
  me,
  online: person.online,
  lastSeen: isoTime(person.lastSeen),
  verification: person.verification,
});

const memberLine = ({ person, role, me }: GroupMember): string =>
  `    ${safeName(person.name).padEnd(20)}  ${role.padEnd(6)}  ${me ? "you" : presenceWords(person)}`;

/** So many letters of an invitation's id are shown; `--revoke` takes any that are enough. */
const INVITATION_LETTERS = 8;

export const invitationId = ({ publicKey }: GroupInvitation): string => publicKey.slice(0, INVITATION_LETTERS);

export const invitationObject = ({ publicKey, uses, used, lastDay, state }: GroupInvitation) => ({
  id: publicKey,
  uses,
  used,
  lastDay,
  state,
});

function invitationLine(invitation: GroupInvitation): string {
  const { uses, used, lastDay, state } = invitation;
  const counted = `used ${used.toLocaleString("en")} of ${plural(uses, "time")}`;
  const end = { good: `good until ${lastDay}`, "used-up": "used up", expired: `expired after ${lastDay}`, revoked: "taken back" }[state];
  return `    ${invitationId(invitation)}  ${counted}, ${end}`;
}

export function infoObject(conversation: GroupSummary, info: GroupInfo): JsonObject {
  return {
    ...groupObject(conversation),
    type: "group-info",
    pictureBytes: info.picture.length,
    members: info.members.map(memberObject),
    policy: info.policy,
    invitations: info.invitations.map(invitationObject),
    epoch: info.epoch,
    head: info.head,
  };
}

export function infoText(conversation: GroupSummary, info: GroupInfo, title: string): string {
  const { description, ended, joinRequests, members, policy, invitations, epoch, head } = info;
  return [
    `${title}  ${typedId(conversation)}`,
    ...(description === "" ? [] : [`    ${safeText(description).replaceAll("\n", "\n    ")}`]),
    ...(ended === undefined ? [] : [endedWords(ended, title)]),
    "",
    `${plural(members.length, "member")}:`,
    ...members.map(memberLine),
    ...(joinRequests === 0 ? [] : [`${plural(joinRequests, "request")} to join.`]),
    "",
    ...policyLines(policy),
    ...(invitations.length === 0 ? [] : ["", "Invitations:", ...invitations.map(invitationLine)]),
    "",
    `Epoch ${epoch}, link ${head.index} of the chain:`,
    `    ${head.hash}`,
  ].join("\n");
}
