import { accountId, type AccountId, ErrorCode, FastChatError, idBytes, isHash, limits, parseName } from "@fastchat/protocol";
import { safetyCode, safetyNumber } from "@fastchat/protocol/seal";
import type { KnownAccount, KnownAccounts } from "./accounts.ts";
import type { Me, Person, SafetyNumber } from "./api.ts";
import { breathe } from "./breathe.ts";
import type { Connection } from "./connection.ts";
import { type Contacts, NameConflict } from "./contacts.ts";
import type { Presence } from "./presence.ts";

/** People whose names are looked at between two pauses. */
const MET_AT_ONCE = 128;

export interface PeopleParts {
  readonly me: Me;
  readonly accounts: KnownAccounts;
  readonly contacts: Contacts;
  readonly connection: Pick<Connection, "state" | "online" | "request">;
  readonly presence: Presence;
  /** How somebody is shown. */
  readonly person: (account: AccountId) => Promise<Person>;
  /** Somebody else turned up under a name that is pinned. */
  readonly onConflict: (error: NameConflict) => void;
  readonly onIdentityAccepted: () => void;
}

/** Finding people by name, and what one says about them [A3], [A5]. */
export class People {
  readonly #parts: PeopleParts;
  /** Names of people whom the server found. */
  readonly #found = new Map<AccountId, string>();

  constructor(parts: PeopleParts) {
    this.#parts = parts;
  }

  /** Of somebody whom the server found. */
  nameOf(account: AccountId): string | undefined {
    return this.#found.get(account);
  }

  /** Contacts whose name contains the text and, when connected, whom the server finds. */
  async find(text = ""): Promise<Person[]> {
    const found = new Map<AccountId, Person>();
    const wanted = text.toLowerCase();
    const { me } = this.#parts;
    for (const contact of this.#parts.contacts.all()) {
      const account = accountId(contact.account);
      if (contact.name.includes(wanted) && (account !== me.account || wanted === me.name))
        found.set(account, await this.#parts.person(account));
    }
    if (this.#parts.connection.state.kind === "connecting") await this.#parts.connection.online().catch(() => undefined);
    if (this.#parts.connection.state.kind === "online") {
      const { people } = await this.#parts.connection.request(
        { case: "findPeople", value: { text, limit: limits.peoplePerAnswer } },
        "people",
      );
      for (const { name, account: bytes, online } of people) {
        if (!isHash(bytes) || parseName(name).kind === "invalid") continue;
        const account = accountId(bytes);
        const { contacts } = this.#parts;
        // A second account under a name that is another one's is not offered to anybody, nor somebody known under another name [A3].
        if ((contacts.heldBy(name) ?? account) !== account || ((await contacts.nameOf(account)) ?? name) !== name) {
          this.#parts.onConflict(new NameConflict(name));
          continue;
        }
        if (account === me.account && wanted !== me.name) continue;
        this.#found.set(account, name);
        this.#parts.presence.note(account, online);
        found.set(account, { ...(await this.#parts.person(account)), name, online });
      }
    }
    return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Whom a name means, who is a contact from now on. Throws FastChatError NO_SUCH_USER, NameConflict. */
  async accountNamed(name: string): Promise<AccountId> {
    const { state } = await this.whoIs(name);
    if (state.account !== this.#parts.me.account) await this.#parts.contacts.pin(state);
    return state.account;
  }

  /** This person wants to have to do with them. Throws NameConflict. */
  async pin(account: AccountId): Promise<void> {
    const { me, accounts, contacts } = this.#parts;
    if (account !== me.account && contacts.byAccount(account) === undefined) await contacts.pin((await accounts.need(account)).state);
  }

  /** Whom a name means: as known here, else as the server says, and known then. Throws FastChatError NO_SUCH_USER. */
  async whoIs(name: string): Promise<KnownAccount> {
    return (await this.whoAre([name]))[0]!;
  }

  /** The same of many, in their order. */
  async whoAre(names: readonly string[]): Promise<KnownAccount[]> {
    const { accounts, contacts, connection } = this.#parts;
    const asked = [...new Set(names)].filter((name) => contacts.heldBy(name) === undefined);
    const wrong = asked.find((name) => parseName(name).kind === "invalid");
    if (wrong !== undefined) throw new FastChatError(ErrorCode.NO_SUCH_USER, { sentence: `"${wrong}" is no username.` });
    if (asked.length > 0 && connection.state.kind !== "online") await connection.online();
    const found = asked.length === 0 ? [] : await accounts.named(asked);
    for (let at = 0; at < found.length; at += MET_AT_ONCE) {
      if (at > 0) await breathe();
      await contacts.meet(found.slice(at, at + MET_AT_ONCE).map(({ state }) => state));
    }
    const byName = new Map(found.map((known) => [known.state.name, known]));
    const known: KnownAccount[] = [];
    for (const name of names) known.push(byName.get(name) ?? (await accounts.need(contacts.heldBy(name)!)));
    return known;
  }

  /** [A3] Members of a group who are called what somebody else is are shown: they are not whom one knows. */
  async checkNames(members: readonly AccountId[]): Promise<void> {
    const { accounts, contacts, onConflict } = this.#parts;
    for (let at = 0; at < members.length; at += MET_AT_ONCE) {
      if (at > 0) await breathe();
      const some = members.slice(at, at + MET_AT_ONCE);
      const known = await Promise.all(some.map(async (account) => (await accounts.get(account))?.state ?? []));
      for (const name of await contacts.meet(known.flat())) onConflict(new NameConflict(name));
    }
  }

  /** Who writes is known by their name from then on; a second account under it is shown and cannot be written to [A3]. */
  async meet(peer: AccountId): Promise<void> {
    const { me, accounts, contacts, onConflict } = this.#parts;
    if (peer === me.account || contacts.byAccount(peer) !== undefined) return;
    const { state } = await accounts.need(peer);
    for (const name of await contacts.meet([state])) onConflict(new NameConflict(name));
  }

  async safetyNumber(name: string): Promise<SafetyNumber> {
    const [mine, theirs] = [await this.#parts.accounts.need(this.#parts.me.account), await this.whoIs(name)];
    const party = ({ state }: typeof mine) => ({
      account: idBytes(state.account),
      identityKey: state.identityKey,
      head: idBytes(state.head.hash),
    });
    const { digits, words } = safetyNumber(party(mine), party(theirs));
    return {
      digits: digits.match(/.{5}/g)!.join(" "),
      words: words.join(" "),
      code: safetyCode(party(mine), party(theirs)),
      verification: await this.#parts.contacts.verification(theirs.state.account),
    };
  }

  async setVerified(name: string, verified: boolean): Promise<void> {
    await this.#parts.contacts.setVerified(await this.#contact(name), verified);
    if (verified) this.#parts.onIdentityAccepted();
  }

  async acceptIdentity(name: string): Promise<void> {
    await this.#parts.contacts.acceptIdentity(await this.#contact(name));
    this.#parts.onIdentityAccepted();
  }

  async setNote(name: string, note: string): Promise<void> {
    await this.#parts.contacts.setNote(await this.#contact(name), note);
  }

  async setBlocked(name: string, blocked: boolean): Promise<void> {
    await this.#parts.contacts.setBlocked(await this.#contact(name), blocked);
  }

  async #contact(name: string) {
    await this.accountNamed(name);
    const contact = this.#parts.contacts.byName(name);
    if (contact === undefined) throw new FastChatError(ErrorCode.NO_SUCH_USER);
    return contact;
  }
}
