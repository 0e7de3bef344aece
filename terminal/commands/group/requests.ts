import { safeName } from "../../safe-text.ts";
import { stampWords } from "../../ui/time.ts";
import { isoTime, placeObject } from "../shapes.ts";
import { groupCommand, notAllowed } from "./group-command.ts";

export const requests = groupCommand({
  name: "requests",
  description: "Who asks to be let into a group",
  example: '"Chess club"',
  args: {},
  async run({ client, output, group }) {
    if (!group.group.mayAdd) throw notAllowed("Only who may add members can see who asks to join.");
    for (const { person, by, time } of await client.groups.joinRequests(group.id)) {
      const way = { invitation: "by an invitation", "public-name": "by the public name" }[by];
      await output.print(
        { type: "join-request", ...placeObject(group), name: person.name, account: person.account, by, time: isoTime(time) },
        `${safeName(person.name).padEnd(20)}  ${stampWords(time)}  ${way}`,
      );
    }
  },
});
