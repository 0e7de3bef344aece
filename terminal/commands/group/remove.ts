import { ourCommand } from "../../config.ts";
import { usage } from "../../failure.ts";
import { typedId } from "../destination.ts";
import { nameList } from "../words.ts";
import { printChange } from "./change.ts";
import { groupCommand, namesIn, needMembers } from "./group-command.ts";

export const remove = groupCommand({
  name: "remove",
  description: "Put people out of a group",
  example: '"Chess club" bob',
  args: { "name…": { type: "positional", required: true, description: "Whom" } },
  manyWords: true,
  async run(context) {
    const { client, group, title, rest } = context;
    const names = namesIn(rest);
    if (names.includes(client.me.name)) throw usage(`You cannot remove yourself: "${ourCommand} group leave ${typedId(group)}" leaves.`);
    await needMembers(context, names);
    await client.groups.remove(group.id, names);
    await printChange(context, "removed", `Removed ${nameList(names)} from ${title}.`, names);
  },
});
