import type { GroupRole } from "@fastchat/client";
import type { Command } from "../command.ts";
import { nameList } from "../words.ts";
import { type GroupChange, printChange } from "./change.ts";
import { groupCommand, namesIn, needMembers } from "./group-command.ts";

export const promote = giving("admin", "promote", "Make members admins", "promoted", ["an admin", "admins"]);

export const demote = giving("member", "demote", "Make admins ordinary members", "demoted", ["an ordinary member", "ordinary members"]);

function giving(role: GroupRole, name: string, description: string, change: GroupChange, [one, many]: readonly [string, string]): Command {
  return groupCommand({
    name,
    description,
    example: '"Chess club" bob',
    args: { "name…": { type: "positional", required: true, description: "Whom" } },
    manyWords: true,
    async run(context) {
      const { client, group, title, rest } = context;
      const names = namesIn(rest);
      await needMembers(context, names);
      await client.groups.setRole(group.id, names, role);
      const are = names.length === 1 ? `is ${one}` : `are ${many}`;
      await printChange(context, change, `${nameList(names)} ${are} of ${title} now.`, names);
    },
  });
}
