import { nameList } from "../words.ts";
import { printChange } from "./change.ts";
import { groupCommand, namesIn, needRight } from "./group-command.ts";

const names = { "name…": { type: "positional", required: true, description: "Whom" } } as const;

export const approve = groupCommand({
  name: "approve",
  description: "Let people in who ask to join",
  example: '"Chess club" bob',
  args: names,
  manyWords: true,
  async run(context) {
    const { client, group, title, rest } = context;
    needRight(context, "add");
    const people = namesIn(rest);
    await client.groups.approve(group.id, people);
    await printChange(context, "approved", `Let ${nameList(people)} into ${title}.`, people);
  },
});

export const reject = groupCommand({
  name: "reject",
  description: "Turn people down who ask to join; only an admin can",
  example: '"Chess club" bob',
  args: names,
  manyWords: true,
  async run(context) {
    const { client, group, title, rest } = context;
    needRight(context, "turn-down");
    const people = namesIn(rest);
    await client.groups.reject(group.id, people);
    await printChange(context, "rejected", `${nameList(people)} will not join ${title}.`, people);
  },
});
