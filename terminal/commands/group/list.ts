import type { GroupSummary } from "@fastchat/client";
import { parseDuration } from "../../durations.ts";
import { openSignedIn } from "../../place.ts";
import { catchUp } from "../catch-up.ts";
import { command, timeoutOption } from "../command.ts";
import { groupLine, groupObject } from "./shapes.ts";

export const list = command({
  name: "list",
  description: "The groups that you are in",
  args: { timeout: { ...timeoutOption, default: "5s" } },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    await catchUp(client, patience, output);
    const groups = (await client.conversations()).filter((each): each is GroupSummary => each.kind === "group");
    const own = groups.filter(({ group }) => group.role !== undefined).toSorted((a, b) => a.title.localeCompare(b.title));
    for (const group of own) await output.print(groupObject(group), groupLine(group));
  },
});
