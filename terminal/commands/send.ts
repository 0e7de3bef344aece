import type { Client, SendOptions } from "@fastchat/client";
import { limits } from "@fastchat/protocol";
import { ourCommand } from "../config.ts";
import { type ExitCode, exitCodes, usage } from "../failure.ts";
import { lifetimeLimits, lifetimeValues, longestLifetime, readLifetime } from "../lifetimes.ts";
import type { Output } from "../output.ts";
import { linesOf, wholeText } from "../standard-input.ts";
import { conversationWith } from "./destination.ts";
import { allSent, letIn, linesFor, queued, refusedMessages, watchRefusals } from "./sending.ts";
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
    expire: { type: "string", valueHint: "TIME|off", description: "So long after it was read it disappears, whatever is set for the chat" },
  },
  manyWords: true,
  waitsFor: "nothing",
  timeout: "15s",
  async run({ client, output, patience, words }, args) {
    const fromStdin = words.length === 1 ? !process.stdin.isTTY : words.length === 2 && words[1] === "-";
    if (words.length === 1 && !fromStdin) throw usage(`Say what to send: ${ourCommand} send ${args.to} hello, or - for standard input.`);
    if (args.lines === true && !fromStdin) throw usage("--lines reads standard input: write - in the place of the text.");
    const sending = { client, to: args.to, patience, output, options: lifetimeOf(args.expire) };
    if (args.lines === true) return sendLines(sending);
    const text = fromStdin ? await wholeText(limits.messageTextBytes) : words.slice(1).join(" ");
    if (text === "") throw usage("There is nothing to send: the text is empty.");
    return sendOne(sending, text);
  },
});

interface Sending {
  readonly client: Client;
  readonly to: string;
  readonly patience: number;
  readonly output: Output;
  readonly options: SendOptions;
}

/** Throws Failure. */
function lifetimeOf(text: string | undefined): SendOptions {
  if (text === undefined) return {};
  const expiresAfter = readLifetime(text, longestLifetime);
  if (expiresAfter === undefined) throw usage(`--expire is "${text}": write ${lifetimeValues(longestLifetime)}.`);
  return { expiresAfter };
}

async function sendOne({ client, to, patience, output, options }: Sending, text: string): Promise<ExitCode> {
  const conversation = await conversationWith(client, to, patience);
  const accepted = await letIn(client, conversation);
  using watch = watchRefusals(client, [conversation.id]);
  const id = await client.send(conversation.id, text, options);
  const isSent = await allSent(client, [conversation.id], patience);
  const name = safeNameOf(conversation);
  if (watch.refused > 0) throw await refusedMessages(client, conversation, `the message to ${name}`);
  await output.print(
    { type: "sent", id, ...placeObject(conversation), status: isSent ? "sent" : "queued", accepted: accepted.length > 0 },
    linesFor([...accepted, ...(isSent ? [`Sent to ${whomOf(conversation)}.`] : [])]),
  );
  if ((options.expiresAfter ?? 0) > 0) output.tell(lifetimeLimits);
  return isSent ? exitCodes.done : queued(output, 1);
}

/** So many lines become durable at once, and so many at most wait in the outbox, however many come. */
const LINES_AT_ONCE = 256;
const LINES_WAITING = 2_048;

async function sendLines({ client, to, patience, output, options }: Sending): Promise<ExitCode> {
  const conversation = await conversationWith(client, to, patience);
  const accepted = await letIn(client, conversation);
  using watch = watchRefusals(client, [conversation.id]);
  let count = 0;
  let waiting = 0;
  for await (const batch of linesOf(process.stdin, { atOnce: LINES_AT_ONCE, longest: limits.messageTextBytes })) {
    await client.sendAll(conversation.id, batch, options);
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
    { type: "sent-lines", count, ...placeObject(conversation), status: isSent ? "sent" : "queued", accepted: accepted.length > 0 },
    linesFor([...accepted, ...(isSent ? [`Sent ${count} to ${whomOf(conversation)}.`] : [])]),
  );
  return isSent ? exitCodes.done : queued(output, count);
}
