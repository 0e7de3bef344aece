import { Failure, exitCodes } from "../../failure.ts";
import { nameList } from "../words.ts";
import { printChange } from "./change.ts";
import { groupCommand, infoOf, namesIn } from "./group-command.ts";

export const add = groupCommand({
  name: "add",
  description: "Bring people into a group",
  example: '"Chess club" bob carol',
  args: {
    "name…": { type: "positional", required: true, description: "Whom" },
    "as-admin": { type: "boolean", description: "As admins" },
  },
  manyWords: true,
  async run(context, args) {
    const { client, group, title, rest } = context;
    const names = namesIn(rest);
    const { members } = await infoOf(context);
    const here = names.filter((name) => members.some(({ person }) => person.name === name));
    if (here.length > 0) {
      const are = here.length === 1 ? "is" : "are";
      throw new Failure(exitCodes.refused, "in-group", `${nameList(here)} ${are} in ${title} already: nothing was changed.`);
    }
    const asAdmin = args["as-admin"] === true;
    await client.groups.add(group.id, names, asAdmin ? "admin" : "member");
    await printChange(context, "added", `Added ${nameList(names)} to ${title}${asAdmin ? ", as admins" : ""}.`, names);
  },
});
