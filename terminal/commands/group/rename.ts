import { safeLine } from "../../safe-text.ts";
import { printChange } from "./change.ts";
import { groupCommand } from "./group-command.ts";
import { checkedGroupName } from "./profile-words.ts";

export const rename = groupCommand({
  name: "rename",
  description: "Give a group another name",
  example: '"Chess club" "Bridge club"',
  args: { name: { type: "positional", required: true, description: "What it is called from now on" } },
  async run(context) {
    const { client, group, title, rest } = context;
    const name = checkedGroupName(rest[0]!);
    await client.groups.setProfile(group.id, { name });
    await printChange(context, "renamed", `${title} is called ${safeLine(name)} now.`);
  },
});
