import { type AccountId, type ConversationId, limits } from "@fastchat/protocol";
import { toHex } from "@fastchat/protocol/seal";
import { toBase64 } from "./base64.ts";
import type { FileMissing, MissingFile } from "./api-export.ts";
import type { ChatFile } from "./api-files.ts";
import type { GroupInfo, GroupInvitation, GroupPolicy, GroupRole } from "./api-groups.ts";
import type {
  BroadcastList,
  ChatItem,
  ChatMessage,
  ChatNotice,
  ConversationSummary,
  DeviceInfo,
  Mute,
  Person,
  Verification,
} from "./api.ts";
import { readPictureHeader } from "./media/index.ts";
import type { Standing } from "./standing.ts";

// The objects of an archive, documented in docs/export.md: fields are added, never changed or removed. Times are ISO 8601 in UTC.

export interface ExportedAccount {
  readonly type: "account";
  /** Of these objects. */
  readonly format: 1;
  readonly name: string;
  readonly account: AccountId;
  readonly device: string;
  readonly gateway: string;
  readonly exported: string;
  readonly conversations: number;
  readonly messages: number;
  /** In the archive. */
  readonly files: number;
  /** What could not be read, a sentence each; none: everything is there. */
  readonly missing: readonly string[];
  /** The first of the files that could not be had. */
  readonly missingFiles: readonly MissingFile[];
}

export interface ExportedPerson {
  readonly type: "contact";
  readonly name: string;
  readonly account: AccountId;
  readonly verification: Verification;
  readonly note: string;
  readonly blocked: boolean;
}

export interface ExportedDevice {
  readonly type: "device";
  readonly device: string;
  readonly name: string;
  readonly state: DeviceInfo["state"];
  readonly added: string | null;
  readonly lastSeen: string | null;
}

export interface ExportedList {
  readonly type: "broadcast-list";
  readonly name: string;
  readonly people: readonly string[];
}

export interface ExportedGroup {
  readonly name: string;
  readonly description: string;
  readonly role: GroupRole | null;
  readonly addedBy: string;
  readonly ended: { readonly how: "left" | "removed"; readonly by: string } | null;
  readonly members: readonly {
    readonly name: string;
    readonly account: AccountId;
    readonly role: GroupRole;
    readonly verification: Verification;
  }[];
  readonly policy: GroupPolicy;
  readonly invitations: readonly GroupInvitation[];
  /** Newest link of its chain. */
  readonly head: { readonly index: number; readonly hash: string };
  /** A `data:` URL; left out: none, or no picture that the viewer shows. */
  readonly picture?: string;
}

export interface ExportedConversation {
  readonly type: "conversation";
  readonly conversation: ConversationId;
  readonly kind: ConversationSummary["kind"];
  readonly title: string;
  readonly standing: Standing;
  /** The other one of a direct conversation. */
  readonly with: { readonly name: string; readonly account: AccountId; readonly verification: Verification } | null;
  readonly group?: ExportedGroup;
  /** Of the newest item. */
  readonly time: string;
  readonly readUpTo: number;
  readonly mute: Mute;
  readonly draft: string;
  readonly messages: number;
  readonly unreadable: number;
  /** Left out: who wrote them set that they disappear. */
  readonly disappearing: number;
  /** In the archive, with their bytes. */
  readonly files: number;
  readonly fileBytes: number;
  /** Those of its messages that are not. */
  readonly filesMissing: number;
  /** Places of the log before the first one that is here. */
  readonly notFetched: number;
  /** In the archive. */
  readonly file: string;
}

export interface ExportedFile {
  readonly name: string;
  readonly bytes: number;
  readonly kind: ChatFile["kind"];
  readonly mediaType: string;
  /** Pixels. */
  readonly width: number | null;
  readonly height: number | null;
  /** Seconds. */
  readonly duration: number | null;
  /** In the archive; null: it is not there. */
  readonly file: string | null;
  /** Null: it is there. */
  readonly missing: FileMissing | null;
  /** A `data:` URL; left out: none. */
  readonly thumbnail?: string;
}

export type ExportedItem =
  | {
      readonly type: "message";
      readonly sequence: number | null;
      readonly time: string;
      readonly id: string;
      readonly from: string;
      readonly account: AccountId;
      readonly device: string;
      readonly mine: boolean;
      readonly text: string;
      /** Its author deleted it for everybody: nothing else of it is left. */
      readonly deleted: boolean;
      readonly mentions: readonly string[];
      readonly files: readonly ExportedFile[];
      readonly status: ChatMessage["status"];
      readonly doubt: ChatMessage["doubt"];
    }
  | {
      readonly type: "notice";
      readonly sequence: number | null;
      readonly time: string;
      readonly notice: ChatNotice["notice"];
      readonly text: string;
    };

/** What the viewer knows before it reads any message. */
export interface ExportOverview {
  readonly account: ExportedAccount;
  readonly contacts: readonly ExportedPerson[];
  readonly devices: readonly ExportedDevice[];
  readonly lists: readonly ExportedList[];
  readonly conversations: readonly ExportedConversation[];
}

export const isoTime = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** Where a file is in the archive, or why it is not. */
export type Whereabouts = Pick<ExportedFile, "file" | "missing">;

/** @param whereabouts of a file of it, the how many-th from 0 */
export function exportedItem(item: ChatItem, whereabouts: (file: ChatFile, place: number) => Whereabouts): ExportedItem {
  const { sequence = null } = item;
  const time = isoTime(item.time);
  if (item.kind === "notice") return { type: "notice", sequence, time, notice: item.notice, text: item.text };
  const { id, from, mine, text, deleted, mentions, status, doubt } = item;
  const { name, account, device } = from;
  const files = item.files.map((file, place) => exportedFile(file, whereabouts(file, place)));
  return { type: "message", sequence, time, id, from: name, account, device, mine, text, deleted, mentions, files, status, doubt };
}

function exportedFile(
  { name, bytes, kind, mediaType, size, durationMs, thumbnail }: ChatFile,
  { file, missing }: Whereabouts,
): ExportedFile {
  const picture = thumbnail && pictureUrl(thumbnail);
  return {
    name,
    bytes,
    kind,
    mediaType,
    width: size?.width ?? null,
    height: size?.height ?? null,
    duration: durationMs === undefined ? null : durationMs / 1_000,
    file,
    missing,
    ...(picture !== undefined && { thumbnail: picture }),
  };
}

export const exportedPerson = ({ name, account, verification, note, blocked }: Person): ExportedPerson => ({
  type: "contact",
  name,
  account,
  verification,
  note,
  blocked,
});

export const exportedList = ({ name, people }: BroadcastList): ExportedList => ({
  type: "broadcast-list",
  name,
  people: people.map((person) => person.name),
});

export function exportedDevice({ device, name, state, added, lastSeen }: DeviceInfo): ExportedDevice {
  const time = (milliseconds: number | undefined) => (milliseconds === undefined ? null : isoTime(milliseconds));
  return { type: "device", device, name, state, added: time(added), lastSeen: time(lastSeen) };
}

export function exportedGroup(info: GroupInfo): ExportedGroup {
  const { name, description, role = null, addedBy, ended = null, members, policy, invitations, head } = info;
  const picture = pictureUrl(info.picture);
  return {
    name,
    description,
    role,
    addedBy,
    ended,
    members: members.map(({ person, role: theirs }) => {
      return { name: person.name, account: person.account, role: theirs, verification: person.verification };
    }),
    policy,
    invitations,
    head,
    ...(picture !== undefined && { picture }),
  };
}

/** First bytes, in hexadecimal, of the formats of pictures that browsers show and that are nothing but pictures. */
const formats: readonly (readonly [start: RegExp, type: string])[] = [
  [/^89504e470d0a1a0a/u, "image/png"],
  [/^ffd8ff/u, "image/jpeg"],
  [/^52494646.{8}57454250/u, "image/webp"],
  [/^474946383[79]61/u, "image/gif"],
];

/** Undefined, too, where few bytes would take much memory to be shown. */
function pictureUrl(picture: Uint8Array): string | undefined {
  const start = toHex(picture.subarray(0, 12));
  const type = formats.find(([format]) => format.test(start))?.[1];
  const header = readPictureHeader(picture);
  if (type === undefined || header === undefined || Math.max(header.width, header.height) > limits.groupPictureSide) return undefined;
  return `data:${type};base64,${toBase64(picture)}`;
}
