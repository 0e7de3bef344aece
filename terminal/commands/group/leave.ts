import { usage } from "../../failure.ts";
import { printChange } from "./change.ts";
import { groupCommand, needMembers } from "./group-command.ts";

export const leave = groupCommand({
  name: "leave",
  description: "Leave a group",
  example: '"Chess club"',
  args: { successor: { type: "string", valueHint: "NAME", description: "Who is admin then, if you were the last one" } },
  refusal: "Only the last admin names a successor: leave without --successor.",
  async run(context, args) {
    const { client, group, title } = context;
    const successor = args.successor?.toLowerCase();
    if (successor === client.me.name) throw usage("You cannot succeed yourself: name somebody who stays.");
    if (successor !== undefined) await needMembers(context, [successor]);
    await client.groups.leave(group.id, successor);
    await printChange(context, "left", `You left ${title}.`, successor === undefined ? [] : [successor]);
  },
});
