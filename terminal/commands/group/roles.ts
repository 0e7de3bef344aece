import type { GroupRole } from "@fastchat/client";
import type { Command } from "../command.ts";
import { nameList } from "../words.ts";
import { type GroupChange, printChange } from "./change.ts";
import { groupCommand, namesIn, needMembers } from "./group-command.ts";

export const promote = giving("admin", "promote", "Make members admins", "promoted", "admin");

export const demote = giving("member", "demote", "Make admins ordinary members", "demoted", "admin no more");

function giving(role: GroupRole, name: string, description: string, change: GroupChange, words: string): Command {
  return groupCommand({
    name,
    description,
    example: '"Chess club" bob',
    args: { "name…": { type: "positional", required: true, description: "Whom" } },
    manyWords: true,
    refusal: "Only an admin can change roles.",
    async run(context) {
      const { client, group, title, rest } = context;
      const names = namesIn(rest);
      await needMembers(context, names);
      await client.groups.setRole(group.id, names, role);
      await printChange(context, change, `In ${title} ${nameList(names)} ${names.length === 1 ? "is" : "are"} ${words} now.`, names);
    },
  });
}
