import { parseDuration } from "../durations.ts";
import { openSignedIn, untilOnline } from "../place.ts";
import { command, timeoutOption } from "./command.ts";
import { personLine, personObject } from "./shapes.ts";

export const people = command({
  name: "people",
  description: "People you know, and those whose name contains TEXT",
  args: {
    text: { type: "positional", required: false, description: "Part of a name" },
    timeout: { ...timeoutOption, default: "5s" },
  },
  async run({ config, output, place }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    if (!(await untilOnline(client, patience))) output.remark("Sorry, no services available: these are the people known here.");
    for (const person of await client.people(args.text)) await output.print(personObject(person), personLine(person));
  },
});
