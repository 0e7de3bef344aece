import type {
  ChatItem,
  ChatMessage,
  Client,
  ClientEvent,
  ConnectionState,
  ConversationSummary,
  DeviceInfo,
  FoundGroup,
  GroupInfo,
  GroupInvitation,
  JoinRequestInfo,
  Me,
  Mute,
  Person,
  Receipt,
  SafetyNumber,
  MessagePlace,
} from "@fastchat/client";
import type { GroupChange } from "./group-change.ts";
import type { OtherAccount } from "./accounts.ts";
import { type Editor, emptyEditor } from "./editor.ts";
import type { Key, Keymap } from "./keys.ts";
import type { Cells, PictureInfo, Pixels, Size } from "../pictures/pixels.ts";
import type { FolderEntry } from "../files/folders.ts";
import type { NamedFile, PreparedFile, SentAs } from "../files/to-send.ts";
import type { PictureTerminal } from "../pictures/terminal.ts";
import type { LoadedPicture, MessagePicture } from "./picture-block.ts";
import type { Entry } from "./timeline.ts";
import type { Position } from "./transcript.ts";

export type ConversationId = ConversationSummary["id"];
type AccountId = Person["account"];

/**
 * Whether items are being fetched; `slow`: long enough to say so; `stalled`: older ones could not be had, and are asked for again with the next
 * connection or when somebody scrolls.
 */
export type Loading = "no" | "asked" | "slow" | "stalled";

/** One open or once opened conversation. */
export interface Chat {
  readonly entries: readonly Entry[];
  /** Older items exist than those here. */
  readonly more: boolean;
  readonly loading: Loading;
  /** The newest items have been loaded. */
  readonly loaded: boolean;
  readonly position: Position;
  readonly unreadAfter: number | undefined;
  /** Messages that came below while scrolled up. */
  readonly below: number;
  /** Key of the selected message. */
  readonly selected: string | undefined;
  readonly editor: Editor;
  /** Files that go with the next message. */
  readonly attached: readonly PreparedFile[];
  /** Marked as read up to here by us. */
  readonly marked: number;
  /** Somebody scrolled up: in a QuickChat session what is older is fetched for who does so, and not before. */
  readonly wantsOlder: boolean;
}

/** The group whose chat is open, with what a list does not need. */
export interface OpenGroup {
  readonly info: GroupInfo;
  /** Who asks to be let in, for those who may answer. */
  readonly askers: readonly JoinRequestInfo[];
}

/** Conversations that strangers began: all are counted, some are read so far. */
export interface Requests {
  readonly count: number;
  readonly conversations: readonly ConversationSummary[];
}

export type Overlay =
  | { readonly kind: "none" }
  | { readonly kind: "switcher"; readonly editor: Editor; readonly index: number }
  | { readonly kind: "help"; readonly top: number }
  /** `receipts`: of one's own message in a group; undefined: not known yet. */
  | { readonly kind: "details"; readonly message: ChatMessage; readonly receipts: readonly Receipt[] | undefined }
  /** A picture of a message, as large as the screen; `index`: the how many-th; `loaded`: undefined: not asked for yet. */
  | { readonly kind: "picture"; readonly message: ChatMessage; readonly index: number; readonly loaded: LoadedPicture | undefined }
  /** Files are chosen in a folder; `editor`: what their names hold; `marked`: paths of those that are chosen already. */
  | {
      readonly kind: "picker";
      readonly sentAs: SentAs;
      /** Undefined: where one begins. */
      readonly folder: string | undefined;
      readonly editor: Editor;
      readonly index: number;
      readonly marked: readonly string[];
    }
  | { readonly kind: "verify"; readonly name: string; readonly number: SafetyNumber | undefined }
  /** The members' panel has the keys; without room beside the transcript it lies over it. */
  | { readonly kind: "members"; readonly index: number }
  | { readonly kind: "askers"; readonly index: number }
  | { readonly kind: "info"; readonly top: number }
  | { readonly kind: "policy"; readonly top: number }
  | { readonly kind: "invitation"; readonly invitation: GroupInvitation; readonly link: string }
  | { readonly kind: "requests"; readonly index: number }
  /** Groups with a public name. */
  | { readonly kind: "found"; readonly groups: readonly FoundGroup[]; readonly index: number }
  | { readonly kind: "devices"; readonly devices: readonly DeviceInfo[]; readonly index: number }
  | { readonly kind: "accounts"; readonly index: number }
  /** The password is being typed; `isBusy`: it was, and the answer is awaited. */
  | {
      readonly kind: "revoke";
      readonly device: DeviceInfo;
      readonly password: Editor;
      readonly isBusy: boolean;
      readonly fault: string | undefined;
    }
  /** `back`: what lay there before, and does again after the answer. */
  | { readonly kind: "confirm"; readonly question: string; readonly effect: Effect; readonly back?: Overlay };

/** A folder as it was looked at last; `entries`: undefined: on their way. */
export interface Folder {
  readonly path: string;
  readonly entries: readonly FolderEntry[] | undefined;
}

/** What is done with files and takes its time; `total`: bytes, 0: not known. */
export interface Transfer {
  /** As "Reading photo.jpg". */
  readonly words: string;
  readonly done: number;
  readonly total: number;
  /** Nothing is sent there before it is over. */
  readonly holds: ConversationId | undefined;
}

/** One line of answer to what was done, which goes when the person goes on; or a warning. */
export interface Flash {
  readonly text: string;
  readonly tone: "plain" | "error" | "warning";
  /** Milliseconds since 1970. */
  readonly since: number;
  /** When it goes away, a warning with the next key after; Infinity: it waits for a key. */
  readonly until: number;
}

/** What arrived in conversations that are not open. */
export interface News {
  readonly conversation: ConversationId;
  readonly message: ChatMessage;
}

export interface State {
  readonly columns: number;
  readonly rows: number;
  /** This machine's clock, as of the last change. */
  readonly now: number;
  /** How far the server's clock is ahead of it, milliseconds: by that one messages are over. */
  readonly serverAhead: number;
  readonly colour: boolean;
  readonly keymap: Keymap;
  readonly pictureTerminal: PictureTerminal;
  /** The pixels of pictures among messages, by the picture's key. */
  readonly pictures: ReadonlyMap<string, LoadedPicture>;
  /** What the terminal holds of them, by the number it has for each: only with the kitty protocol. */
  readonly told: ReadonlyMap<number, ToldPicture>;
  readonly me: Me;
  /** A QuickChat session. */
  readonly quick: boolean;
  /** Other accounts on this machine, in the order in which one key goes round them. */
  readonly others: readonly OtherAccount[];
  readonly connection: ConnectionState;
  /** Since when not online, for the bar that waits two seconds. */
  readonly offlineSince: number | undefined;
  /** Pinned ones first, then newest first. */
  readonly conversations: readonly ConversationSummary[];
  readonly requests: Requests;
  readonly people: readonly Person[];
  readonly open: ConversationId | undefined;
  /** Undefined: no group's chat is open, or its members are not known yet. */
  readonly group: OpenGroup | undefined;
  /** The members' panel is wished for beside every group's transcript. */
  readonly membersBeside: boolean;
  /** Members whose presence is looked at, besides that of people. */
  readonly watched: readonly AccountId[];
  /** A group that one asked to be let into, and wants to see as soon as one is in. */
  readonly joining: ConversationId | undefined;
  /** New keys that are being sealed. */
  readonly sealing: ReadonlyMap<ConversationId, { readonly done: number; readonly total: number }>;
  readonly chats: ReadonlyMap<ConversationId, Chat>;
  /** The newest last: that is the one that shows. */
  readonly transfers: ReadonlyMap<number, Transfer>;
  /** That of a path that is being typed, or of the picker. */
  readonly folder: Folder | undefined;
  /** Where files were chosen last. */
  readonly pickedIn: string | undefined;
  /** What is written while no chat is open. */
  readonly homeEditor: Editor;
  /** Chosen entry of the list while no chat is open. */
  readonly listIndex: number;
  readonly overlay: Overlay;
  readonly news: News | undefined;
  readonly flash: Flash | undefined;
  /** Everything from the time away is here. */
  readonly caughtUp: boolean;
  /** It was said what messages that disappear protect from. */
  readonly lifetimesTold: boolean;
  /** How many conversations are here by now of those in which something happened. */
  readonly catchingUp: { readonly done: number; readonly total: number } | undefined;
}

/** What a terminal has been told of a picture. */
export interface ToldPicture {
  readonly pixels: Pixels;
  readonly cells: Cells;
}

/** Among messages, or in the view of one. */
export type PictureUse = "transcript" | "view";

export type TellPicture =
  | { readonly kind: "send"; readonly id: number; readonly pixels: Pixels }
  | { readonly kind: "place"; readonly id: number; readonly cells: Cells }
  | { readonly kind: "forget"; readonly id: number };

export type Effect =
  /** `news`: what arrived there before anything was known about it. */
  | { readonly kind: "load-conversation"; readonly id: ConversationId; readonly news?: ChatMessage }
  | { readonly kind: "load-group"; readonly id: ConversationId }
  | { readonly kind: "load-requests" }
  | { readonly kind: "load-receipts"; readonly message: ChatMessage }
  | { readonly kind: "watch-members"; readonly accounts: readonly AccountId[] }
  | { readonly kind: "load-people"; readonly text: string }
  | { readonly kind: "load-items"; readonly id: ConversationId; readonly before: number | undefined; readonly limit: number }
  /** `orGroup`: a group that is called so, for the case that nobody is. */
  | { readonly kind: "open-direct"; readonly name: string; readonly orGroup?: ConversationId }
  /** `expiresAfter`: seconds; left out: as is set for the chat. `line`: what was typed, where that is more than the text. */
  | {
      readonly kind: "send";
      readonly id: ConversationId;
      readonly text: string;
      readonly files?: readonly PreparedFile[];
      readonly expiresAfter?: number;
      readonly line?: string;
    }
  | { readonly kind: "attach"; readonly id: ConversationId; readonly files: readonly NamedFile[]; readonly line?: string }
  /** What was pasted, in case that it names files. */
  | { readonly kind: "look-for-files"; readonly id: ConversationId; readonly text: string }
  /** `path`: undefined: where one begins. */
  | { readonly kind: "list-folder"; readonly path: string | undefined; readonly sentAs: SentAs }
  | { readonly kind: "save-files"; readonly message: ChatMessage }
  | { readonly kind: "open-file"; readonly message: ChatMessage; readonly place: number }
  | { readonly kind: "cancel-transfer"; readonly transfer: number }
  | { readonly kind: "cancel-upload"; readonly message: ChatMessage["id"] }
  | { readonly kind: "delete-message"; readonly id: ConversationId; readonly message: MessagePlace }
  | { readonly kind: "retry"; readonly message: ChatMessage["id"] }
  | { readonly kind: "mark-read"; readonly id: ConversationId; readonly sequence: number }
  | { readonly kind: "draft"; readonly id: ConversationId; readonly text: string }
  | { readonly kind: "typing"; readonly id: ConversationId; readonly active: boolean }
  | { readonly kind: "safety-number"; readonly name: string }
  | { readonly kind: "set-verified"; readonly name: string; readonly verified: boolean }
  | { readonly kind: "accept-identity"; readonly name: string }
  | { readonly kind: "accept-fork"; readonly id: ConversationId }
  | { readonly kind: "set-note"; readonly name: string; readonly note: string }
  | { readonly kind: "create-group"; readonly name: string; readonly members: readonly string[]; readonly line: string }
  /** `line`: what was typed, which comes back when it is refused. */
  | { readonly kind: "change-group"; readonly id: ConversationId; readonly change: GroupChange; readonly line?: string }
  | { readonly kind: "invite"; readonly id: ConversationId; readonly uses?: number; readonly days?: number }
  | { readonly kind: "join"; readonly to: string; readonly line: string }
  | { readonly kind: "find-groups"; readonly text: string; readonly line: string }
  | { readonly kind: "switch-account"; readonly profile: string }
  | { readonly kind: "add-account" }
  | { readonly kind: "list-devices"; readonly line: string }
  | { readonly kind: "revoke-device"; readonly device: DeviceInfo; readonly password: string }
  | { readonly kind: "set-timer"; readonly id: ConversationId; readonly seconds: number; readonly line: string }
  | { readonly kind: "set-retention"; readonly id: ConversationId; readonly seconds: number; readonly line: string }
  | { readonly kind: "set-mute"; readonly id: ConversationId; readonly mute: Mute }
  | { readonly kind: "set-pinned"; readonly id: ConversationId; readonly pinned: boolean }
  | { readonly kind: "set-blocked"; readonly name: string; readonly blocked: boolean }
  | { readonly kind: "accept-request"; readonly id: ConversationId }
  /** Undefined: all that wait. */
  | { readonly kind: "decline-request"; readonly id: ConversationId | undefined }
  | { readonly kind: "broadcast"; readonly to: string; readonly text: string; readonly line: string }
  | { readonly kind: "broadcast-lists" }
  /** `people`: none: it is gone. */
  | { readonly kind: "set-broadcast-list"; readonly name: string; readonly people: readonly string[]; readonly line: string }
  /** `size`: at most so many pixels. */
  | {
      readonly kind: "load-picture";
      readonly message: ChatMessage;
      readonly picture: MessagePicture;
      readonly use: PictureUse;
      readonly size: Size;
    }
  | { readonly kind: "tell-picture"; readonly tell: TellPicture }
  | { readonly kind: "copy"; readonly text: string }
  | { readonly kind: "redraw" }
  | { readonly kind: "sign-out" }
  | { readonly kind: "quit" };

export type Action =
  | { readonly kind: "key"; readonly key: Key; readonly now: number }
  | { readonly kind: "paste"; readonly text: string; readonly now: number }
  | { readonly kind: "resize"; readonly columns: number; readonly rows: number }
  | { readonly kind: "tick"; readonly now: number; readonly serverAhead: number }
  | { readonly kind: "event"; readonly event: ClientEvent; readonly now: number }
  | { readonly kind: "conversation"; readonly conversation: ConversationSummary; readonly news?: ChatMessage }
  | { readonly kind: "conversations"; readonly conversations: readonly ConversationSummary[] }
  | { readonly kind: "requests"; readonly requests: Requests }
  | { readonly kind: "declined"; readonly id: ConversationId | undefined }
  | { readonly kind: "asked-to-join"; readonly id: ConversationId; readonly now: number }
  | { readonly kind: "devices"; readonly devices: readonly DeviceInfo[]; readonly now: number }
  | { readonly kind: "accounts"; readonly others: readonly OtherAccount[] }
  /** Another account shows: what arrives from now on is not read here. */
  | { readonly kind: "put-away" }
  | { readonly kind: "revoked"; readonly device: DeviceInfo; readonly now: number }
  | { readonly kind: "revoke-refused"; readonly sentence: string; readonly now: number }
  | { readonly kind: "found-groups"; readonly text: string; readonly groups: readonly FoundGroup[]; readonly now: number }
  | { readonly kind: "group"; readonly group: OpenGroup }
  | { readonly kind: "invitation"; readonly id: ConversationId; readonly invitation: GroupInvitation; readonly link: string }
  | { readonly kind: "receipts"; readonly message: ChatMessage["id"]; readonly receipts: readonly Receipt[] }
  | { readonly kind: "people"; readonly people: readonly Person[] }
  | {
      readonly kind: "items";
      readonly id: ConversationId;
      readonly items: readonly ChatItem[];
      readonly more: boolean;
      readonly newest: boolean;
    }
  /** What was asked for takes its time. */
  | { readonly kind: "slow"; readonly id: ConversationId }
  | { readonly kind: "opened"; readonly conversation: ConversationSummary }
  | {
      readonly kind: "not-sent";
      readonly id: ConversationId;
      readonly text: string;
      readonly files: readonly PreparedFile[];
      readonly sentence: string;
      readonly now: number;
    }
  | { readonly kind: "attached"; readonly id: ConversationId; readonly files: readonly PreparedFile[] }
  | { readonly kind: "files-found"; readonly id: ConversationId; readonly text: string; readonly files: readonly NamedFile[] }
  /** `asked`: as it was asked for; `state`: undefined: it is over. */
  | { readonly kind: "transfer"; readonly transfer: number; readonly state: Transfer | undefined }
  | { readonly kind: "folder"; readonly asked: string | undefined; readonly path: string; readonly entries: readonly FolderEntry[] }
  | { readonly kind: "refused"; readonly line: string; readonly sentence: string; readonly now: number }
  | { readonly kind: "safety-number"; readonly name: string; readonly number: SafetyNumber }
  /** Undefined: they could not be had. */
  | { readonly kind: "pixels"; readonly key: PictureInfo["key"]; readonly use: PictureUse; readonly pixels: Pixels | undefined }
  | { readonly kind: "said"; readonly text: string; readonly tone: Flash["tone"]; readonly now: number };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export const step = (state: State, ...effects: readonly Effect[]): Step => ({ state, effects });

export function initialState(
  client: Pick<Client, "me" | "connection" | "quick" | "serverTime">,
  options: Pick<State, "columns" | "rows" | "now" | "colour" | "keymap" | "pictureTerminal">,
): State {
  return {
    ...options,
    pictures: new Map(),
    told: new Map(),
    me: client.me,
    quick: client.quick,
    others: [],
    connection: client.connection,
    serverAhead: client.serverTime - options.now,
    offlineSince: client.connection.kind === "online" ? undefined : options.now,
    conversations: [],
    requests: { count: 0, conversations: [] },
    people: [],
    open: undefined,
    group: undefined,
    membersBeside: false,
    watched: [],
    joining: undefined,
    sealing: new Map(),
    chats: new Map(),
    transfers: new Map(),
    folder: undefined,
    pickedIn: undefined,
    homeEditor: emptyEditor,
    listIndex: 0,
    overlay: { kind: "none" },
    news: undefined,
    flash: undefined,
    caughtUp: false,
    lifetimesTold: false,
    catchingUp: undefined,
  };
}

export const emptyChat: Chat = {
  entries: [],
  more: false,
  loading: "no",
  loaded: false,
  position: { kind: "bottom" },
  unreadAfter: undefined,
  below: 0,
  selected: undefined,
  editor: emptyEditor,
  attached: [],
  marked: 0,
  wantsOlder: false,
};

export const openChat = (state: State): Chat | undefined => (state.open === undefined ? undefined : state.chats.get(state.open));

export function findConversation(state: State, id: ConversationId | undefined): ConversationSummary | undefined {
  if (id === undefined) return undefined;
  const isIt = (conversation: ConversationSummary): boolean => conversation.id === id;
  return state.conversations.find(isIt) ?? state.requests.conversations.find(isIt);
}

/** The server's time, as of the last change. */
export const serverTimeIn = ({ now, serverAhead }: State): number => now + serverAhead;

export const openConversation = (state: State): ConversationSummary | undefined => findConversation(state, state.open);

/** What could not be had is asked for again. */
export function unstalled(state: State): State {
  const stalled = [...state.chats].filter(([, { loading }]) => loading === "stalled");
  return stalled.reduce((next, [id]) => withChat(next, id, (chat) => ({ ...chat, loading: "no" })), state);
}

export function withChat(state: State, id: ConversationId, change: (chat: Chat) => Chat): State {
  const chats = new Map(state.chats);
  chats.set(id, change(chats.get(id) ?? emptyChat));
  return { ...state, chats };
}

const FLASH_MS = 6_000;
/** What comes while somebody types is there so long at least. */
const FLASH_SEEN_MS = 1_000;

export const isSeen = (flash: Flash, now: number): boolean => now >= flash.since + FLASH_SEEN_MS;

/** What waits for a key gives way to warnings alone. */
export function said(state: State, text: string, tone: Flash["tone"] = "plain"): State {
  if (state.flash?.until === Infinity && tone !== "warning") return state;
  return { ...state, flash: { text, tone, since: state.now, until: state.now + FLASH_MS } };
}

/** Said until the next key: nobody who looks away for a moment may miss it. */
export const saidUntilKey = (state: State, text: string): State => ({
  ...state,
  flash: { text, tone: "plain", since: state.now, until: Infinity },
});
