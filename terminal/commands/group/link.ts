import type { GroupInvitation } from "@fastchat/client";
import { ourCommand } from "../../config.ts";
import { parseCount } from "../../durations.ts";
import { Failure, exitCodes, usage } from "../../failure.ts";
import { plural } from "../../words.ts";
import { typedId } from "../destination.ts";
import { placeObject } from "../shapes.ts";
import { printChange } from "./change.ts";
import { type GroupContext, groupCommand, infoOf } from "./group-command.ts";
import { invitationId, invitationObject } from "./shapes.ts";

export const link = groupCommand({
  name: "link",
  description: "Make a link that lets in whoever has it, or take one back",
  example: '"Chess club"',
  args: {
    uses: { type: "string", valueHint: "N", description: "How many it lets in (100)" },
    days: { type: "string", valueHint: "N", description: "How many days it is good (7)" },
    revoke: { type: "string", valueHint: "ID", description: "Take an invitation back: first letters of its id" },
  },
  async run(context, args) {
    const { uses, days, revoke } = args;
    if (revoke !== undefined) {
      if (uses !== undefined || days !== undefined) throw usage("--revoke stands alone: leave out --uses and --days.");
      return takeBack(context, revoke);
    }
    const { client, output, group, title } = context;
    const terms = { uses: parseCount(uses ?? "100", "uses"), days: parseCount(days ?? "7", "days") };
    const invitation = await client.groups.invite(group.id, terms);
    await output.print(
      { type: "group-link", ...placeObject(group), link: invitation.link, ...invitationObject(invitation) },
      invitation.link,
    );
    if (output.json) return;
    const back = `${ourCommand} group link ${typedId(group)} --revoke ${invitationId(invitation)}`;
    const lets = `Whoever has it is let into ${title}, ${timesWords(invitation.uses)} until ${invitation.lastDay}`;
    output.remark(`The link is shown only now. ${lets}; "${back}" takes it back.`);
  },
});

const timesWords = (uses: number): string => (uses === 1 ? "once," : `up to ${plural(uses, "time")} and`);

async function takeBack(context: GroupContext, id: string): Promise<void> {
  const { client, group, title } = context;
  const invitation = invitationNamed(id.toLowerCase(), (await infoOf(context)).invitations, title);
  await client.groups.revokeInvitation(group.id, invitation.publicKey);
  await printChange(context, "invitation-revoked", `Invitation ${invitationId(invitation)} to ${title} is taken back.`);
}

function invitationNamed(id: string, invitations: readonly GroupInvitation[], title: string): GroupInvitation {
  const found = invitations.filter(({ publicKey }) => publicKey.startsWith(id));
  if (found.length > 1) throw usage(`Several invitations begin with "${id}": write more of its letters.`);
  const [invitation] = found;
  if (invitation === undefined)
    throw new Failure(exitCodes.refused, "no-such-invitation", `No invitation to ${title} begins with "${id}": see its "group info".`);
  if (invitation.state === "revoked")
    throw new Failure(exitCodes.refused, "no-such-invitation", `Invitation ${invitationId(invitation)} was taken back before.`);
  return invitation;
}
