import type {
  ChatFile,
  ChatItem,
  ChatMessage,
  ChatNotice,
  ConversationSummary,
  DirectSummary,
  GroupMember,
  GroupSummary,
  Me,
  MessageStatus,
  NoticeKind,
  Person,
} from "@fastchat/client";
import { type FileClaims, judgeClaims } from "@fastchat/client/media";
import type { AccountId, ClientMessageId, ConversationId, DeviceId } from "@fastchat/protocol";
import { pictureTerminal } from "../pictures/terminal.ts";
import { frameOf } from "./frame.ts";
import type { Key } from "./keys.ts";
import { readKeymap } from "./keys.ts";
import type { PictureLook } from "./picture-block.ts";
import { type Style, rowText } from "./rows.ts";
import { type Action, type Effect, type OpenGroup, type State, initialState } from "./state.ts";
import { update } from "./update.ts";

// Alice's screen, for tests of what is pure.

const hex = (number: number, length = 64): string => number.toString(16).padStart(length, "0");

export const morning = Date.parse("2026-11-20T09:00:00");
const minute = 60_000;

export const me: Me = { name: "alice", account: hex(1) as AccountId, device: hex(2) as DeviceId, gateway: "http://127.0.0.1:8080" };

export function someone(name: string, number: number, more: Partial<Person> = {}): Person {
  return {
    name,
    account: hex(100 + number) as AccountId,
    online: true,
    lastSeen: undefined,
    verification: "not-verified",
    contact: true,
    note: "",
    blocked: false,
    ...more,
  };
}

export const bob = someone("bob", 1);
export const carol = someone("carol", 2, { online: false, lastSeen: morning - 30 * minute });
export const dave = someone("dave", 3);
export const erin = someone("erin", 4);

const untouched = {
  unread: 0,
  mentions: 0,
  head: 0,
  oldest: 1,
  readUpTo: 0,
  last: undefined,
  draft: "",
  typing: [],
  time: morning,
  blocked: "none",
  mute: "none",
  retentionSeconds: 0,
  timerSeconds: 0,
  pinnedAt: undefined,
  request: false,
} as const;

export function talk(peer: Person, more: Partial<DirectSummary> = {}): DirectSummary {
  return {
    id: hex(1_000 + Number.parseInt(peer.account, 16)) as ConversationId,
    kind: "direct",
    peer,
    title: peer.name,
    ...untouched,
    ...more,
  };
}

/** Alice's group with these members besides her, of whom the named are admins. */
export function group(
  title: string,
  members: readonly Person[],
  more: Partial<Omit<GroupSummary, "group">> & { readonly group?: Partial<GroupSummary["group"]>; readonly number?: number } = {},
): GroupSummary {
  const { group: overview, number = 1, ...fields } = more;
  return {
    id: hex(9_000 + number) as ConversationId,
    kind: "group",
    title,
    ...untouched,
    ...fields,
    group: {
      name: title,
      description: "",
      memberCount: members.length + 1,
      role: "admin",
      ended: undefined,
      addedBy: "alice",
      joinRequests: 0,
      mayWrite: true,
      mayAdd: true,
      mayChangeProfile: true,
      ...overview,
    },
  };
}

/** What is known of the open group: Alice's own role is that of its summary; who else is admin is named. */
export function openGroup(
  summary: GroupSummary,
  members: readonly Person[],
  more: Partial<OpenGroup> = {},
  admins: readonly string[] = [],
): OpenGroup {
  const others = members.map((person): GroupMember => ({ person, role: admins.includes(person.name) ? "admin" : "member", me: false }));
  const own: GroupMember = { person: someone(me.name, 0, { account: me.account }), role: summary.group.role ?? "member", me: true };
  const all = summary.group.ended === undefined ? [own, ...others] : others;
  return {
    info: {
      ...summary.group,
      id: summary.id,
      picture: new Uint8Array(),
      members: all.toSorted((a, b) => (a.role === b.role ? (a.person.name < b.person.name ? -1 : 1) : a.role === "admin" ? -1 : 1)),
      policy: {
        mayAdd: "admins",
        mayWrite: "members",
        mayChangeProfile: "admins",
        newcomersRead: "nothing-older",
        retentionSeconds: 0,
        publicName: "",
        joining: "at-once",
      },
      invitations: [],
      epoch: 1,
      head: { index: 0, hash: hex(7) },
    },
    askers: [],
    ...more,
  };
}

export function message(
  conversation: ConversationSummary,
  sequence: number,
  text: string,
  more: Partial<ChatMessage> & { readonly number?: number; readonly by?: Person } = {},
): ChatMessage {
  const { number = sequence, by = conversation.kind === "group" ? bob : conversation.peer, ...fields } = more;
  const mine = fields.mine ?? false;
  return {
    kind: "message",
    conversation: conversation.id,
    id: hex(number, 32) as ClientMessageId,
    sequence,
    from: {
      account: mine ? me.account : by.account,
      device: hex(3) as DeviceId,
      name: mine ? me.name : by.name,
    },
    mine,
    text,
    deleted: false,
    mentions: [],
    mentionsMe: false,
    files: [],
    refusal: undefined,
    upload: undefined,
    time: morning + sequence * minute,
    status: "read" satisfies MessageStatus,
    expiresAfter: 0,
    expires: undefined,
    doubt: "none",
    ...fields,
  };
}

/** Of pixels that are all of the colour 90, 110, 128. */
export const bluish = Uint8Array.from([27, 215, 1, 5, 128, 90, 89, 111, 120, 135, 120, 134, 135, 40, 119, 135, 244, 135, 7, 106, 135]);

/** A file that came with a message, by what its sender says of it. */
export const fileCalled = (name: string, mediaType: string, claims: Partial<FileClaims> = {}, bytes = 412_345): ChatFile => ({
  ...judgeClaims({ name, mediaType, ...claims }),
  bytes,
});

export const notice = (conversation: ConversationSummary, sequence: number, kind: NoticeKind, words: string): ChatNotice => ({
  kind: "notice",
  conversation: conversation.id,
  sequence,
  time: morning + sequence * minute,
  notice: kind,
  text: words,
});

export const key = (name: string, more: Partial<Key> = {}): Key => ({ name, text: "", ctrl: false, alt: false, shift: false, ...more });
export const text = (written: string): Key => key("text", { text: written });

export const halfBlockTerminal = pictureTerminal({ COLORTERM: "truecolor" }, "half-blocks", true);
export const noPictures: PictureLook = { terminal: halfBlockTerminal, mostRows: 12, loaded: new Map() };

/** A screen that remembers what it asked for. */
export class Alice {
  state: State;
  effects: Effect[] = [];

  constructor(size: { readonly columns: number; readonly rows: number } = { columns: 100, rows: 30 }) {
    const online = { me, quick: false, connection: { kind: "online", server: "chat-1", since: morning }, serverTime: morning } as const;
    this.state = initialState(online, {
      ...size,
      now: morning,
      colour: true,
      keymap: readKeymap(undefined).keymap,
      pictureTerminal: halfBlockTerminal,
    });
  }

  does(...actions: readonly Action[]): this {
    for (const action of actions) {
      const { state, effects } = update(this.state, action);
      this.state = state;
      this.effects.push(...effects);
    }
    return this;
  }

  presses(...keys: readonly (Key | string)[]): this {
    return this.does(
      ...keys.map((pressed) => ({ kind: "key", key: typeof pressed === "string" ? text(pressed) : pressed, now: this.state.now }) as const),
    );
  }

  knows(...conversations: readonly ConversationSummary[]): this {
    return this.does({ kind: "conversations", conversations });
  }

  /** Opens a conversation whose newest items are these. */
  opens(conversation: ConversationSummary, items: readonly ChatItem[], more = false): this {
    return this.does({ kind: "opened", conversation }, { kind: "items", id: conversation.id, items, more, newest: true });
  }

  hears(...items: readonly ChatItem[]): this {
    for (const item of items)
      this.does({
        kind: "event",
        event: { kind: "items", conversation: item.conversation, items: [item], live: true },
        now: this.state.now,
      });
    return this;
  }

  /** What was asked for since the last time, of one kind. */
  asked<Kind extends Effect["kind"]>(kind: Kind): Extract<Effect, { kind: Kind }>[] {
    const found = this.effects.filter((effect): effect is Extract<Effect, { kind: Kind }> => effect.kind === kind);
    this.effects = this.effects.filter((effect) => effect.kind !== kind);
    return found;
  }
}

export const enter = key("enter");
export const tab = key("tab");
export const altP = key("p", { alt: true });
export const altM = key("m", { alt: true });

/** With room for the members' panel. */
export const wide = { columns: 120, rows: 30 } as const;

export const withBob = talk(bob);
export const chess = group("Chess club", [bob, carol]);

/** The chat of a group is open, and its members are known; bob is admin, too. */
export function inGroup(
  summary: GroupSummary = chess,
  members: readonly Person[] = [bob, carol],
  size: { readonly columns: number; readonly rows: number } = { columns: 100, rows: 30 },
  more: Partial<OpenGroup> = {},
): Alice {
  return new Alice(size)
    .knows(summary, withBob)
    .opens(summary, [])
    .does({ kind: "group", group: openGroup(summary, members, more, ["bob"]) });
}

export const screenOf = (alice: Alice): string[] => frameOf(alice.state).rows.map(rowText);
export const shows = (alice: Alice, words: string): boolean => screenOf(alice).some((row) => row.includes(words));
export const rowWith = (alice: Alice, words: string): string => screenOf(alice).find((row) => row.includes(words)) ?? "";

/** How a text on the screen looks, in every place where it is a piece of its own. */
export const styles = (alice: Alice, piece: string): Style[] =>
  frameOf(alice.state).rows.flatMap((row) => row.filter((span) => span.text.trim() === piece).map(({ style }) => style));
