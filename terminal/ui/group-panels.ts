import type { GroupInvitation, Receipt } from "@fastchat/client";
import { cells, pad, wrap } from "../cells.ts";
import { messageWords } from "../files/words.ts";
import { type Rule, ruleNames, ruleWords, rules } from "../group-policy.ts";
import { refusal } from "../group-rights.ts";
import { safeLine, safeName, safeText } from "../safe-text.ts";
import { listTime } from "../time.ts";
import { fewWords, plural } from "../words.ts";
import { leadOf, titleOf } from "./list.ts";
import { type Row, blankRow, chosen, field, fitRow, listTop, paragraph, span, spread } from "./rows.ts";
import type { OpenGroup, State } from "./state.ts";

// What lies over a group's conversation; and over any, strangers' requests.

export function infoRows({ info }: OpenGroup, width: number): readonly Row[] {
  const admins = info.members.filter(({ role }) => role === "admin").map(({ person }) => safeName(person.name));
  const invitations = info.invitations.filter(({ state }) => state === "good");
  return [
    blankRow,
    ...paragraph(info.name === "" ? "A group without a name" : safeLine(info.name), width, "bold"),
    ...(info.description === "" ? [] : paragraph(safeText(info.description), width)),
    blankRow,
    ...field("Members", info.members.length.toLocaleString("en-GB"), width),
    ...field("Admins", fewWords(admins, 10), width),
    ...field("You", info.ended === undefined ? (info.role ?? "") : info.ended.how === "left" ? "left" : "were removed", width),
    ...(info.joinRequests > 0 ? field("Asking", `${plural(info.joinRequests, "person", "people")} to be let in: /requests`, width) : []),
    blankRow,
    [span("  RULES", "dim"), span("  /policy", "dim")],
    ...ruleRows({ info, askers: [] }, width),
    ...(invitations.length > 0
      ? [blankRow, [span("  INVITATIONS", "dim")], ...invitations.flatMap((each) => invitationFields(each, width))]
      : []),
    blankRow,
    ...field("Epoch", String(info.epoch), width),
    ...field("Change", `number ${info.head.index}, ${info.head.hash.slice(0, 16)}: the same for every member who is up to date`, width),
    ...field("Id", info.id.slice(0, 16), width),
  ];
}

/** So many letters of an invitation's id are shown, as the commands show them. */
const invitationId = (publicKey: string): string => publicKey.slice(0, 8);

function invitationFields({ publicKey, uses, used, lastDay }: GroupInvitation, width: number): readonly Row[] {
  return field(invitationId(publicKey), `used ${used} of ${plural(uses, "time")}, until ${lastDay}`, width);
}

const RULE_CELLS = 10;
const STANDS_CELLS = 13;
const NARROWEST_MEANING = 12;

function ruleRows({ info }: OpenGroup, width: number): Row[] {
  const room = width - RULE_CELLS - STANDS_CELLS - 4;
  if (room < NARROWEST_MEANING)
    return ruleNames.flatMap((rule) => [
      ...field(rule, ruleWords(info.policy, rule), width),
      ...wrap(rules[rule].means, Math.max(4, width - 6)).map((row): Row => [span("      "), span(row.text, "dim")]),
    ]);
  return ruleNames.flatMap((rule) =>
    wrap(rules[rule].means, room).map(({ text }, index) => {
      const [name, stands] = index === 0 ? [rule, ruleWords(info.policy, rule)] : ["", ""];
      return fitRow([span(`  ${pad(name, RULE_CELLS)}`, "dim"), span(`${pad(stands, STANDS_CELLS)} `), span(text, "dim")], width);
    }),
  );
}

/** What to type for a rule: on a narrow screen its values stand below it. */
function exampleRows(rule: Rule, width: number): readonly Row[] {
  const [command, values] = [`  /policy ${rule}`, rules[rule].values.replaceAll("|", " | ")];
  if (cells(command) + cells(values) + 1 <= width) return [[span(`${command} `), span(values, "dim")]];
  return [[span(command)], ...wrap(values, Math.max(4, width - 6)).map((row): Row => [span("      "), span(row.text, "dim")])];
}

export function policyRows(group: OpenGroup, width: number): readonly Row[] {
  const examples = ruleNames.flatMap((rule) => exampleRows(rule, width));
  const why = refusal(group.info, "policy");
  return [
    blankRow,
    ...paragraph("Rules of this group", width, "bold"),
    blankRow,
    ...ruleRows(group, width),
    blankRow,
    ...(why === undefined ? examples : paragraph(why, width, "dim")),
  ];
}

/** The link has whole rows for itself, so that it can be marked and copied. */
export function invitationRows({ publicKey, uses, lastDay }: GroupInvitation, link: string, width: number): readonly Row[] {
  return [
    blankRow,
    ...paragraph("Whoever has this link can join:", width, "bold"),
    blankRow,
    ...wrap(safeLine(link), width).map((row): Row => [span(row.text)]),
    blankRow,
    ...paragraph(`Good for ${plural(uses, "person", "people")}, until ${lastDay}.`, width),
    ...paragraph(`It is shown only now: y copies it. /link revoke ${invitationId(publicKey)} takes it back.`, width, "dim"),
  ];
}

export function askersRows(state: State, index: number, width: number, height: number): readonly Row[] {
  const askers = state.group?.askers ?? [];
  if (askers.length === 0) return [blankRow, ...paragraph("Nobody asks to be let in.", width, "dim")];
  const room = Math.max(1, height - 2);
  const top = listTop(index, askers.length, room);
  const rows = askers.slice(top, top + room).map(({ person, by, time }, at): Row => {
    const how = by === "invitation" ? "has an invitation" : "found its public name";
    const row = spread(
      [span("  "), span(safeName(person.name)), span(`  ${how}`, "dim")],
      [span(listTime(time, state.now), "dim"), span("  ")],
      width,
    );
    return at + top === index ? chosen(row) : row;
  });
  return [...paragraph(`${plural(askers.length, "person asks", "people ask")} to be let in:`, width, "bold"), blankRow, ...rows];
}

export function requestsRows(state: State, index: number, width: number, height: number): readonly Row[] {
  const { count, conversations } = state.requests;
  if (count === 0) return [blankRow, ...paragraph("No requests: no stranger waits for an answer.", width, "dim")];
  const unread = count - conversations.length;
  const about = paragraph("From people you do not know. None of them is told that you look at this.", width, "dim");
  const more = unread > 0 ? paragraph(`and ${unread.toLocaleString("en-GB")} more, not read yet`, width, "dim") : [];
  const room = Math.max(1, height - about.length - more.length - 1);
  const top = listTop(index, conversations.length, room);
  const rows = conversations.slice(top, top + room).map((conversation, at): Row => {
    const { last } = conversation;
    const isGroup = conversation.kind === "group";
    const added = isGroup ? `${safeName(conversation.group.addedBy)} added you` : "";
    const by = isGroup && last !== undefined ? `; ${safeName(last.from.name)}: ` : "";
    const said = `${added}${by}${last === undefined ? "" : safeLine(messageWords(last).slice(0, 200))}`;
    const when = last === undefined ? "" : `${listTime(last.time, state.now)} `;
    const row = spread(
      [span(" "), ...leadOf(conversation, !state.colour), span(titleOf(conversation), "bold"), span(`  ${said}`, "dim")],
      [span(when, "dim")],
      width,
    );
    return at + top === index ? chosen(row) : row;
  });
  return [...about, blankRow, ...rows, ...more];
}

const NAMES_SHOWN = 10;

/** Who has read and who has received a message of one's own, as far as they say so. */
export function receiptRows(receipts: readonly Receipt[], sequence: number, me: string, width: number): readonly Row[] {
  const others = receipts.filter(({ name }) => name !== me);
  const read = others.filter((receipt) => receipt.read >= sequence);
  const received = others.filter((receipt) => receipt.delivered >= sequence && receipt.read < sequence);
  const names = (some: readonly Receipt[]): string =>
    some.length === 0
      ? "nobody yet"
      : fewWords(
          some.map(({ name }) => safeName(name)),
          NAMES_SHOWN,
        );
  return [
    ...field("Read by", names(read), width),
    ...(received.length > 0 || read.length === 0 ? field("Received", names(received), width) : []),
  ];
}
