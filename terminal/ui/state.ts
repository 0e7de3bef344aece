import type {
  ChatItem,
  ChatMessage,
  Client,
  ClientEvent,
  ConnectionState,
  ConversationSummary,
  Me,
  Person,
  SafetyNumber,
} from "@fastchat/client";
import { type Editor, emptyEditor } from "./editor.ts";
import type { Key, Keymap } from "./keys.ts";
import type { Entry } from "./timeline.ts";
import type { Position } from "./transcript.ts";

export type ConversationId = ConversationSummary["id"];

/** One open or once opened conversation. */
export interface Chat {
  readonly entries: readonly Entry[];
  /** Older items exist than those here. */
  readonly more: boolean;
  readonly loading: boolean;
  /** The newest items have been loaded. */
  readonly loaded: boolean;
  readonly position: Position;
  readonly unreadAfter: number | undefined;
  /** Messages that came below while scrolled up. */
  readonly below: number;
  /** Key of the selected message. */
  readonly selected: string | undefined;
  readonly editor: Editor;
  /** Marked as read up to here by us. */
  readonly marked: number;
  readonly typing: boolean;
}

export type Overlay =
  | { readonly kind: "none" }
  | { readonly kind: "switcher"; readonly editor: Editor; readonly index: number }
  | { readonly kind: "help"; readonly top: number }
  | { readonly kind: "details"; readonly message: ChatMessage }
  | { readonly kind: "verify"; readonly name: string; readonly number: SafetyNumber | undefined }
  | { readonly kind: "confirm"; readonly question: string; readonly effect: Effect };

/** One line of answer to what was done, which goes when the person goes on; or a warning. Both go away by themselves. */
export interface Flash {
  readonly text: string;
  readonly tone: "plain" | "error" | "warning";
  /** Milliseconds since 1970. */
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
  readonly colour: boolean;
  readonly keymap: Keymap;
  readonly me: Me;
  readonly connection: ConnectionState;
  /** Since when not online, for the bar that waits two seconds. */
  readonly offlineSince: number | undefined;
  /** Newest first. */
  readonly conversations: readonly ConversationSummary[];
  readonly people: readonly Person[];
  readonly open: ConversationId | undefined;
  readonly chats: ReadonlyMap<ConversationId, Chat>;
  /** What is written while no chat is open. */
  readonly homeEditor: Editor;
  /** Chosen entry of the list while no chat is open. */
  readonly listIndex: number;
  readonly overlay: Overlay;
  readonly news: News | undefined;
  readonly flash: Flash | undefined;
  /** Everything from the time away is here. */
  readonly caughtUp: boolean;
}

export type Effect =
  | { readonly kind: "load-conversation"; readonly id: ConversationId }
  | { readonly kind: "load-people"; readonly text: string }
  | { readonly kind: "load-items"; readonly id: ConversationId; readonly before: number | undefined; readonly limit: number }
  | { readonly kind: "open-direct"; readonly name: string }
  | { readonly kind: "send"; readonly id: ConversationId; readonly text: string }
  | { readonly kind: "retry"; readonly message: ChatMessage["id"] }
  | { readonly kind: "mark-read"; readonly id: ConversationId; readonly sequence: number }
  | { readonly kind: "draft"; readonly id: ConversationId; readonly text: string }
  | { readonly kind: "typing"; readonly id: ConversationId; readonly active: boolean }
  | { readonly kind: "safety-number"; readonly name: string }
  | { readonly kind: "set-verified"; readonly name: string; readonly verified: boolean }
  | { readonly kind: "accept-identity"; readonly name: string }
  | { readonly kind: "accept-fork"; readonly id: ConversationId }
  | { readonly kind: "set-note"; readonly name: string; readonly note: string }
  | { readonly kind: "copy"; readonly text: string }
  | { readonly kind: "redraw" }
  | { readonly kind: "sign-out" }
  | { readonly kind: "quit" };

export type Action =
  | { readonly kind: "key"; readonly key: Key; readonly now: number }
  | { readonly kind: "paste"; readonly text: string; readonly now: number }
  | { readonly kind: "resize"; readonly columns: number; readonly rows: number }
  | { readonly kind: "tick"; readonly now: number }
  | { readonly kind: "event"; readonly event: ClientEvent; readonly now: number }
  | { readonly kind: "conversation"; readonly conversation: ConversationSummary }
  | { readonly kind: "conversations"; readonly conversations: readonly ConversationSummary[] }
  | { readonly kind: "people"; readonly people: readonly Person[] }
  | {
      readonly kind: "items";
      readonly id: ConversationId;
      readonly items: readonly ChatItem[];
      readonly more: boolean;
      readonly newest: boolean;
    }
  | { readonly kind: "opened"; readonly conversation: ConversationSummary }
  | { readonly kind: "not-sent"; readonly id: ConversationId; readonly text: string; readonly sentence: string; readonly now: number }
  | { readonly kind: "safety-number"; readonly name: string; readonly number: SafetyNumber }
  | { readonly kind: "said"; readonly text: string; readonly tone: Flash["tone"]; readonly now: number };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export const step = (state: State, ...effects: readonly Effect[]): Step => ({ state, effects });

export function initialState(
  client: Pick<Client, "me" | "connection">,
  options: Pick<State, "columns" | "rows" | "now" | "colour" | "keymap">,
): State {
  return {
    ...options,
    me: client.me,
    connection: client.connection,
    offlineSince: client.connection.kind === "online" ? undefined : options.now,
    conversations: [],
    people: [],
    open: undefined,
    chats: new Map(),
    homeEditor: emptyEditor,
    listIndex: 0,
    overlay: { kind: "none" },
    news: undefined,
    flash: undefined,
    caughtUp: false,
  };
}

export const emptyChat: Chat = {
  entries: [],
  more: false,
  loading: false,
  loaded: false,
  position: { kind: "bottom" },
  unreadAfter: undefined,
  below: 0,
  selected: undefined,
  editor: emptyEditor,
  marked: 0,
  typing: false,
};

export const openChat = (state: State): Chat | undefined => (state.open === undefined ? undefined : state.chats.get(state.open));

export const openConversation = (state: State): ConversationSummary | undefined =>
  state.open === undefined ? undefined : state.conversations.find(({ id }) => id === state.open);

export function withChat(state: State, id: ConversationId, change: (chat: Chat) => Chat): State {
  const chats = new Map(state.chats);
  chats.set(id, change(chats.get(id) ?? emptyChat));
  return { ...state, chats };
}

const FLASH_MS = 6_000;
/** What comes while somebody types is there so long at least. */
const FLASH_SEEN_MS = 1_000;

export const isSeen = (flash: Flash, now: number): boolean => now >= flash.until - FLASH_MS + FLASH_SEEN_MS;

export const said = (state: State, text: string, tone: Flash["tone"] = "plain"): State => ({
  ...state,
  flash: { text, tone, until: state.now + FLASH_MS },
});
