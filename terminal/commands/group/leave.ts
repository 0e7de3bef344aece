import { ErrorCode, FastChatError } from "@fastchat/protocol";
import { usage } from "../../failure.ts";
import { heirWords, leaveGroup } from "../../leave-group.ts";
import { printChange } from "./change.ts";
import { groupCommand, infoOf, needMembers } from "./group-command.ts";

export const leave = groupCommand({
  name: "leave",
  description: "Leave a group",
  example: '"Chess club"',
  args: { successor: { type: "string", valueHint: "NAME", description: "Who is admin then, if you were the last one" } },
  async run(context, args) {
    const { client, group, title } = context;
    if (group.group.ended !== undefined) throw new FastChatError(ErrorCode.NOT_A_MEMBER);
    const successor = args.successor?.toLowerCase();
    if (successor === client.me.name) throw usage("You cannot succeed yourself: name somebody who stays.");
    if (successor !== undefined) {
      await needMembers(context, [successor]);
      const admins = (await infoOf(context)).members.filter(({ role }) => role === "admin");
      if (group.group.role !== "admin" || admins.length > 1)
        throw usage("Only the last admin names a successor: leave without --successor.");
    }
    const heirs = await leaveGroup(client.groups, group.id, successor);
    const words = heirs.length === 0 ? "" : ` ${heirWords(heirs)}`;
    await printChange(context, "left", `You left ${title}.${words}`, successor === undefined ? [] : [successor]);
  },
});
