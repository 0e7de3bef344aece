import { printChange } from "./change.ts";
import { groupCommand } from "./group-command.ts";
import { checkedDescription } from "./profile-words.ts";

export const describe = groupCommand({
  name: "describe",
  description: 'Say what a group is about; "" takes it away',
  example: '"Chess club" Thursdays at eight',
  args: { text: { type: "positional", required: true, description: "What it is about" } },
  manyWords: true,
  async run(context) {
    const { client, group, title, rest } = context;
    const description = checkedDescription(rest.join(" "));
    await client.groups.setProfile(group.id, { description });
    await printChange(context, "described", description === "" ? `${title} has no description now.` : `${title} has a new description.`);
  },
});
