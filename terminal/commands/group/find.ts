import { plural } from "../../words.ts";
import { typedId } from "../destination.ts";
import { safeLine } from "../../safe-text.ts";
import { column } from "../words.ts";
import { connectedCommand } from "./group-command.ts";

export const find = connectedCommand({
  name: "find",
  description: "Groups with a public name, which one can ask to join",
  args: { text: { type: "positional", required: false, description: "Part of the public name" } },
  async run({ client, output }, args) {
    const found = await client.groups.find(args.text ?? "");
    if (found.length === 0) output.tell("No group here has such a public name.");
    for (const { name, conversation, memberCount } of found) {
      const members = plural(memberCount, "member").padEnd(11);
      await output.print(
        { type: "found-group", name, conversation, memberCount },
        `${column(safeLine(name), 20)}  ${members}  ${typedId({ id: conversation })}`,
      );
    }
  },
});
