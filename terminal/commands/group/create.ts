import { limits } from "@fastchat/protocol";
import { usage } from "../../failure.ts";
import { safeLine, safeName } from "../../safe-text.ts";
import { fewWords } from "../../words.ts";
import { catchUp } from "../catch-up.ts";
import { groupWith } from "../destination.ts";
import { NAMES_SHOWN } from "../words.ts";
import { connectedCommand, infoOf, namesIn } from "./group-command.ts";
import { checkedDescription, checkedGroupName } from "./profile-words.ts";
import { infoObject } from "./shapes.ts";

export const create = connectedCommand({
  name: "create",
  description: "Make a group; you are its admin",
  example: '"Chess club" bob carol',
  args: {
    name: { type: "positional", required: true, description: "What it is called" },
    "member…": { type: "positional", required: true, description: "Who is in it besides you" },
    admin: { type: "string", valueHint: "NAME,…", description: "Who of them is admin, too" },
    description: { type: "string", valueHint: "TEXT", description: "What it is about" },
  },
  manyWords: true,
  async run({ client, output, patience, words }, args) {
    const name = checkedGroupName(args.name);
    const description = args.description === undefined ? {} : { description: checkedDescription(args.description) };
    const admins = args.admin === undefined ? [] : namesIn(args.admin.split(",").filter((word) => word !== ""));
    const members = namesIn([...words.slice(1), ...admins]).filter((member) => member !== client.me.name);
    if (members.length === 0) throw usage("Say who is in it besides you: name at least one more.");
    if (members.length >= limits.groupMembers)
      throw usage(`A group has at most ${limits.groupMembers.toLocaleString("en")} members: name fewer.`);
    await catchUp(client, patience, output);
    const id = await client.groups.create({ name, ...description, members, admins });
    const group = await groupWith(client, id);
    const info = await infoOf({ client, group });
    const who = info.members.map(({ person, role }) => `${safeName(person.name)}${role === "admin" ? " (admin)" : ""}`);
    await output.print(infoObject(group, info), `Made ${safeLine(group.title)}: ${fewWords(who, NAMES_SHOWN)}.`);
  },
});
