import type { GroupSummary } from "@fastchat/client";
import { ourCommand } from "../../config.ts";
import { tellJoinRequests } from "../join-requests.ts";
import { signedInCommand } from "../signed-in-command.ts";
import { groupLine, groupObject } from "./shapes.ts";

export const list = signedInCommand({
  name: "list",
  description: "The groups that you are in",
  args: {},
  waitsFor: "news",
  async run({ client, output }) {
    const groups = (await client.conversations()).filter((each): each is GroupSummary => each.kind === "group");
    const own = groups.filter(({ group }) => group.role !== undefined).toSorted((a, b) => a.title.localeCompare(b.title));
    for (const group of own) await output.print(groupObject(group), groupLine(group));
    if (own.length === 0) output.tell(`You are in no group: ${ourCommand} group create NAME MEMBER… makes one.`);
    tellJoinRequests(output, own);
  },
});
