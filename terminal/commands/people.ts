import { personLine, personObject } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const people = signedInCommand({
  name: "people",
  description: "People you know, and those whose name contains TEXT",
  args: { text: { type: "positional", required: false, description: "Part of a name" } },
  waitsFor: "server",
  async run({ client, output }, args) {
    if (client.connection.kind !== "online") output.remark("Sorry, no services available: these are the people known here.");
    for (const person of await client.people(args.text)) await output.print(personObject(person), personLine(person));
  },
});
