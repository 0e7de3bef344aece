import type { Client } from "@fastchat/client";
import { askLine, withPassword } from "../../ask.ts";
import { ourCommand } from "../../config.ts";
import { exitCodes, Failure, usage } from "../../failure.ts";
import type { Output } from "../../output.ts";
import { needOnline } from "../../place.ts";
import { fewWords } from "../../words.ts";
import { passwordOptions } from "../command.ts";
import { safeNameOf } from "../shapes.ts";
import { signedInCommand } from "../signed-in-command.ts";

export const remove = signedInCommand({
  name: "delete",
  description: "Delete your account for good, here and on the server; asks for its name and your password",
  args: { yes: { type: "boolean", description: "Do not ask for the name" }, ...passwordOptions },
  waitsFor: "news",
  timeout: "15s",
  async run({ client, config, output, patience }, args) {
    await needOnline(client, patience);
    const { name } = client.me;
    if (args.yes !== true) await askForName(client, output);
    const source = { fromStdin: args["password-stdin"] === true, given: config.password, output };
    const { groupsLeft, groupsNotLeft } = await withPassword(source, ({ text }) => client.deleteAccount(text));
    await output.print({ type: "account-deleted", name, groupsLeft, groupsNotLeft }, `The account ${name} is deleted.`);
    if (groupsNotLeft > 0)
      output.remark(`${groupsNotLeft} of your groups did not hear of it yet: their members see it once one of them writes there.`);
  },
});

/** Says what is going to happen, and has the person type the name. Throws Failure. */
async function askForName(client: Client, output: Output): Promise<void> {
  const { name } = client.me;
  if (!process.stdin.isTTY) throw usage("There is no terminal to ask at whether you mean it: say --yes.");
  for (const sentence of await consequences(client)) output.tell(sentence);
  const typed = (await askLine("Type the account's name to delete it: ")).trim().toLowerCase();
  if (typed !== name) throw new Failure(exitCodes.refused, "cancelled", "That is not its name: nothing was deleted.");
}

async function consequences(client: Client): Promise<string[]> {
  const { me } = client;
  const own = (await client.conversations()).filter((each) => each.kind === "group" && each.group.role !== undefined);
  const led: string[] = [];
  for (const group of own) {
    const { members = [] } = (await client.groups.info(group.id)) ?? {};
    const isLast = members.length > 1 && members.every(({ role, me: isMe }) => isMe || role !== "admin");
    if (isLast && members.some(({ role, me: isMe }) => isMe && role === "admin")) led.push(safeNameOf(group));
  }
  return [
    `This deletes the account ${me.name} at ${me.gateway} for good. Nobody can undo it, and the name ${me.name} is never given again, not even to you.`,
    `What is removed: what your password and recovery words open, your contacts, settings, drafts and notes to yourself on the server, and all that is here. All your devices are put out${own.length === 0 ? "" : `, and you leave ${own.length === 1 ? "your group" : `your ${own.length} groups`}`}.`,
    ...(led.length === 0
      ? []
      : [
          `You are the last admin of ${fewWords(led, 5)}: whoever was added there first is admin then. To choose who, stop here and run "${ourCommand} group leave GROUP --successor NAME".`,
        ]),
    "What is not: what you wrote to others stays with them, on their devices and, sealed, on the server, with your name and public keys, by which they check it; and whoever runs the server may have backups.",
    `To keep your messages, stop here and run "${ourCommand} export FILE" first.`,
  ];
}
