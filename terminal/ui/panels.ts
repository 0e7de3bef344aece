import type { ChatMessage } from "@fastchat/client";
import { lengthWords } from "../durations.ts";
import { deletedWords, fileWords } from "../files/words.ts";
import { shortLength } from "../lifetimes.ts";
import { safeLine, safeName, safeText } from "../safe-text.ts";
import { exactWords, listTime } from "../time.ts";
import { plural, unreadWords } from "../words.ts";
import { callsAttention } from "./attention.ts";
import { layOut } from "./editor.ts";
import { accountsRows } from "./accounts.ts";
import { devicesRows } from "./devices.ts";
import { revokePanel } from "./revoke.ts";
import { foundRows } from "./found.ts";
import { askersRows, infoRows, invitationRows, policyRows, receiptRows, requestsRows } from "./group-panels.ts";
import { helpRows } from "./help.ts";
import { type ListEntry, findEntries, leadOf, presenceDot, titleOf } from "./list.ts";
import { membersRows } from "./members.ts";
import { pickerPanel } from "./picker.ts";
import { type Row, blankRow, chosen, field, fitRow, paragraph, span, spread } from "./rows.ts";
import { type State, findConversation, serverTimeIn } from "./state.ts";

// What stands in the place of a conversation: the greeting, the switcher, help, details, safety numbers.

interface Panel {
  readonly rows: readonly Row[];
  readonly cursor: { readonly x: number; readonly y: number } | undefined;
}

/** Nobody's chat is open: what is unread, while away or since, and how to begin. */
const QUICK_TIP =
  "QuickChat: only what arrives from now on is shown; PgUp in a chat fetches what was before. Quitting signs out, and nothing stays on this machine.";

export function homeRows(state: State, width: number, height: number): readonly Row[] {
  const rows: Row[] = [blankRow];
  const unread = state.conversations.filter((conversation) => conversation.unread > 0);
  if (!state.caughtUp) rows.push(...paragraph(catchingUpWords(state), width, "dim"));
  else if (unread.length === 0) rows.push(...paragraph("No new messages!", width, "bold"));
  else {
    rows.push(...paragraph("New messages:", width, "bold"), blankRow);
    for (const conversation of unread.slice(0, Math.max(1, height - 8))) {
      const { unread: count, mentions, mute } = conversation;
      const messages = `  ${unreadWords(count)} ${count === 1 ? "message" : "messages"}`;
      const mentioned = mentions > 0 ? ", and you are mentioned" : "";
      const isCalling = callsAttention(conversation, mentions > 0);
      rows.push(
        fitRow(
          [
            span("  "),
            span(`${conversation.kind === "group" ? "# " : ""}${titleOf(conversation)}`, isCalling ? "unread" : "dim"),
            span(messages, isCalling ? "text" : "dim"),
            span(mentioned),
            span(mute === "none" ? "" : " (muted)", "dim"),
          ],
          width,
        ),
      );
    }
  }
  const asked = state.conversations.filter((conversation) => conversation.kind === "group" && conversation.group.joinRequests > 0);
  if (asked.length > 0) {
    rows.push(blankRow);
    for (const conversation of asked.slice(0, 3)) {
      const count = conversation.kind === "group" ? conversation.group.joinRequests : 0;
      rows.push(...paragraph(`${plural(count, "person asks", "people ask")} to be let into ${titleOf(conversation)}.`, width));
    }
  }
  const { count: requests } = state.requests;
  if (requests > 0) {
    const words = `${plural(requests, "request")} of people you do not know: /requests shows ${requests === 1 ? "it" : "them"}.`;
    rows.push(blankRow, ...paragraph(words, width, "dim"));
  }
  if (state.quick) rows.push(blankRow, ...paragraph(QUICK_TIP, width, "dim"));
  const tips =
    state.conversations.length === 0
      ? ["Type somebody's username below and press Enter to talk. What you write can be read by the two of you alone: no server can."]
      : ["Enter opens the chosen chat. Or type a name below."];
  rows.push(blankRow, ...tips.flatMap((tip) => paragraph(tip, width, "dim")));
  return rows;
}

function catchingUpWords({ catchingUp }: State): string {
  if (catchingUp === undefined) return "Looking for new messages…";
  return `Fetching what is new: ${catchingUp.done} of ${plural(catchingUp.total, "conversation")}…`;
}

export function overlayRows(state: State, width: number, height: number): Panel {
  const { overlay } = state;
  switch (overlay.kind) {
    case "switcher":
      return switcherPanel(state, overlay, width, height);
    case "help":
      return { rows: scrolledRows(helpRows(state, width), overlay.top, height), cursor: undefined };
    case "details":
      return { rows: detailRows(state, overlay, width), cursor: undefined };
    case "picker":
      return pickerPanel(state, overlay, width, height);
    case "verify":
      return { rows: verifyRows(overlay, width), cursor: undefined };
    case "confirm":
      return {
        rows: [blankRow, ...paragraph(safeLine(overlay.question), width, "bold"), blankRow, ...paragraph("y  yes     n  no", width)],
        cursor: undefined,
      };
    case "members":
      return { rows: membersRows(state, width, height), cursor: undefined };
    case "askers":
      return { rows: askersRows(state, overlay.index, width, height), cursor: undefined };
    case "info":
    case "policy": {
      const rows = overlay.kind === "info" ? infoRows : policyRows;
      const shown = state.group === undefined ? [blankRow, ...paragraph("One moment…", width, "dim")] : rows(state.group, width);
      return { rows: scrolledRows(shown, overlay.top, height), cursor: undefined };
    }
    case "invitation":
      return { rows: invitationRows(overlay.invitation, overlay.link, width), cursor: undefined };
    case "requests":
      return { rows: requestsRows(state, overlay.index, width, height), cursor: undefined };
    case "devices":
      return { rows: devicesRows(overlay, state.now, width, height), cursor: undefined };
    case "accounts":
      return { rows: accountsRows(state, overlay.index, width, height), cursor: undefined };
    case "revoke":
      return revokePanel(overlay, width);
    case "found":
      return { rows: foundRows(overlay.groups, overlay.index, width, height), cursor: undefined };
    case "picture":
    case "none":
      return { rows: [], cursor: undefined };
    default:
      return overlay satisfies never;
  }
}

function scrolledRows(rows: readonly Row[], top: number, height: number): readonly Row[] {
  const from = Math.max(0, Math.min(top, rows.length - height));
  return rows.slice(from, from + height);
}

function switcherPanel(state: State, overlay: Extract<State["overlay"], { kind: "switcher" }>, width: number, height: number): Panel {
  const found = findEntries(state, overlay.editor.text);
  const { column } = layOut(overlay.editor, 10_000);
  const field: Row = [
    span(" Find: ", "accent"),
    overlay.editor.text === "" ? span("a chat or a person", "dim") : span(overlay.editor.text),
  ];
  const room = Math.max(1, height - 2);
  const top = Math.max(0, Math.min(overlay.index - Math.floor(room / 2), found.length - room));
  const rows = found.slice(top, top + room).map((entry, index): Row => {
    const row = switcherRow(state, entry, width);
    return index + top === overlay.index ? chosen(row) : row;
  });
  const typed = overlay.editor.text.trim();
  if (found.length === 0) rows.push([span(typed === "" ? "  Nobody here yet." : `  Enter looks for "${safeName(typed)}".`, "dim")]);
  return { rows: [field, blankRow, ...rows], cursor: { x: Math.min(7 + column, width - 1), y: 0 } };
}

function switcherRow(state: State, entry: ListEntry, width: number): Row {
  switch (entry.kind) {
    case "conversation": {
      const { conversation } = entry;
      const when = conversation.last === undefined ? "" : listTime(conversation.last.time, state.now);
      const unread = conversation.unread > 0 ? `${unreadWords(conversation.unread)} new` : "";
      const right = [span(unread === "" ? when : unread, unread === "" ? "dim" : "unread"), span("  ")] as const;
      return spread([span("  "), ...leadOf(conversation, !state.colour), span(titleOf(conversation))], right, width);
    }
    case "person":
      return fitRow([span("  "), ...presenceDot(entry.person, !state.colour), span(safeName(entry.person.name))], width);
    case "requests":
      return fitRow([span(`    Requests (${entry.count.toLocaleString("en-GB")})`, "dim")], width);
    default:
      return entry satisfies never;
  }
}

const STATUS_WORDS = {
  queued: "waiting here to be sent",
  sent: "on the server",
  delivered: "delivered to the other side",
  read: "read by the other side",
  failed: "refused by the server",
} as const;

/** In a group all others are meant. */
const GROUP_STATUS_WORDS = { ...STATUS_WORDS, delivered: "delivered to all members", read: "read by all members" } as const;

function detailRows(state: State, { message, receipts }: Extract<State["overlay"], { kind: "details" }>, width: number): readonly Row[] {
  const isGroup = findConversation(state, message.conversation)?.kind === "group";
  const { sequence } = message;
  const shown = isGroup && message.mine && sequence !== undefined;
  return [
    blankRow,
    ...field("From", message.mine ? `you (${safeName(message.from.name)})` : safeName(message.from.name), width),
    ...field("Time", exactWords(message.time), width),
    ...(message.mine ? field("Status", (isGroup ? GROUP_STATUS_WORDS : STATUS_WORDS)[message.status], width) : []),
    ...(shown
      ? receipts === undefined
        ? field("Read by", "One moment…", width)
        : receiptRows(receipts, sequence, state.me.name, width)
      : []),
    ...lifetimeField(state, message, width),
    ...field("Number", sequence === undefined ? "not yet in the log" : String(sequence), width),
    ...field("Device", message.from.device.slice(0, 16), width),
    ...field("Id", message.id, width),
    ...message.files.flatMap((file, index) => field(index === 0 ? "Files" : "", `${fileWords(file)}, ${file.mediaType}`, width)),
    blankRow,
    ...(message.deleted ? paragraph(deletedWords(message), width, "dim") : paragraph(safeText(message.text), width)),
  ];
}

function lifetimeField(state: State, { expiresAfter, expires }: ChatMessage, width: number): readonly Row[] {
  if (expires !== undefined) {
    const left = shortLength((expires - serverTimeIn(state)) / 1_000);
    return field("Ends", `in ${left}, ${exactWords(expires)}`, width);
  }
  return expiresAfter === 0 ? [] : field("Ends", `${lengthWords(expiresAfter)} after it was read`, width);
}

function verifyRows({ name, number }: Extract<State["overlay"], { kind: "verify" }>, width: number): readonly Row[] {
  const title = paragraph(`Safety number of you and ${safeName(name)}`, width, "bold");
  if (number === undefined) return [blankRow, ...title, blankRow, ...paragraph("One moment…", width, "dim")];
  const groups = safeLine(number.digits).split(" ");
  const perRow = width >= 40 ? 6 : 4;
  const digits: Row[] = [];
  for (let at = 0; at < groups.length; at += perRow) digits.push([span("    "), span(groups.slice(at, at + perRow).join(" "), "bold")]);
  const known = {
    verified: "You have marked this as compared.",
    "not-verified": "Not compared yet.",
    changed: "The identity has changed since you last looked.",
  }[number.verification];
  return [
    blankRow,
    ...title,
    blankRow,
    ...digits,
    blankRow,
    ...paragraph(safeLine(number.words), width),
    blankRow,
    ...paragraph(
      `Ask ${safeName(name)} for theirs, by voice or in person, not here. The same: press y. Different: press n, and trust nothing written here.`,
      width,
      "dim",
    ),
    ...paragraph(known, width, number.verification === "changed" ? "error" : "dim"),
  ];
}
