import type { Client } from "@fastchat/client";
import { limits } from "@fastchat/protocol";
import { ourCommand } from "../../config.ts";
import { Failure, exitCodes, usage } from "../../failure.ts";
import { untilOnline } from "../../place.ts";
import { wholeText } from "../../standard-input.ts";
import { plural } from "../../words.ts";
import { allSent, queued, watchRefusals } from "../sending.ts";
import { signedInCommand } from "../signed-in-command.ts";
import { nameList } from "../words.ts";
import { checkedRecipients, listNamed } from "./recipients.ts";

export const send = signedInCommand({
  name: "send",
  description: "Write to everybody of a list, to each by themselves; TEXT - is standard input",
  example: "friends hello",
  args: {
    list: { type: "positional", required: true, description: "Which list, or names with commas" },
    text: { type: "positional", required: false, description: "The message, or - for standard input" },
  },
  manyWords: true,
  waitsFor: "nothing",
  timeout: "15s",
  async run({ client, output, patience, words }, args) {
    const fromStdin = words.length === 1 ? !process.stdin.isTTY : words.length === 2 && words[1] === "-";
    if (words.length === 1 && !fromStdin)
      throw usage(`Say what to send: ${ourCommand} broadcast send ${args.list} hello, or - for standard input.`);
    const text = fromStdin ? await wholeText(limits.messageTextBytes) : words.slice(1).join(" ");
    if (text === "") throw usage("There is nothing to send: the text is empty.");
    await untilOnline(client, patience);
    const people = await recipientsOf(client, args.list);
    const conversations = await client.broadcast(people, text);
    using watch = watchRefusals(client, conversations);
    const isSent = await allSent(client, conversations, patience);
    if (watch.refused > 0)
      throw new Failure(exitCodes.refused, "not-sent", `The server refused ${watch.refused} of ${plural(people.length, "message")}.`);
    await output.print(
      { type: "broadcast", people, conversations, status: isSent ? "sent" : "queued" },
      isSent ? `Sent to ${nameList(people)}${people.length === 1 ? "" : ", each by themselves"}.` : undefined,
    );
    return isSent ? exitCodes.done : await queued(client, output, { count: people.length, conversations });
  },
});

async function recipientsOf(client: Client, list: string): Promise<readonly string[]> {
  if (list.includes(",")) return checkedRecipients(list.split(","));
  return (await listNamed(client, list)).people.map(({ name }) => name);
}
