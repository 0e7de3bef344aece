import { create } from "@bufbuild/protobuf";
import type { AccountId } from "@fastchat/protocol";
import type { Change as ChainChange, ConversationState } from "@fastchat/protocol/chain";
import type { NoticeKind } from "./api.ts";
import { type StoredNotice, StoredNoticeSchema } from "./generated/fastchat/profile/v1/profile_pb.ts";

export const notice = (kind: NoticeKind, text: string): StoredNotice => create(StoredNoticeSchema, { kind, text });

/** Why an entry shows no message; "key" may heal, the others will not. */
export type UnreadableReason =
  | "key"
  | "unknown-suite"
  | "refused"
  | "malformed"
  | "signature"
  | "not-allowed"
  | "device-ended"
  | "stale-epoch";

const unreadableTexts: Record<UnreadableReason, string> = {
  key: "A message cannot be read yet: its key has not arrived. It will be shown when it does.",
  "unknown-suite": "A message was written by a newer FastChat: update to read it.",
  refused: "A message could not be opened: it was changed on its way, or sealed for another place. It is not shown.",
  malformed: "A message has no readable content. It is not shown.",
  signature: "A message was not written by the device it claims to come from. It is not shown.",
  "not-allowed": "A message came from somebody who may not write here. It is not shown.",
  "device-ended": "A message came from a device that had been signed out or revoked. It is not shown.",
  "stale-epoch": "A message was sealed with a key that no longer counts. It is not shown.",
};

export const unreadableNotice = (reason: string): StoredNotice =>
  notice("unreadable", unreadableTexts[reason as UnreadableReason] ?? unreadableTexts.malformed);

export const invalidLinkNotice = (by: string): StoredNotice =>
  notice("invalid-link", `A change of this conversation, said to be by ${by}, does not follow the rules. It was ignored.`);

export const contradictionNotice = (by: string): StoredNotice =>
  notice(
    "contradiction",
    `${by} saw other entries before this message than this device did: something was dropped, swapped or held back, or ${by} is wrong.`,
  );

export const claimNotice = (by: string): StoredNotice =>
  notice(
    "contradiction",
    `${by} received other entries up to here than this device did: something was dropped, swapped or held back, or what was said about it is wrong.`,
  );

export const orderNotice = (by: string): StoredNotice =>
  notice("contradiction", `Messages of one of ${by}'s devices do not stand in the order in which it wrote them.`);

export const runsTwiceNotice = (by: string): StoredNotice =>
  notice("device-runs-twice", `This device of ${by} runs twice: a copy of its profile is in use somewhere.`);

export const forkNotice = (): StoredNotice =>
  notice("fork", "The server showed another entry at a place where this device already has one. What this device has was kept.");

export const linkMismatchNotice = (): StoredNotice =>
  notice("fork", "The server showed other changes of this conversation at different times. What came first was kept.");

export const evidenceNotice = (): StoredNotice =>
  notice("incomplete", "A change of this conversation came without what proves it; this device had the proof, or asked for it.");

export const incarnationNotice = (): StoredNotice =>
  notice("incomplete", "The server was restored from a backup here: newer messages may be missing on it.");

export const falseIncarnationNotice = (): StoredNotice =>
  notice("contradiction", "The server says that it was restored here, but to another past than this device knows: it is not believed.");

/** What a link did, for people; nothing for what nobody needs to know. */
export function linkNotices(changes: readonly ChainChange[], state: ConversationState, author: AccountId): StoredNotice[] {
  const nameOf = (account: AccountId) => (state.members.get(account)?.chain ?? state.former.get(account)?.chain)?.name ?? "somebody";
  const by = nameOf(author);
  return changes.flatMap((change): StoredNotice[] => {
    switch (change.kind) {
      case "created":
        return [notice("created", `${by} began this conversation. Messages are end-to-end encrypted.`)];
      case "device-recorded":
        return [notice("device-added", `${nameOf(change.account)} uses a new device.`)];
      case "device-ended":
        return [
          notice(
            "device-ended",
            change.how === "revoked" ? `${nameOf(change.account)} revoked a device.` : `${nameOf(change.account)} signed out on a device.`,
          ),
        ];
      case "identity-changed":
        return [notice("identity-changed", `${nameOf(change.account)}'s identity changed: compare safety numbers.`)];
      case "account-closed":
        return [notice("device-ended", `${nameOf(change.account)} closed the account.`)];
      case "epoch-opened":
        return change.epoch === 1 ? [] : [notice("rekeyed", `${by} renewed the key of this conversation.`)];
      case "turn-due":
      case "added":
      case "removed":
      case "left":
      case "role-changed":
      case "policy-changed":
      case "invitation-announced":
      case "invitation-revoked":
      case "profile-changed":
        return [];
      default:
        return change satisfies never;
    }
  });
}
