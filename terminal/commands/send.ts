import type { ChatMessage, Client, ConversationSummary, SendOptions } from "@fastchat/client";
import { type ClientMessageId, errorRow, limits } from "@fastchat/protocol";
import { ourCommand } from "../config.ts";
import { type ExitCode, exitCodes, usage } from "../failure.ts";
import { type NamedFile, prepareFiles } from "../files/to-send.ts";
import { lifetimeLimits, lifetimeValues, longestLifetime, readLifetime } from "../lifetimes.ts";
import type { Output } from "../output.ts";
import { linesOf, wholeText } from "../standard-input.ts";
import { safeLine } from "../safe-text.ts";
import { percent, sizeWords } from "../words.ts";
import { conversationWith } from "./destination.ts";
import { interrupts } from "./interrupts.ts";
import { progressLine } from "./progress-line.ts";
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
    image: {
      type: "string",
      valueHint: "FILE",
      description: "With a picture, made anew without place, time and camera; more than once: several",
    },
    file: { type: "string", valueHint: "FILE", description: "With a file as it is; more than once: several" },
    expire: { type: "string", valueHint: "TIME|off", description: "So long after it was read it disappears, whatever is set for the chat" },
  },
  manyWords: true,
  waitsFor: "nothing",
  timeout: "15s",
  async run({ client, output, patience, words, each }, args) {
    const named = each("image", "file");
    const fromStdin = words.length === 1 ? named.length === 0 && !process.stdin.isTTY : words.length === 2 && words[1] === "-";
    if (words.length === 1 && !fromStdin && named.length === 0)
      throw usage(`Say what to send: ${ourCommand} send ${args.to} hello, or - for standard input.`);
    if (args.lines === true && !fromStdin) throw usage("--lines reads standard input: write - in the place of the text.");
    const sending = { client, to: args.to, patience, output, options: lifetimeOf(args.expire) };
    if (args.lines === true && named.length > 0) throw usage("--lines sends lines, not files: leave one of them out.");
    if (args.lines === true) return sendLines(sending);
    const text = fromStdin ? await wholeText(limits.messageTextBytes) : words.slice(1).join(" ");
    if (named.length > 0) return sendFiles(sending, text, named);
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

async function sendOne(sending: Sending, text: string): Promise<ExitCode> {
  const opened = await openFor(sending);
  return sent(sending, opened, () => sending.client.send(opened.conversation.id, text, sending.options));
}

async function sendFiles(sending: Sending, text: string, named: readonly NamedFile[]): Promise<ExitCode> {
  const { client, output, options } = sending;
  const prepared = await prepareFiles(named, "as a file with --file");
  for (const { file, metadata } of prepared) {
    const name = safeLine(file.source.name);
    if (metadata === "picture")
      output.remark(`${name} is sent as it is, with whatever its camera wrote into it, such as the place: --image leaves that out.`);
    if (metadata === "recording") output.remark(`${name} is sent as it is, with whatever its recorder wrote into it, such as the place.`);
  }
  const opened = await openFor(sending);
  using line = progressLine();
  using interrupted = interrupts("nothing was sent");
  const { signal } = interrupted;
  const onProgress = (done: number, total: number) => line.show(`Sealing: ${percent(done, total)}`);
  const files = prepared.map(({ file }) => file);
  return await sent(
    sending,
    opened,
    async () => {
      const id = await client.files.send(opened.conversation.id, files, { ...options, text, onProgress, signal });
      // It is in the outbox: what ends this process now leaves it there.
      interrupted[Symbol.dispose]();
      return id;
    },
    ({ upload }) => line.show(upload === undefined ? "" : `Uploading: ${percent(upload.sent, upload.size)} of ${sizeWords(upload.size)}`),
  );
}

interface Opened {
  readonly conversation: ConversationSummary;
  /** What is said where it was a request until now. */
  readonly accepted: readonly string[];
}

async function openFor({ client, to, patience }: Sending): Promise<Opened> {
  const conversation = await conversationWith(client, to, patience);
  return { conversation, accepted: await letIn(client, conversation) };
}

async function sent(
  { client, patience, output, options }: Sending,
  { conversation, accepted }: Opened,
  send: () => Promise<ClientMessageId>,
  show: (message: ChatMessage) => void = () => undefined,
): Promise<ExitCode> {
  using watch = watchRefusals(client, [conversation.id]);
  const id = await send();
  let newest: ChatMessage | undefined;
  let holding: ChatMessage | undefined;
  using _ = watchMessages(client, (message) => {
    // Files go one after the other: what the server does not take holds back all behind it.
    if (message.upload?.held !== undefined) holding = message;
    else if (message.id === holding?.id) holding = undefined;
    if (message.id !== id) return;
    newest = message;
    show(message);
  });
  const areAllSent = await allSent(client, [conversation.id], patience);
  const isSent = areAllSent || (newest !== undefined && newest.status !== "queued");
  const held = isSent ? undefined : holding?.upload?.held;
  const name = safeNameOf(conversation);
  if (watch.refused > 0) throw await refusedMessages(client, conversation, watch, `the message to ${name}`);
  await output.print(
    {
      type: "sent",
      id,
      ...placeObject(conversation),
      status: isSent ? "sent" : "queued",
      held: held === undefined ? null : errorRow(held).name,
      accepted: accepted.length > 0,
    },
    linesFor([...accepted, ...(isSent ? [`Sent to ${whomOf(conversation)}.`] : [])]),
  );
  if ((options.expiresAfter ?? 0) > 0) output.tell(lifetimeLimits);
  if (!isSent) return await queued(client, output, { count: 1, conversations: [conversation.id], held });
  if (!areAllSent)
    output.remark("A file that was to be sent before still waits here, and is sent as soon as FastChat runs and the server takes it.");
  return exitCodes.done;
}

function watchMessages(client: Client, told: (message: ChatMessage) => void): Disposable {
  const unsubscribe = client.subscribe((event) => {
    if (event.kind !== "items") return;
    for (const item of event.items) if (item.kind === "message") told(item);
  });
  return { [Symbol.dispose]: unsubscribe };
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
    if (!(await allSent(client, [conversation.id], patience)))
      return await queued(client, output, { count, conversations: [conversation.id] });
    waiting = 0;
  }
  const isSent = await allSent(client, [conversation.id], patience);
  const name = safeNameOf(conversation);
  if (watch.refused > 0) throw await refusedMessages(client, conversation, watch, `${watch.refused} of ${count} messages to ${name}`);
  await output.print(
    { type: "sent-lines", count, ...placeObject(conversation), status: isSent ? "sent" : "queued", accepted: accepted.length > 0 },
    linesFor([...accepted, ...(isSent ? [`Sent ${count} to ${whomOf(conversation)}.`] : [])]),
  );
  return isSent ? exitCodes.done : await queued(client, output, { count, conversations: [conversation.id] });
}
