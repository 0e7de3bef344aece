import type { Client, ConversationSummary } from "@fastchat/client";
import { limits } from "@fastchat/protocol";
import { ourCommand } from "../config.ts";
import { parseDuration } from "../durations.ts";
import { type ExitCode, Failure, exitCodes, usage } from "../failure.ts";
import type { Output } from "../output.ts";
import { openSignedIn } from "../place.ts";
import { linesOf, wholeText } from "../standard-input.ts";
import { conversationWith } from "./catch-up.ts";
import { command, timeoutOption } from "./command.ts";

export const send = command({
  name: "send",
  description: "Send a message; TEXT - is standard input, with --lines one message a line",
  args: {
    to: { type: "positional", required: true, description: "To whom" },
    text: { type: "positional", required: false, description: "The message, or - for standard input" },
    lines: { type: "boolean", description: "With -: each line is a message of its own" },
    timeout: { ...timeoutOption, default: "15s" },
  },
  manyWords: true,
  async run({ config, output, place, words }, args) {
    const patience = parseDuration(args.timeout, "timeout");
    const fromStdin = words.length === 1 ? !process.stdin.isTTY : words.length === 2 && words[1] === "-";
    if (words.length === 1 && !fromStdin) throw usage(`Say what to send: ${ourCommand} send ${args.to} hello, or - for standard input.`);
    if (args.lines === true && !fromStdin) throw usage("--lines reads standard input: write - in the place of the text.");
    const { client } = await openSignedIn(config, place);
    await using _ = client;
    if (args.lines === true) return await sendLines(client, args.to, patience, output);
    const text = fromStdin ? await wholeText(limits.messageTextBytes) : words.slice(1).join(" ");
    if (text === "") throw usage("There is nothing to send: the text is empty.");
    return await sendOne(client, args.to, text, patience, output);
  },
});

async function sendOne(client: Client, to: string, text: string, patience: number, output: Output): Promise<ExitCode> {
  const conversation = await conversationWith(client, to, patience);
  using watch = watchRefusals(client, conversation);
  const id = await client.send(conversation, text);
  const isSent = await allSent(client, conversation, patience);
  if (watch.refused > 0) throw new Failure(exitCodes.refused, "not-sent", `The server refused the message to ${to}.`);
  await output.print(
    { type: "sent", id, with: to.toLowerCase(), conversation, status: isSent ? "sent" : "queued" },
    isSent ? `Sent to ${to}.` : undefined,
  );
  return isSent ? exitCodes.done : queued(output, 1);
}

/** So many lines become durable at once, and so many at most wait in the outbox, however many come. */
const LINES_AT_ONCE = 256;
const LINES_WAITING = 2_048;

async function sendLines(client: Client, to: string, patience: number, output: Output): Promise<ExitCode> {
  const conversation = await conversationWith(client, to, patience);
  using watch = watchRefusals(client, conversation);
  let count = 0;
  let waiting = 0;
  for await (const batch of linesOf(process.stdin, { atOnce: LINES_AT_ONCE, longest: limits.messageTextBytes })) {
    await client.sendAll(conversation, batch);
    count += batch.length;
    waiting += batch.length;
    if (waiting < LINES_WAITING) continue;
    if (!(await allSent(client, conversation, patience))) return queued(output, count);
    waiting = 0;
  }
  const isSent = await allSent(client, conversation, patience);
  if (watch.refused > 0)
    throw new Failure(exitCodes.refused, "not-sent", `The server refused ${watch.refused} of ${count} messages to ${to}.`);
  await output.print(
    { type: "sent-lines", count, with: to.toLowerCase(), conversation, status: isSent ? "sent" : "queued" },
    isSent ? `Sent ${count} to ${to}.` : undefined,
  );
  return isSent ? exitCodes.done : queued(output, count);
}

function queued(output: Output, count: number): ExitCode {
  const what = count === 1 ? "The message is" : "Messages are";
  output.remark(`Sorry, no services available. ${what} kept here and sent as soon as FastChat runs and is connected: do not send again.`);
  return exitCodes.queued;
}

/** True when nothing of the conversation waits any more; false when nothing has moved for so long. */
async function allSent(client: Client, conversation: ConversationSummary["id"], patienceMs: number): Promise<boolean> {
  const patience = new AbortController();
  const giveUp = (): NodeJS.Timeout => setTimeout(() => patience.abort(), patienceMs);
  let timer = giveUp();
  const unsubscribe = client.subscribe((event) => {
    if (event.kind !== "items" || event.conversation !== conversation) return;
    clearTimeout(timer);
    timer = giveUp();
  });
  try {
    await client.sent(conversation, patience.signal);
    return true;
  } catch (error) {
    if (patience.signal.aborted) return false;
    throw error;
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

function watchRefusals(client: Client, conversation: ConversationSummary["id"]): Disposable & { readonly refused: number } {
  let refused = 0;
  const unsubscribe = client.subscribe((event) => {
    if (event.kind !== "items" || event.conversation !== conversation) return;
    refused += event.items.filter((item) => item.kind === "message" && item.status === "failed").length;
  });
  return {
    get refused() {
      return refused;
    },
    [Symbol.dispose]: unsubscribe,
  };
}
