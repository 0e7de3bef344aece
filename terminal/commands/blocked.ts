import type { ConversationSummary } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import { Failure, exitCodes } from "../failure.ts";
import type { Output } from "../output.ts";
import { safeNameOf } from "./shapes.ts";

/** With somebody whom one blocked: it is shown only to who asks for it. */
export const isBlocked = (conversation: ConversationSummary): boolean => conversation.kind === "direct" && conversation.peer.blocked;

export function remarkBlocked(output: Output, conversation: ConversationSummary): void {
  const name = safeNameOf(conversation);
  if (isBlocked(conversation)) output.remark(`You blocked ${name}: "${ourCommand} unblock ${name}" lets ${name} reach you again.`);
}

/** Throws Failure: who writes there would hear no answer. */
export function refuseBlocked(conversation: ConversationSummary): void {
  if (!isBlocked(conversation)) return;
  const name = safeNameOf(conversation);
  throw new Failure(
    exitCodes.refused,
    "blocked",
    `You blocked ${name}, and would hear no answer: run "${ourCommand} unblock ${name}" first.`,
  );
}
