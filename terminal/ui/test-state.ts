import type { ChatMessage, ConversationSummary, Me, MessageStatus, Person } from "@fastchat/client";
import type { AccountId, ClientMessageId, ConversationId, DeviceId } from "@fastchat/protocol";
import type { Key } from "./keys.ts";
import { readKeymap } from "./keys.ts";
import { type Action, type Effect, type State, initialState } from "./state.ts";
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
    ...more,
  };
}

export const bob = someone("bob", 1);
export const carol = someone("carol", 2, { online: false, lastSeen: morning - 30 * minute });

export function talk(peer: Person, more: Partial<ConversationSummary> = {}): ConversationSummary {
  return {
    id: hex(1_000 + Number.parseInt(peer.account, 16)) as ConversationId,
    kind: "direct",
    peer,
    title: peer.name,
    unread: 0,
    head: 0,
    readUpTo: 0,
    last: undefined,
    draft: "",
    typing: false,
    time: morning,
    blocked: "none",
    ...more,
  };
}

export function message(
  conversation: ConversationSummary,
  sequence: number,
  text: string,
  more: Partial<ChatMessage> & { readonly number?: number } = {},
): ChatMessage {
  const { number = sequence, ...fields } = more;
  const mine = fields.mine ?? false;
  return {
    kind: "message",
    conversation: conversation.id,
    id: hex(number, 32) as ClientMessageId,
    sequence,
    from: {
      account: mine ? me.account : conversation.peer.account,
      device: hex(3) as DeviceId,
      name: mine ? me.name : conversation.peer.name,
    },
    mine,
    text,
    time: morning + sequence * minute,
    status: "read" satisfies MessageStatus,
    doubt: "none",
    ...fields,
  };
}

export const key = (name: string, more: Partial<Key> = {}): Key => ({ name, text: "", ctrl: false, alt: false, shift: false, ...more });
export const text = (written: string): Key => key("text", { text: written });

/** A screen that remembers what it asked for. */
export class Alice {
  state: State;
  effects: Effect[] = [];

  constructor(size: { readonly columns: number; readonly rows: number } = { columns: 100, rows: 30 }) {
    const online = { me, connection: { kind: "online", server: "chat-1", since: morning } } as const;
    this.state = initialState(online, { ...size, now: morning, colour: true, keymap: readKeymap(undefined).keymap });
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
  opens(conversation: ConversationSummary, items: readonly ChatMessage[], more = false): this {
    return this.does({ kind: "opened", conversation }, { kind: "items", id: conversation.id, items, more, newest: true });
  }

  hears(...items: readonly ChatMessage[]): this {
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
