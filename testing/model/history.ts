import { fromBinary } from "@bufbuild/protobuf";
import { toHex } from "@fastchat/protocol/seal";
import { type ConversationLink, ConversationLinkSchema, EpochKind } from "@fastchat/protocol/wire/conversation";
import { takeDump } from "../groups/dump.ts";
import type { Run } from "./run.ts";

/** What happened in a group and what its people were told, line by line: for who must find out why something diverged. */
export async function historyOf(run: Run): Promise<string> {
  const { cast, id, deeds } = run;
  const nameOf = (bytes: Uint8Array): string =>
    cast.players.find(({ account }) => account === toHex(bytes))?.name ?? toHex(bytes).slice(0, 6);
  const { links, messages } = await takeDump(cast.system, id);
  const lines = [
    ...links.map(({ sequence, entry }) => ({ sequence, what: linkLine(fromBinary(ConversationLinkSchema, entry.link!.body), nameOf) })),
    ...messages.map(({ sequence, account, message }) => ({ sequence, what: `${nameOf(account)} writes in epoch ${message.epoch}` })),
  ];
  const told = deeds.map(({ player, operation, whom, outcome, from, until }) => {
    const about = whom === undefined ? "" : ` about ${whom.name}`;
    return `${player.name}, ${JSON.stringify(operation)}${about}: ${outcome}, links ${from} to ${until}`;
  });
  const log = lines.toSorted((one, other) => one.sequence - other.sequence).map(({ sequence, what }) => `${sequence}: ${what}`);
  return [...log, ...told].join("\n");
}

function linkLine({ index, account, change, heads, opening }: ConversationLink, nameOf: (bytes: Uint8Array) => string): string {
  const moved = heads.map((head) => ` [${nameOf(head.account)} at ${head.index}]`).join("");
  const kind = opening?.kind === EpochKind.FRESH ? "fresh" : "derived";
  const without = opening === undefined || opening.withoutKey.length === 0 ? "" : ` but for ${opening.withoutKey.map(nameOf).join()}`;
  const opens = opening === undefined ? "" : `, ${kind} epoch ${opening.epoch}${without}`;
  return `link ${index}, ${nameOf(account)}: ${changeWords(change, nameOf)}${moved}${opens}`;
}

function changeWords(change: ConversationLink["change"], nameOf: (bytes: Uint8Array) => string): string {
  switch (change.case) {
    case "create":
      return `create ${change.value.members.map(({ account, role }) => `${nameOf(account)} ${role}`).join()}`;
    case "add":
      return `add ${change.value.additions.map(({ member, invitation }) => `${nameOf(member!.account)} ${member!.role}${invitation.length > 0 ? " invited" : ""}`).join()}`;
    case "remove":
      return `remove ${change.value.accounts.map(nameOf).join()}`;
    case "role":
      return `role ${change.value.members.map(({ account, role }) => `${nameOf(account)} ${role}`).join()}`;
    case "leave":
      return `leave${change.value.successor.length > 0 ? ` to ${nameOf(change.value.successor)}` : ""}`;
    case "rekey":
      return `rekey, ${change.value.reason}`;
    case "policy": {
      const { mayAdd, mayWrite, newcomersRead, newcomersReadSinceEpoch, joining } = change.value.policy!;
      return `policy, ${JSON.stringify({ mayAdd, mayWrite, newcomersRead, newcomersReadSinceEpoch, joining })}`;
    }
    case "profile":
    case "headsOnly":
    case undefined:
      return change.case ?? "nothing";
    default:
      return change satisfies never;
  }
}
