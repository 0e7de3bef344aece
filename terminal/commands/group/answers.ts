import type { Groups } from "@fastchat/client";
import type { Command } from "../command.ts";
import { nameList } from "../words.ts";
import { type GroupChange, printChange } from "./change.ts";
import { groupCommand, namesIn } from "./group-command.ts";

export const approve = answering("approve", "Let people in who ask to join", "approved", (names, title) => `Let ${names} into ${title}.`);

export const reject = answering(
  "reject",
  "Turn people down who ask to join",
  "rejected",
  (names, title) => `${names} will not join ${title}.`,
);

function answering(
  name: keyof Pick<Groups, "approve" | "reject">,
  description: string,
  change: GroupChange,
  words: (names: string, title: string) => string,
): Command {
  return groupCommand({
    name,
    description,
    example: '"Chess club" bob',
    args: { "name…": { type: "positional", required: true, description: "Whom" } },
    manyWords: true,
    refusal: "Only an admin can answer who asks to join.",
    async run(context) {
      const { client, group, title, rest } = context;
      const names = namesIn(rest);
      await client.groups[name](group.id, names);
      await printChange(context, change, words(nameList(names), title), names);
    },
  });
}
