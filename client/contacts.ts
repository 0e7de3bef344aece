import { type AccountId, accountId, idBytes } from "@fastchat/protocol";
import type { AccountState, ConversationState } from "@fastchat/protocol/chain";
import { equal } from "@fastchat/protocol/seal";
import { type Contact, ContactSchema } from "@fastchat/protocol/wire/vault";
import { create } from "@bufbuild/protobuf";
import type { KnownAccounts } from "./accounts.ts";
import type { Me, Verification } from "./api.ts";
import { keys, prefixes } from "./records.ts";
import { prefixRange, type Storage } from "./storage.ts";
import type { Vault } from "./vault.ts";

/** A name is that of one account, and somebody else turned up under it [A3]. */
export class NameConflict extends Error {
  constructor(name: string) {
    super(`Another account turned up under the name ${name}, which is that of the one known here. It was refused.`);
    this.name = "NameConflict";
  }
}

export interface ContactsParts {
  readonly me: Pick<Me, "name" | "account">;
  readonly vault: Vault;
  readonly accounts: KnownAccounts;
  readonly storage: Storage;
}

/**
 * Whom this account knows, and as whom: name → account → identity, pinned in the vault [A3]. A stranger's name is kept on this device alone: the
 * first who turned up under it has it, until somebody is pinned under it.
 */
export class Contacts {
  readonly #parts: ContactsParts;
  readonly #me: Pick<Me, "name" | "account">;
  readonly #vault: Vault;
  readonly #accounts: KnownAccounts;
  readonly #strangers = new Map<string, AccountId>();
  #known: { readonly changes: number; readonly byAccount: ReadonlyMap<AccountId, Contact> } | undefined;

  constructor(parts: ContactsParts) {
    this.#parts = parts;
    this.#me = parts.me;
    this.#vault = parts.vault;
    this.#accounts = parts.accounts;
  }

  /** From the profile; a process beside the holder does so again whenever something changed there. */
  async load(): Promise<void> {
    for (const { key, value } of await this.#parts.storage.range(prefixRange(prefixes.strangers)))
      this.#strangers.set(key.slice(prefixes.strangers.length), accountId(value));
  }

  /** Whom a name is pinned to; one's own name to oneself. */
  pinnedTo(name: string): AccountId | undefined {
    if (name === this.#me.name) return this.#me.account;
    const contact = this.byName(name);
    return contact && accountId(contact.account);
  }

  /** Whose a name is: whom it is pinned to, else the stranger who first turned up under it. */
  heldBy(name: string): AccountId | undefined {
    return this.pinnedTo(name) ?? this.#strangers.get(name);
  }

  /** These people turned up: their names are theirs from now on. Gives the names that are somebody else's. */
  async meet(people: readonly Pick<AccountState, "name" | "account">[]): Promise<string[]> {
    const isTaken = ({ name, account }: (typeof people)[number]) => (this.heldBy(name) ?? account) !== account;
    const fresh = people.filter(({ name }) => this.heldBy(name) === undefined);
    for (const { name, account } of fresh) if (!this.#strangers.has(name)) this.#strangers.set(name, account);
    await this.#parts.storage.commit(
      fresh.map(({ name }) => ({ kind: "put", key: keys.stranger(name), value: idBytes(this.#strangers.get(name)!) })),
    );
    return people.filter(isTaken).map(({ name }) => name);
  }

  /** What somebody is called for certain: as pinned, else by its own chain. Undefined for who is not known. */
  async nameOf(account: AccountId): Promise<string | undefined> {
    if (account === this.#me.account) return this.#me.name;
    return this.byAccount(account)?.name ?? (await this.#accounts.get(account))?.state.name;
  }

  byName(name: string): Contact | undefined {
    return contactIn(this.#vault.get({ kind: "contact", key: name }));
  }

  byAccount(account: AccountId): Contact | undefined {
    const changes = this.#vault.changesOf("contact");
    if (this.#known?.changes !== changes) {
      const byAccount = new Map(this.all().map((contact) => [accountId(contact.account), contact]));
      this.#known = { changes, byAccount };
    }
    return this.#known.byAccount.get(account);
  }

  all(): Contact[] {
    return this.#vault.list("contact").flatMap((content) => contactIn(content) ?? []);
  }

  /** Pins somebody with whom this person wants to have to do. Throws NameConflict. */
  async pin({ name, account, identityKey }: AccountState): Promise<Contact> {
    if ((this.heldBy(name) ?? account) !== account) throw new NameConflict(name);
    const pinned = this.byName(name);
    if (pinned !== undefined) return pinned;
    const contact = create(ContactSchema, { name, account: idBytes(account), identityKey });
    await this.#store(contact);
    return contact;
  }

  async verification(account: AccountId): Promise<Verification> {
    const contact = this.byAccount(account);
    const known = await this.#accounts.get(account);
    // A second account under a name that is another one's.
    if (contact === undefined)
      return known !== undefined && (this.heldBy(known.state.name) ?? account) !== account ? "changed" : "not-verified";
    if (known !== undefined && !equal(known.state.identityKey, contact.identityKey)) return "changed";
    return contact.verified ? "verified" : "not-verified";
  }

  /**
   * [A3] Whether nothing is sealed to the members before this person accepts somebody's identity: in a direct conversation the other one's, in a
   * group only that of somebody who was compared, or of another account in such a one's name.
   */
  async isChangedIn({ kind, members }: ConversationState): Promise<boolean> {
    if (kind === "direct") {
      for (const account of members.keys()) if ((await this.verification(account)) === "changed") return true;
      return false;
    }
    const compared = this.all().filter(({ verified }) => verified);
    const byName = compared.length === 0 ? undefined : namesIn(members);
    for (const contact of compared) {
      const account = accountId(contact.account);
      if (members.has(account) && (await this.verification(account)) === "changed") return true;
      if ((byName?.get(contact.name) ?? account) !== account) return true;
    }
    return false;
  }

  /** What was compared is the identity known now, which is the one meant from then on. */
  async setVerified(contact: Contact, verified: boolean): Promise<void> {
    const { identityKey } = verified ? (await this.#accounts.need(accountId(contact.account))).state : contact;
    await this.#store({ ...contact, identityKey, verified });
  }

  async setBlocked(contact: Contact, blocked: boolean): Promise<void> {
    await this.#store({ ...contact, blocked });
  }

  async setNote(contact: Contact, note: string): Promise<void> {
    await this.#store({ ...contact, note });
  }

  /** The identity known now is the one meant from now on; what was compared, was another. */
  async acceptIdentity(contact: Contact): Promise<void> {
    const known = await this.#accounts.need(accountId(contact.account));
    if (equal(known.state.identityKey, contact.identityKey)) return;
    await this.#store({ ...contact, identityKey: known.state.identityKey, verified: false });
  }

  #store(contact: Contact): Promise<void> {
    return this.#vault.set({ kind: { case: "contact", value: contact } });
  }
}

const names = new WeakMap<ConversationState["members"], ReadonlyMap<string, AccountId>>();

/** Accounts of members by name; asked for with every message. */
function namesIn(members: ConversationState["members"]): ReadonlyMap<string, AccountId> {
  const known = names.get(members) ?? new Map([...members.values()].map(({ account, chain }) => [chain.name, account]));
  names.set(members, known);
  return known;
}

function contactIn(content: ReturnType<Vault["get"]>): Contact | undefined {
  return content?.kind.case === "contact" ? content.kind.value : undefined;
}
