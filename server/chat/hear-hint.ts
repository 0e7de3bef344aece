import { create, fromBinary } from "@bufbuild/protobuf";
import { ErrorCode, idBytes, linkHash } from "@fastchat/protocol";
import { KeyRequestSchema, SealedSignalSchema, SealedSlotSchema } from "@fastchat/protocol/wire/conversation";
import { KeyRequestedSchema, SignalSchema, SlotsSchema } from "@fastchat/protocol/wire/frames";
import type { Hint } from "../bus/hint.ts";
import { reasonOf } from "../events.ts";
import { tellAccountMoved, tellVaultMoved } from "./account-news.ts";
import type { ChatContext } from "./context.ts";
import { tellJoinAsked } from "./join-news.ts";
import { watchNewMembers } from "./new-members.ts";
import { encodeFrame } from "./wire.ts";

/** Does here what another server's hint asks for. One that cannot be read is logged and left: hints may get lost. */
export function hearHint(chat: ChatContext, hint: Hint): void {
  try {
    hear(chat, hint);
  } catch (error) {
    chat.log.event("warn", "request-failed", { request: "hint", reason: reasonOf(error) });
  }
}

const fromBase64 = (text: string): Uint8Array => Buffer.from(text, "base64");

function hear(chat: ChatContext, hint: Hint): void {
  const { delivery } = chat;
  switch (hint[0]) {
    case "members":
      void watchNewMembers(chat, hint[1], hint[2]).catch(() => undefined);
      break;
    case "join-asked":
      void tellJoinAsked(chat, hint[1]).catch(() => undefined);
      break;
    case "account":
      void tellAccountMoved(chat, { account: hint[1], index: hint[2], hash: linkHash(Buffer.from(hint[3], "hex")) }).catch(() => undefined);
      break;
    case "ended":
      delivery.endDevice(hint[1], ErrorCode.DEVICE_REVOKED);
      break;
    case "replaced":
      delivery.endDevice(hint[1], ErrorCode.SIGNED_IN_ELSEWHERE);
      break;
    case "closed":
      delivery.endAccount(hint[1]);
      break;
    case "vault":
      tellVaultMoved(delivery, { account: hint[1], revision: hint[2] });
      break;
    case "presence":
      chat.presence.changed(hint[1]);
      break;
    case "slot": {
      const value = create(SlotsSchema, { conversation: idBytes(hint[1]), slots: [fromBinary(SealedSlotSchema, fromBase64(hint[2]))] });
      delivery.push(hint[1], hint[3], encodeFrame(0, { case: "slots", value }));
      break;
    }
    case "signal": {
      const value = create(SignalSchema, { conversation: idBytes(hint[1]), signal: fromBinary(SealedSignalSchema, fromBase64(hint[2])) });
      delivery.push(hint[1], hint[3], encodeFrame(0, { case: "signal", value }));
      break;
    }
    case "key-request": {
      const value = create(KeyRequestedSchema, { request: fromBinary(KeyRequestSchema, fromBase64(hint[2])) });
      delivery.push(hint[1], hint[3], encodeFrame(0, { case: "keyRequested", value }));
      break;
    }
    default:
      // A newer server's hint.
      hint satisfies never;
  }
}
