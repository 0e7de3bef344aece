import { groupCommand, infoOf } from "./group-command.ts";
import { infoObject, infoText } from "./shapes.ts";

export const info = groupCommand({
  name: "info",
  description: "Who is in a group, what they may do, and its invitations",
  example: '"Chess club"',
  args: {},
  async run(context) {
    const { client, output, group, title } = context;
    const { members } = await infoOf(context);
    await client.watchPresence(members.filter(({ me }) => !me).map(({ person }) => person.account));
    // With the presence that the server told meanwhile.
    const found = await infoOf(context);
    await output.print(infoObject(group, found), infoText(group, found, title));
  },
});
