import { safeName } from "../../safe-text.ts";
import { stampWords } from "../../time.ts";
import { isoTime, placeObject } from "../shapes.ts";
import { groupCommand, needRight } from "./group-command.ts";

export const requests = groupCommand({
  name: "requests",
  description: "Who asks to be let into a group",
  example: '"Chess club"',
  args: {},
  async run(context) {
    needRight(context, "add");
    const { client, output, group, title } = context;
    const asking = await client.groups.joinRequests(group.id);
    if (asking.length === 0) output.tell(`Nobody asks to join ${title}.`);
    for (const { person, by, time } of asking) {
      const way = { invitation: "by an invitation", "public-name": "by the public name" }[by];
      await output.print(
        { type: "join-request", ...placeObject(group), name: person.name, account: person.account, by, time: isoTime(time) },
        `${safeName(person.name).padEnd(20)}  ${stampWords(time)}  ${way}`,
      );
    }
  },
});
