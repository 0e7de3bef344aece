import type { Client } from "@fastchat/client";
import { limits } from "@fastchat/protocol";
import { ourCommand } from "../config.ts";
import { type ExitCode, exitCodes, usage } from "../failure.ts";
import type { Output } from "../output.ts";
import { linesOf, wholeText } from "../standard-input.ts";
import { conversationWith } from "./destination.ts";
import { allSent, letIn, queued, refusedMessages, watchRefusals } from "./sending.ts";
import { placeObject, safeNameOf, whomOf } from "./shapes.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const send = signedInCommand({
  name: "send",
  description: "Send a message; TEXT - is standard input, with --lines one message a line",
  example: "bob hello",
  args: {
    to: { type: "positional", required: true, description: "To whom" },
    text: { type: "positional", required: false, description: "The message, or - for standard input" },
    lines: { type: "boolean", description: "With -: each line is a message of its own" },
  },
  manyWords: true,
  waitsFor: "nothing",
  timeout: "15s",
  async run({ client, output, patience, words }, args) {
    const fromStdin = words.length === 1 ? !process.stdin.isTTY : words.length === 2 && words[1] === "-";
    if (words.length === 1 && !fromStdin) throw usage(`Say what to send: ${ourCommand} send ${args.to} hello, or - for standard input.`);
    if (args.lines === true && !fromStdin) throw usage("--lines reads standard input: write - in the place of the text.");
    if (args.lines === true) return sendLines(client, args.to, patience, output);
    const text = fromStdin ? await wholeText(limits.messageTextBytes) : words.slice(1).join(" ");
    if (text === "") throw usage("There is nothing to send: the text is empty.");
    return sendOne(client, args.to, text, patience, output);
  },
});

async function sendOne(client: Client, to: string, text: string, patience: number, output: Output): Promise<ExitCode> {
  const conversation = await conversationWith(client, to, patience);
  await letIn(client, conversation);
  using watch = watchRefusals(client, [conversation.id]);
  const id = await client.send(conversation.id, text);
  const isSent = await allSent(client, [conversation.id], patience);
  const name = safeNameOf(conversation);
  if (watch.refused > 0) throw await refusedMessages(client, conversation, `the message to ${name}`);
  await output.print(
    { type: "sent", id, ...placeObject(conversation), status: isSent ? "sent" : "queued" },
    isSent ? `Sent to ${whomOf(conversation)}.` : undefined,
  );
  return isSent ? exitCodes.done : queued(output, 1);
}

/** So many lines become durable at once, and so many at most wait in the outbox, however many come. */
const LINES_AT_ONCE = 256;
const LINES_WAITING = 2_048;

async function sendLines(client: Client, to: string, patience: number, output: Output): Promise<ExitCode> {
  const conversation = await conversationWith(client, to, patience);
  await letIn(client, conversation);
  using watch = watchRefusals(client, [conversation.id]);
  let count = 0;
  let waiting = 0;
  for await (const batch of linesOf(process.stdin, { atOnce: LINES_AT_ONCE, longest: limits.messageTextBytes })) {
    await client.sendAll(conversation.id, batch);
    count += batch.length;
    waiting += batch.length;
    if (waiting < LINES_WAITING) continue;
    if (!(await allSent(client, [conversation.id], patience))) return queued(output, count);
    waiting = 0;
  }
  const isSent = await allSent(client, [conversation.id], patience);
  const name = safeNameOf(conversation);
  if (watch.refused > 0) throw await refusedMessages(client, conversation, `${watch.refused} of ${count} messages to ${name}`);
  await output.print(
    { type: "sent-lines", count, ...placeObject(conversation), status: isSent ? "sent" : "queued" },
    isSent ? `Sent ${count} to ${whomOf(conversation)}.` : undefined,
  );
  return isSent ? exitCodes.done : queued(output, count);
}
