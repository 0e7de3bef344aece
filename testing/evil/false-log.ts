import { create } from "@bufbuild/protobuf";
import { type ConversationId, idBytes } from "@fastchat/protocol";
import { equal } from "@fastchat/protocol/seal";
import { type Entry, EntrySchema } from "@fastchat/protocol/wire/conversation";
import { type ClientFrame, HeadsSchema, type ServerFrame } from "@fastchat/protocol/wire/frames";
import { bodyOf, changedServerFrame, type ProxiedConnection, type Script, whileConnected } from "../proxy.ts";

/** What somebody is shown instead of the real log; entries are numbered anew afterwards. */
export type Edit = (real: readonly Entry[]) => readonly Entry[];

/**
 * Shows those behind a proxy another log of one conversation than the real one, consistently: pages, live entries, heads and
 * acknowledgements all speak of the edited log, with gap-free numbers. The real log is read through the victim's own connection.
 */
export class FalseLog {
  readonly #conversation: Uint8Array;
  readonly #edit: Edit;

  constructor(conversation: ConversationId, edit: Edit) {
    this.#conversation = idBytes(conversation);
    this.#edit = edit;
  }

  readonly script: Script = {
    toServer: (frame, connection) => {
      const { body } = frame;
      if ((body.case === "fetchEntries" || body.case === "fetchLinks") && this.#is(body.value.conversation)) {
        whileConnected(this.#page(frame, connection));
        return undefined;
      }
      return frame;
    },
    toClient: (frame, connection) => {
      const { body } = frame;
      if (body.case === "entries" && frame.request === 0 && this.#is(body.value.conversation)) {
        whileConnected(this.#live(body.value.entries, body.value.sealedKeys, connection));
        return undefined;
      }
      if (body.case === "heads") {
        whileConnected(this.#heads(frame, connection));
        return undefined;
      }
      const asked = connection.asked(frame)?.body;
      const ours = (asked?.case === "send" || asked?.case === "appendLink") && this.#is(asked.value.conversation);
      if (ours && (body.case === "sent" || body.case === "appended")) {
        whileConnected(this.#acknowledge(frame, connection));
        return undefined;
      }
      return frame;
    },
  };

  #is(conversation: Uint8Array): boolean {
    return equal(conversation, this.#conversation);
  }

  async #real(connection: ProxiedConnection): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (;;) {
      const body = { conversation: this.#conversation, after: entries.at(-1)?.sequence ?? 0, limit: 512 };
      const page = bodyOf(await connection.ask({ case: "fetchEntries", value: body }), "entries");
      entries.push(...page.entries);
      if (page.entries.length === 0 || entries.at(-1)!.sequence >= page.head) return entries;
    }
  }

  /** The edited log, each entry with its new number, and which real entry it stands for. */
  async #shown(connection: ProxiedConnection): Promise<{ entries: Entry[]; real: readonly Entry[]; places: readonly Entry[] }> {
    const real = await this.#real(connection);
    const places = this.#edit(real);
    const entries = places.map((entry, index) => create(EntrySchema, { ...entry, sequence: index + 1 }));
    return { entries, real, places };
  }

  async #page(frame: ClientFrame, connection: ProxiedConnection): Promise<void> {
    const { body } = frame;
    const { entries } = await this.#shown(connection);
    const answer = (page: Entry[]): void =>
      connection.answer(frame, { case: "entries", value: { conversation: this.#conversation, entries: page, head: entries.length } });
    if (body.case === "fetchLinks")
      return answer(entries.filter((entry) => entry.body.case === "link" && entry.sequence > body.value.after));
    if (body.case !== "fetchEntries") return;
    const { after, before, limit } = body.value;
    if (after !== undefined) answer(entries.filter(({ sequence }) => sequence > after).slice(0, limit));
    else answer(entries.filter(({ sequence }) => sequence < (before ?? Infinity)).slice(-limit));
  }

  async #live(
    fresh: readonly Entry[],
    sealedKeys: Extract<ServerFrame["body"], { case: "entries" }>["value"]["sealedKeys"],
    connection: ProxiedConnection,
  ): Promise<void> {
    const { entries, places } = await this.#shown(connection);
    const numbers = new Set(fresh.map(({ sequence }) => sequence));
    const shown = entries.filter((_, index) => numbers.has(places[index]!.sequence));
    if (shown.length === 0) return;
    connection.push({ case: "entries", value: { conversation: this.#conversation, entries: shown, head: entries.length, sealedKeys } });
  }

  async #heads(frame: ServerFrame, connection: ProxiedConnection): Promise<void> {
    if (frame.body.case !== "heads") return;
    const { entries } = await this.#shown(connection);
    const others = frame.body.value.heads.filter((head) => !this.#is(head.conversation));
    // The real server leaves out conversations in which it has nothing new.
    const own = { conversation: this.#conversation, sequence: entries.length, time: entries.at(-1)?.time ?? 0n };
    const changed = [own, ...others];
    const value = create(HeadsSchema, { heads: changed });
    connection.pass(changedServerFrame(frame, { case: "heads", value }));
  }

  async #acknowledge(frame: ServerFrame, connection: ProxiedConnection): Promise<void> {
    const { body } = frame;
    if (body.case !== "sent" && body.case !== "appended") return;
    const { places } = await this.#shown(connection);
    const place = places.findIndex(({ sequence }) => sequence === body.value.sequence);
    connection.pass(changedServerFrame(frame, { case: body.case, value: { ...body.value, sequence: place + 1 } } as never));
  }
}
