import { parseDuration } from "../durations.ts";
import { usage } from "../failure.ts";
import { openSignedIn, untilOnline } from "../place.ts";
import { safeName } from "../safe-text.ts";
import { type Command, command, timeoutOption } from "./command.ts";

export const block = blocking(
  true,
  "block",
  "Hear nothing more of somebody: no direct message, no invitation",
  (name) => `Blocked ${name}: direct messages and invitations of ${name} are not shown any more, and ${name} is not told.`,
);

export const unblock = blocking(false, "unblock", "Hear of somebody again", (name) => `Unblocked ${name}.`);

function blocking(blocked: boolean, name: string, description: string, words: (name: string) => string): Command {
  return command({
    name,
    description,
    args: {
      name: { type: "positional", required: true, description: "Whom" },
      timeout: { ...timeoutOption, default: "5s" },
    },
    async run({ config, output, place }, args) {
      const patience = parseDuration(args.timeout, "timeout");
      const { client } = await openSignedIn(config, place);
      await using _ = client;
      await untilOnline(client, patience);
      const person = args.name.toLowerCase();
      if (person === client.me.name) throw usage("You cannot block yourself: name somebody else.");
      await client.setBlocked(person, blocked);
      await output.print({ type: "blocked", name: person, blocked }, words(safeName(person)));
    },
  });
}
