import { isClientMessageId, isHash, limits } from "@fastchat/protocol";
import type { Entry } from "@fastchat/protocol/wire/conversation";
import type { ServerFrame } from "@fastchat/protocol/wire/frames";

const DAY_MS = 86_400_000;
const LONGEST_WAIT_MS = 3_600_000;

/** Something follows each of them: one more must be a number of the wire too. */
const hasSuccessor = (number: number): boolean => number < limits.largestNumber;
const isSequence = (number: number): boolean => number > 0 && hasSuccessor(number);

/**
 * Whether ids are as long and numbers as large as an honest server's always are. What they mean is judged elsewhere; here it only matters
 * that nothing after this stumbles over their form. Whatever is new in a frame of a newer server is not looked at.
 */
export function isWellFormed(body: ServerFrame["body"]): boolean {
  switch (body.case) {
    case "entries":
      return isHash(body.value.conversation) && hasSuccessor(body.value.head) && body.value.entries.every(isWellFormedEntry);
    case "heads":
      return body.value.heads.every(
        ({ conversation, sequence, ended }) => isHash(conversation) && hasSuccessor(sequence) && hasSuccessor(ended),
      );
    case "sent":
    case "appended":
      return isSequence(body.value.sequence);
    case "slots":
    case "signal":
    case "joinAsked":
    case "joinRequests":
      return isHash(body.value.conversation);
    case "accountMoved":
      return body.value.head !== undefined && isHash(body.value.head.account);
    case "vault":
    case "vaultWritten":
    case "vaultMoved":
      return hasSuccessor(body.value.revision);
    case "movedHeads":
      return body.value.heads.every(({ account, hash }) => isHash(account) && isHash(hash));
    case "accountKeys":
      return body.value.keys.every(({ account }) => isHash(account));
    case "publicGroups":
      return body.value.groups.every(({ conversation }) => isHash(conversation));
    case "compared":
      return (
        body.value.different.every(({ conversation }) => isHash(conversation)) && body.value.shorter.every(({ account }) => isHash(account))
      );
    case "accountPutBack":
      return body.value.head !== undefined && isHash(body.value.head.account);
    case "presence":
      return body.value.accounts.every(({ account }) => isHash(account));
    case "error":
    case "welcome":
    case "sealedKeys":
    case "account":
    case "people":
    case "slotWritten":
    case "joinRequested":
    case "joinRequestDropped":
    case "sessionsSet":
    case "keyRequested":
    case "pong":
    case "move":
    case undefined:
      return true;
    default:
      return body satisfies never;
  }
}

function isWellFormedEntry({ sequence, account, device, body }: Entry): boolean {
  if (!isSequence(sequence)) return false;
  switch (body.case) {
    case "message":
      return isHash(account) && isHash(device) && isClientMessageId(body.value.clientMessageId);
    case "link":
      return isHash(account) && isHash(device) && body.value.link !== undefined;
    case "incarnation":
      return hasSuccessor(body.value.incarnation) && hasSuccessor(body.value.sequence) && isHash(body.value.hash);
    case "erased":
      return isHash(body.value.entryHash);
    case undefined:
      return true;
    default:
      return body satisfies never;
  }
}

/** A server's time, milliseconds since 1970: never more than a day ahead of this machine's clock. */
export function believableTime(time: bigint): bigint {
  const latest = BigInt(Date.now() + DAY_MS);
  return time < latest ? time : latest;
}

/** How long a server may ask to wait: nobody is sent away for longer than an hour. */
export const believableWait = (milliseconds: number): number => Math.min(milliseconds, LONGEST_WAIT_MS);
