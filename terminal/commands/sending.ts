import type { Client, ConversationSummary } from "@fastchat/client";
import { type ErrorCode, errorRow } from "@fastchat/protocol";
import { type ExitCode, exitCodes, Failure } from "../failure.ts";
import { ourCommand } from "../config.ts";
import type { Output } from "../output.ts";
import { refusalOfFiles } from "../files/words.ts";
import { refuseEnded } from "../place.ts";
import { refuseBlocked } from "./blocked.ts";
import { acceptedWords } from "../words.ts";
import { showSealing } from "./sealing.ts";
import { safeNameOf, whomOf } from "./shapes.ts";

type Id = ConversationSummary["id"];

/** Why what is written waits for an answer of who wrote it; undefined: it does not. */
function heldBackWords(conversation: ConversationSummary): string | undefined {
  const { blocked, kind } = conversation;
  const name = safeNameOf(conversation);
  const [whose, who] = kind === "group" ? ["A member's", "NAME"] : [`${name}'s`, name];
  if (blocked === "identity-changed") {
    const where = kind === "group" ? ` ("${ourCommand} people" shows whose)` : "";
    return `${whose} identity has changed${where}: compare with "${ourCommand} verify ${who}", or go on with "${ourCommand} accept ${who}"; until then nothing is sent.`;
  }
  if (blocked === "forked")
    return `The server shows two histories of ${kind === "group" ? "a member's" : whose} account: ask them which devices are theirs, then "${ourCommand} accept ${name}"; until then nothing is sent.`;
  return blocked === "update-needed" ? "This conversation needs a newer FastChat: update to write here." : undefined;
}

/** False: it waits for an answer of who wrote it. Rejects with the signal. */
async function isSent(client: Client, id: Id, signal: AbortSignal): Promise<boolean> {
  const heldBack = new AbortController();
  const look = async (): Promise<void> => {
    const conversation = await client.conversation(id);
    if (conversation !== undefined && heldBackWords(conversation) !== undefined) heldBack.abort();
  };
  const unsubscribe = client.subscribe((event) => {
    if (event.kind === "conversations" && event.conversations.includes(id)) void look().catch(() => undefined);
  });
  try {
    await look();
    await client.sent(id, AbortSignal.any([signal, heldBack.signal]));
    return true;
  } catch (error) {
    if (heldBack.signal.aborted) return false;
    throw error;
  } finally {
    unsubscribe();
  }
}

/**
 * True when nothing of these conversations waits any more; false when nothing has moved for so long, or waits for an answer of who wrote it. Throws
 * Failure when the session has ended.
 */
export async function allSent(client: Client, conversations: readonly Id[], patienceMs: number): Promise<boolean> {
  const patience = new AbortController();
  const giveUp = (): NodeJS.Timeout => setTimeout(() => patience.abort(), patienceMs);
  let timer = giveUp();
  using _ = showSealing(client);
  const unsubscribe = client.subscribe((event) => {
    if (client.connection.kind === "ended") patience.abort();
    if ((event.kind !== "items" && event.kind !== "sealing") || !conversations.includes(event.conversation)) return;
    clearTimeout(timer);
    timer = giveUp();
  });
  try {
    refuseEnded(client);
    let areAll = true;
    for (const conversation of conversations) if (!(await isSent(client, conversation, patience.signal))) areAll = false;
    return areAll;
  } catch (error) {
    refuseEnded(client);
    if (patience.signal.aborted) return false;
    throw error;
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

export interface RefusalWatch extends Disposable {
  readonly refused: number;
  /** Of the last one. */
  readonly reason: ErrorCode | undefined;
}

/** Counts what the server refuses for good from now on. */
export function watchRefusals(client: Client, conversations: readonly Id[]): RefusalWatch {
  let refused = 0;
  let reason: ErrorCode | undefined;
  const unsubscribe = client.subscribe((event) => {
    if (event.kind !== "items" || !conversations.includes(event.conversation)) return;
    for (const item of event.items) {
      if (item.kind !== "message" || item.status !== "failed") continue;
      refused++;
      reason = item.refusal;
    }
  });
  return {
    get refused() {
      return refused;
    },
    get reason() {
      return reason;
    },
    [Symbol.dispose]: unsubscribe,
  };
}

/** Why messages were refused, as far as their conversation tells by now: a rule may have changed while they were on their way. */
export async function refusedMessages(
  client: Client,
  { id }: ConversationSummary,
  { reason }: Pick<RefusalWatch, "reason">,
  what: string,
): Promise<Failure> {
  const ofFiles = refusalOfFiles(reason);
  if (ofFiles !== undefined) return new Failure(exitCodes.refused, ofFiles.name, `${ofFiles.sentence} Not sent: ${what}.`);
  const now = await client.conversation(id);
  const why: Partial<Record<ConversationSummary["blocked"], string>> = {
    "announce-only": "Only admins write here",
    out: "You are not in this group any more",
    closed: "The account was deleted",
  };
  const blocked = now && why[now.blocked];
  return new Failure(
    exitCodes.refused,
    "not-sent",
    blocked === undefined ? `The server refused ${what}.` : `${blocked}. Not sent: ${what}.`,
  );
}

export interface Queued {
  readonly count: number;
  readonly conversations: readonly Id[];
  /** Why the server does not take it, where it said so. */
  readonly held?: ErrorCode | undefined;
}

/** Says that what was to be sent is kept, and why. */
export async function queued(client: Client, output: Output, { count, conversations, held }: Queued): Promise<ExitCode> {
  const what = count === 1 ? "The message is" : "Messages are";
  const found = await Promise.all(conversations.map((id) => client.conversation(id)));
  const [heldBack] = found.flatMap((conversation) => (conversation && heldBackWords(conversation)) ?? []);
  const why = heldBack ?? (held === undefined ? "Sorry, no services available." : errorRow(held).sentence);
  output.remark(
    `${why} ${what} kept here and sent as soon as FastChat runs and ${heldBack === undefined ? "is connected" : "may"}: do not send again.`,
  );
  return exitCodes.queued;
}

/** Who writes to a stranger lets them in; what is to be said of that, a line or none. Throws Failure for somebody whom one blocked. */
export async function letIn(client: Client, conversation: ConversationSummary): Promise<readonly string[]> {
  refuseBlocked(conversation);
  if (!conversation.request) return [];
  await client.accept(conversation.id);
  return [
    conversation.kind === "group" ? `You accepted the invitation to ${whomOf(conversation)}.` : acceptedWords(safeNameOf(conversation)),
  ];
}

/** Lines for people; undefined: there are none. */
export const linesFor = (lines: readonly string[]): string | undefined => (lines.length === 0 ? undefined : lines.join("\n"));
