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
    const { client, output, group } = context;
    for (const { person, by, time } of await client.groups.joinRequests(group.id)) {
      const way = { invitation: "by an invitation", "public-name": "by the public name" }[by];
      await output.print(
        { type: "join-request", ...placeObject(group), name: person.name, account: person.account, by, time: isoTime(time) },
        `${safeName(person.name).padEnd(20)}  ${stampWords(time)}  ${way}`,
      );
    }
  },
});
