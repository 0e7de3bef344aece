import { usage } from "../failure.ts";
import { safeName } from "../safe-text.ts";
import type { Command } from "./command.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const block = blocking(
  true,
  "block",
  "Hear nothing more of somebody: no direct message, no invitation",
  (name) => `Blocked ${name}: direct messages and invitations of ${name} are not shown any more, and ${name} is not told.`,
);

export const unblock = blocking(false, "unblock", "Hear of somebody again", (name) => `Unblocked ${name}.`);

function blocking(blocked: boolean, name: string, description: string, words: (name: string) => string): Command {
  return signedInCommand({
    name,
    description,
    args: { name: { type: "positional", required: true, description: "Whom" } },
    waitsFor: "server",
    async run({ client, output }, args) {
      const person = args.name.toLowerCase();
      if (person === client.me.name) throw usage("You cannot block yourself: name somebody else.");
      await client.setBlocked(person, blocked);
      await output.print({ type: "blocked", name: person, blocked }, words(safeName(person)));
    },
  });
}
