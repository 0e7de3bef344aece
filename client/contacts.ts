import { type AccountId, accountId, idBytes } from "@fastchat/protocol";
import type { AccountState } from "@fastchat/protocol/chain";
import { equal } from "@fastchat/protocol/seal";
import { type Contact, ContactSchema } from "@fastchat/protocol/wire/vault";
import { create } from "@bufbuild/protobuf";
import type { KnownAccounts } from "./accounts.ts";
import type { Me, Verification } from "./api.ts";
import type { Vault } from "./vault.ts";

/** A name is pinned to one account, and somebody else turned up under it [A3]. */
export class NameConflict extends Error {
  constructor(name: string) {
    super(`Another account turned up under the name ${name}, which is pinned to the one known here. It was refused.`);
    this.name = "NameConflict";
  }
}

/** Whom this account knows, and as whom: name → account → identity, pinned in the vault [A3]. */
export class Contacts {
  readonly #vault: Vault;
  readonly #accounts: KnownAccounts;

  readonly #me: Pick<Me, "name" | "account">;

  constructor(me: Pick<Me, "name" | "account">, vault: Vault, accounts: KnownAccounts) {
    this.#me = me;
    this.#vault = vault;
    this.#accounts = accounts;
  }

  /** Whom a name is pinned to; one's own name to oneself. */
  pinnedTo(name: string): AccountId | undefined {
    if (name === this.#me.name) return this.#me.account;
    const contact = this.byName(name);
    return contact && accountId(contact.account);
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
    return this.all().find((contact) => accountId(contact.account) === account);
  }

  all(): Contact[] {
    return this.#vault.list("contact").flatMap((content) => contactIn(content) ?? []);
  }

  /** Pins somebody at the first contact. Throws NameConflict. */
  async pin({ name, account, identityKey }: AccountState): Promise<Contact> {
    if ((this.pinnedTo(name) ?? account) !== account) throw new NameConflict(name);
    const pinned = this.byName(name);
    if (pinned !== undefined) return pinned;
    const contact = create(ContactSchema, { name, account: idBytes(account), identityKey });
    await this.#store(contact);
    return contact;
  }

  async verification(account: AccountId): Promise<Verification> {
    const contact = this.byAccount(account);
    const known = await this.#accounts.get(account);
    // A second account under a name that is pinned to another one.
    if (contact === undefined) return known !== undefined && this.pinnedTo(known.state.name) !== undefined ? "changed" : "not-verified";
    if (known !== undefined && !equal(known.state.identityKey, contact.identityKey)) return "changed";
    return contact.verified ? "verified" : "not-verified";
  }

  async setVerified(contact: Contact, verified: boolean): Promise<void> {
    await this.#store({ ...contact, verified });
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

function contactIn(content: ReturnType<Vault["get"]>): Contact | undefined {
  return content?.kind.case === "contact" ? content.kind.value : undefined;
}
