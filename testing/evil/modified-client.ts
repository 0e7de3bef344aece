import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type AccountId, accountId, clientMessageId, type ConversationId, ErrorCode, FastChatError, idBytes } from "@fastchat/protocol";
import {
  type AccountState,
  applyAccountLinks,
  type ConversationChange,
  type ConversationState,
  draftLink,
  epochContext,
  finishLink,
  type KnownAccount,
  type LinkDraft,
  newestEpoch,
  type OpeningPlan,
} from "@fastchat/protocol/chain";
import {
  deriveEpochKey,
  keyIdOf,
  newEpochKey,
  openEpochKey,
  openProfile,
  random,
  sealEpochKey,
  sealedKeysHash,
  sealedProfileHash,
  sealMessage,
  sealProfile,
  signProfile,
} from "@fastchat/protocol/seal";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import {
  type FileSchema,
  type LinkEntry,
  MessageContentSchema,
  ProfileContentSchema,
  type SealedKey,
  type SealedMessage,
  type SignedProfile,
} from "@fastchat/protocol/wire/conversation";
import { join } from "node:path";
import { loadProfile, type LocalProfile } from "../../client/profile.ts";
import { openSqliteStorage } from "../../client/storage-sqlite.ts";
import { type Dump, takeDump } from "../groups/dump.ts";
import type { Person } from "../person.ts";
import { bodyOf } from "../proxy.ts";
import { type RawDevice, RawSocket } from "../raw-device.ts";
import type { System } from "../system.ts";
import type { FakeAccount } from "./fake-account.ts";

/** What somebody writes who does not ask whether they may. */
export interface Wrong {
  readonly change: ConversationChange;
  /** Accounts that it adds. */
  readonly adds?: readonly AccountId[];
  /** The same of those that no honest server knows. */
  readonly brings?: readonly FakeAccount[];
  /** What becomes of the copies of a new key. */
  readonly spoils?: (copy: SealedKey) => SealedKey;
  /** What is sealed into a new key in the profile's place. */
  readonly seals?: SignedProfile;
  /** With a change of the profile: the new name, and description. */
  readonly name?: string;
}

export interface Forged {
  readonly entry: LinkEntry;
  readonly sealedKeys: readonly SealedKey[];
}

/** Of a device that is closed, or of one whose secrets were read while it ran. */
export async function profileOf({ home, profile }: Pick<Person, "home" | "profile">): Promise<LocalProfile> {
  const storage = openSqliteStorage(join(home, profile));
  try {
    return (await loadProfile(storage))!;
  } finally {
    await storage.close();
  }
}

/**
 * A client that was changed so that it writes whatever it likes: links are whole in every way, with the right place, heads, evidence, keys, copies,
 * profile and signature, and only the right to write them is missing. It knows what whoever owns the server could tell it.
 */
export class ModifiedClient implements AsyncDisposable {
  readonly profile: LocalProfile;
  readonly socket: RawSocket;
  readonly #system: System;

  private constructor(system: System, profile: LocalProfile, socket: RawSocket) {
    this.#system = system;
    this.profile = profile;
    this.socket = socket;
  }

  static async open(system: System, device: RawDevice): Promise<ModifiedClient> {
    return new ModifiedClient(system, device.profile, await RawSocket.signedIn(device));
  }

  /** Another device speaks through the same socket, as if the server did not care who. */
  speakingFor(profile: LocalProfile): ModifiedClient {
    return new ModifiedClient(this.#system, profile, this.socket);
  }

  async append(id: ConversationId, { entry, sealedKeys }: Forged): Promise<"appended" | ErrorCode> {
    const value = { conversation: idBytes(id), entry, sealedKeys: [...sealedKeys] };
    return answerOf(this.socket, { case: "appendLink", value });
  }

  async send(id: ConversationId, message: SealedMessage): Promise<"appended" | ErrorCode> {
    return answerOf(this.socket, { case: "send", value: { conversation: idBytes(id), message, resume: true } });
  }

  async account(account: AccountId): Promise<KnownAccount> {
    const asked = { by: { case: "account" as const, value: idBytes(account) }, after: 0 };
    return knownOf(bodyOf(await this.socket.ask({ case: "fetchAccount", value: asked }), "account").links);
  }

  /**
   * @param pretend the state in which this device might write it: the honest builder is asked on top of that
   */
  async forge(id: ConversationId, wrong: Wrong, pretend?: (real: ConversationState) => ConversationState): Promise<Forged> {
    const dump = await takeDump(this.#system, id);
    const real = dump.links.at(-1)!.state;
    const state = pretend?.(real) ?? real;
    const known = new Map<AccountId, KnownAccount>();
    for (const account of wrong.adds ?? []) known.set(account, await this.account(account));
    for (const { account, links } of wrong.brings ?? []) known.set(account, knownOf(links));
    const { account, device } = this.profile.me;
    const opening = openingOf(wrong.change, state);
    const plan = { state, author: { account, device }, known, change: wrong.change };
    const drafted = draftLink(opening === undefined ? plan : { ...plan, opening: { kind: opening } });
    if (drafted.kind === "invalid") throw new Error(`even pretending, it cannot be built: ${drafted.reason}`);
    const { draft } = drafted;
    // A hash of what only this device believes would be one more thing that is wrong.
    if (pretend !== undefined && draft.body.opening !== undefined) draft.body.opening.stateHash = new Uint8Array(0);
    return this.#finish(draft, real, dump, wrong);
  }

  async #finish(
    draft: LinkDraft,
    state: ConversationState,
    dump: Dump,
    { change, name, spoils, seals, brings = [] }: Wrong,
  ): Promise<Forged> {
    const { me, signingSeed } = this.profile;
    const author = { ...me, signingSeed };
    const epoch = newestEpoch(state);
    const current = (await this.epochKey(dump, epoch.epoch)) ?? newEpochKey();
    const { opening } = draft;
    if (opening === undefined && change.case !== "profile") return { entry: finishLink(draft, signingSeed), sealedKeys: [] };
    const setting = { nonce: state.nonce, index: state.head.index + 1 };
    const signed = await signProfile(create(ProfileContentSchema, { name: name ?? "", description: name ?? "" }), setting, author);
    if (opening === undefined) {
      const sealed = sealProfile(current, epochContext(state, epoch), epoch.epoch, signed);
      if (draft.body.change.case === "profile") draft.body.change.value.profileHash = sealedProfileHash(sealed);
      return { entry: finishLink(draft, signingSeed, undefined, sealed), sealedKeys: [] };
    }
    const derives = draft.body.change.case === "add" && !state.turnDue;
    const key = derives ? deriveEpochKey(current, state.conversation, { ...opening, previous: opening.previous! }) : newEpochKey();
    const sealedRightly = await this.#copies(opening, key, brings);
    const copies = spoils === undefined ? sealedRightly : sealedRightly.map(spoils);
    const sealed = sealProfile(key, opening.context, opening.epoch, seals ?? openedProfile(dump, current) ?? signed);
    const commitments = {
      keyId: keyIdOf(opening.context, key),
      sealedKeysHash: sealedKeysHash(copies),
      profileHash: sealedProfileHash(sealed),
    };
    return { entry: finishLink(draft, signingSeed, commitments, sealed), sealedKeys: copies };
  }

  async #copies({ recipients, epoch, context }: OpeningPlan, key: Uint8Array, brings: readonly FakeAccount[]): Promise<SealedKey[]> {
    const accounts = recipients.map(({ account }) => idBytes(account));
    const { keys } = bodyOf(await this.socket.ask({ case: "fetchAccountKeys", value: { accounts } }), "accountKeys");
    // The socket decodes from a Buffer, whose slices share memory.
    const publicKeys = new Map<AccountId, Uint8Array>(
      keys.map(({ account, publicKey }) => [accountId(account), Uint8Array.from(publicKey)]),
    );
    for (const { account, accountKey } of brings) publicKeys.set(account, accountKey.publicKey);
    const copies: SealedKey[] = [];
    for (const { account, generation } of recipients) {
      copies.push((await sealEpochKey(key, context, epoch, { account, generation, publicKey: publicKeys.get(account)! }))!);
    }
    return copies;
  }

  /** From the copy for this device's account; undefined where there is none. Derived epochs are computed. */
  async epochKey({ copies, links }: Dump, number: number): Promise<Uint8Array | undefined> {
    const state = links.at(-1)!.state;
    const epoch = state.epochs[number - 1];
    if (epoch === undefined) return undefined;
    const { account } = this.profile.me;
    for (const copy of copies.filter((each) => each.epoch === number && accountId(each.account) === account)) {
      const secret = this.profile.accountKeys.find(({ generation }) => generation === copy.generation)?.secret;
      if (secret === undefined) continue;
      const opened = await openEpochKey(copy, epochContext(state, epoch), { account, secret }, epoch.keyId);
      if (opened.kind === "opened") return opened.key;
    }
    return undefined;
  }

  /** A message, sealed with the key of the newest epoch where this device has it; what it says of its files may be anything, and is not named in the clear. */
  message(id: ConversationId, text: string, files: readonly MessageInitShape<typeof FileSchema>[] = []): Promise<SealedMessage> {
    return this.#seal(id, { case: "text", value: { text, files: [...files] } });
  }

  /** The same that deletes whatever it likes. */
  deletion(
    id: ConversationId,
    withdraws: readonly number[],
    messages: readonly { readonly device: Uint8Array; readonly clientMessageId: Uint8Array }[],
  ): Promise<SealedMessage> {
    return this.#seal(id, { case: "deletion", value: { messages: [...messages] } }, withdraws);
  }

  async #seal(
    id: ConversationId,
    kind: MessageInitShape<typeof MessageContentSchema>["kind"] & {},
    withdraws: readonly number[] = [],
  ): Promise<SealedMessage> {
    const dump = await takeDump(this.#system, id);
    const { epoch, openingLink } = newestEpoch(dump.links.at(-1)!.state);
    const key = (await this.epochKey(dump, epoch)) ?? newEpochKey();
    const { account, device } = this.profile.me;
    const content = create(MessageContentSchema, { time: BigInt(Date.now()), counter: 1, kind });
    const envelope = { clientMessageId: clientMessageId(random(16)), withdraws };
    return sealMessage(key, { conversation: id, account, device, epoch, openingLink }, envelope, content, this.profile.signingSeed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket[Symbol.asyncDispose]();
  }
}

/** As if this account were an active admin, and everybody's admin rights were as given. */
export function asAdmin(account: AccountId, chain: AccountState, others: "as they are" | "members" = "as they are") {
  return (real: ConversationState): ConversationState => {
    const members = new Map(
      [...real.members].map(([id, member]) => [id, others === "members" ? { ...member, role: "member" as const } : member]),
    );
    const was = real.members.get(account) ?? { account, addedAt: 1, order: 0, earlier: [] };
    members.set(account, { ...was, role: "admin", chain });
    const former = new Map(real.former);
    former.delete(account);
    return { ...real, members, former };
  };
}

function knownOf(links: readonly SignedLink[]): KnownAccount {
  const result = applyAccountLinks(undefined, links);
  if (result.kind !== "valid") throw new Error("not a valid account chain");
  return { state: result.state, links };
}

function openingOf(change: ConversationChange, state: ConversationState): "fresh" | "derived" | undefined {
  if (change.case === "remove" || change.case === "rekey") return "fresh";
  return change.case === "add" ? (state.turnDue ? "fresh" : "derived") : undefined;
}

function openedProfile({ links }: Dump, key: Uint8Array): SignedProfile | undefined {
  const { entry, state } = links.findLast((link) => link.entry.profile.length > 0)!;
  const epoch = newestEpoch(state);
  const opened = openProfile(key, epochContext(state, epoch), epoch.epoch, entry.profile);
  return opened.kind === "opened" ? opened.profile : undefined;
}

async function answerOf(socket: RawSocket, question: Parameters<RawSocket["ask"]>[0]): Promise<"appended" | ErrorCode> {
  const { body } = await socket.ask(question);
  if (body.case === "error") return body.value.code;
  if (body.case === "appended" || body.case === "sent") return "appended";
  throw new FastChatError(ErrorCode.UNSPECIFIED, { detail: `the server answered ${body.case ?? "nothing"}` });
}
