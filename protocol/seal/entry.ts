import type { Entry } from "../generated/fastchat/v1/conversation_pb.ts";
import { type ConversationId, idBytes } from "../ids.ts";
import { encodeList, type Part } from "./bytes.ts";
import { hash } from "./hash.ts";
import { labels } from "./labels.ts";

/**
 * The hash of an entry [S4]: author, device, the server's time and the body as received; its place in the log is bound by
 * the running hash. Evidence and sealed keys lie beside a link and are not part of it. Of an erased entry: the hash that
 * outlived its body. Undefined for an entry without a body that this client knows.
 */
export function entryHash(entry: Entry): Uint8Array | undefined {
  switch (entry.body.case) {
    case "message": {
      const { clientMessageId, epoch, blobs, withdraws, ciphertext } = entry.body.value;
      return hashOf(entry, "message", [clientMessageId, epoch, encodeList(blobs), encodeList(withdraws), ciphertext]);
    }
    case "link": {
      const { link } = entry.body.value;
      return link && hashOf(entry, "link", [link.body, link.signature, link.cosignature]);
    }
    case "incarnation": {
      const { incarnation, sequence, hash: reached } = entry.body.value;
      return hashOf(entry, "incarnation", [incarnation, sequence, reached]);
    }
    case "erased":
      return entry.body.value.entryHash;
    case undefined:
      return undefined;
    default:
      return entry.body satisfies never;
  }
}

/** h(0) of a conversation [S4]. */
export function startHash(conversation: ConversationId): Uint8Array {
  return hash(labels.hash.runningHashStart, idBytes(conversation));
}

/** h(n) = H(h(n−1), n, H(entry)) [S4]. */
export function runningHash(previous: Uint8Array, sequence: number, ofEntry: Uint8Array): Uint8Array {
  return hash(labels.hash.runningHash, previous, sequence, ofEntry);
}

function hashOf(entry: Entry, kind: string, body: readonly Part[]): Uint8Array {
  return hash(labels.hash.entry, entry.account, entry.device, entry.time, kind, encodeList(body));
}
