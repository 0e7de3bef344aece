import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type AccountLink, AccountLinkSchema, type SignedLink, SignedLinkSchema } from "../generated/fastchat/v1/account_pb.ts";
import {
  type ConversationLink,
  ConversationLinkSchema,
  type LinkEntry,
  LinkEntrySchema,
  type PolicySchema,
} from "../generated/fastchat/v1/conversation_pb.ts";
import { type AccountId, type DeviceId, keyId } from "../ids.ts";
import { encodeList } from "../seal/bytes.ts";
import { hash } from "../seal/hash.ts";
import { labels, type SignatureLabel } from "../seal/labels.ts";
import { publicKeyOf, signLink } from "../seal/signature.ts";
import {
  type AccountState,
  additionsOf,
  applyAccountLink,
  applyConversationLink,
  type Author,
  buildAccountCreate,
  buildAddDevice,
  buildClose,
  buildConversationLink,
  buildRecovery,
  buildRevoke,
  buildSignOut,
  buildSucceed,
  type Commitments,
  type ConversationChange,
  type ConversationState,
  directCreate,
  groupCreate,
  type KnownAccount,
  type LinkPlan,
  type NewAccountKey,
  type NewDevice,
  newDeviceId,
  remainingDevices,
  removalOf,
  rolesOf,
} from "./index.ts";

/** 32 bytes that are the same in every run: seeds, nonces and hashes of things that a chain never opens. */
export const bytesOf = (name: string): Uint8Array => hash(labels.hash.profile, encodeList([name]));

export interface TestDevice {
  readonly device: DeviceId;
  readonly signingSeed: Uint8Array;
  readonly keys: NewDevice;
}

/** A person with real signing keys, whose chain grows by real links. */
export interface Person {
  readonly name: string;
  readonly account: AccountId;
  identitySeed: Uint8Array;
  state: AccountState;
  readonly links: SignedLink[];
  /** In the order in which they were added. */
  readonly devices: TestDevice[];
}

export function deviceOf(name: string, number: number): TestDevice {
  const keys = {
    signingSeed: bytesOf(`${name}/device/${number}`),
    sealingKeyHash: bytesOf(`${name}/sealing/${number}`),
    nonce: bytesOf(`${name}/nonce/${number}`),
  };
  return { device: newDeviceId(keys), signingSeed: keys.signingSeed, keys };
}

export function accountKeyFor(name: string, generation: number, devices: readonly DeviceId[]): NewAccountKey {
  const part = (what: string) => bytesOf(`${name}/${what}/${generation}`);
  const key = {
    publicKeyHash: part("key"),
    wrappedHash: part("wrapped"),
    copies: new Map(devices.map((device) => [device, part(device)])),
  };
  return generation === 1 ? key : { ...key, previousHash: part("previous") };
}

const signedUp = new Map<string, Person>();

/** The same person each time, made once: what one test does to them no other one sees. */
export function signUp(name: string): Person {
  const person = signedUp.get(name) ?? newPerson(name);
  signedUp.set(name, person);
  return twin(person);
}

export const people = () => ({ alice: signUp("alice"), bob: signUp("bob"), carol: signUp("carol"), dave: signUp("dave") });

function newPerson(name: string): Person {
  const identitySeed = bytesOf(`${name}/identity`);
  const device = deviceOf(name, 1);
  const link = buildAccountCreate({
    name,
    nonce: bytesOf(`${name}/create`),
    identitySeed,
    recoveryPublicKey: publicKeyOf(bytesOf(`${name}/recovery`)),
    device: device.keys,
    accountKey: accountKeyFor(name, 1, [device.device]),
  });
  const state = grown(undefined, link);
  return { name, account: state.account, identitySeed, state, links: [link], devices: [device] };
}

function grown(state: AccountState | undefined, link: SignedLink): AccountState {
  const result = applyAccountLink(state, link);
  if (result.kind !== "valid") throw new Error(`the test's own link is ${JSON.stringify(result)}`);
  return result.state;
}

export function take(person: Person, link: SignedLink): SignedLink {
  person.state = grown(person.state, link);
  person.links.push(link);
  return link;
}

/** The same person up to now, to go another way from here. */
export const twin = (person: Person): Person => ({ ...person, links: [...person.links], devices: [...person.devices] });

export function addDevice(person: Person): TestDevice {
  const device = deviceOf(person.name, person.devices.length + 1);
  const { identitySeed } = person;
  take(person, buildAddDevice(person.state, { identitySeed, device: device.keys, sealedHash: bytesOf(device.device) }));
  person.devices.push(device);
  return device;
}

export function revoke(person: Person, ...devices: readonly TestDevice[]): SignedLink {
  const ids = devices.map((device) => device.device);
  const remaining = remainingDevices(person.state, ids);
  const accountKey = accountKeyFor(person.name, person.state.accountKeys.length + 1, remaining);
  return take(person, buildRevoke(person.state, { identitySeed: person.identitySeed, devices: ids, accountKey }));
}

export const signOut = (person: Person, device: TestDevice): SignedLink => take(person, buildSignOut(person.state, device));

export const newRecovery = (person: Person): SignedLink =>
  take(
    person,
    buildRecovery(person.state, {
      identitySeed: person.identitySeed,
      recoveryPublicKey: publicKeyOf(bytesOf(`${person.name}/recovery/${person.links.length}`)),
    }),
  );

export function succeed(person: Person, staying: TestDevice): SignedLink {
  const newIdentitySeed = bytesOf(`${person.name}/identity/${person.state.identityKeys.length + 1}`);
  const link = buildSucceed(person.state, {
    identitySeed: person.identitySeed,
    newIdentitySeed,
    recoveryPublicKey: publicKeyOf(bytesOf(`${person.name}/recovery/${person.links.length}`)),
    device: staying.device,
    accountKey: accountKeyFor(person.name, person.state.accountKeys.length + 1, [staying.device]),
  });
  take(person, link);
  person.identitySeed = newIdentitySeed;
  return link;
}

export const close = (person: Person): SignedLink => take(person, buildClose(person.state, { identitySeed: person.identitySeed }));

export const knownOf = (...people: readonly Person[]): ReadonlyMap<AccountId, KnownAccount> =>
  new Map(people.map(({ account, state, links }) => [account, { state, links: [...links] }]));

export const authorOf = (person: Person, device: TestDevice = first(person)): Author => ({
  account: person.account,
  device: device.device,
});

export function first(person: Person): TestDevice {
  const [device] = person.devices;
  if (device === undefined) throw new Error("a person without a device");
  return device;
}

/** Commitments of no real key: a chain sees hashes alone. `name` makes them differ. */
export function commitmentsOf(name: string, profile?: string): Commitments {
  const commitments = { keyId: keyId(bytesOf(`${name}/key id`)), sealedKeysHash: bytesOf(`${name}/copies`) };
  return profile === undefined ? commitments : { ...commitments, profileHash: bytesOf(profile) };
}

export interface Write {
  readonly by: Person;
  readonly device?: TestDevice;
  readonly knows?: readonly Person[];
  readonly change: ConversationChange;
  readonly opening?: LinkPlan["opening"];
  readonly commitments?: Commitments;
}

/** What somebody writes on top of a state; commits to a key of its own wherever it opens an epoch. */
export function write(state: ConversationState | undefined, { by, device = first(by), knows = [], change, opening, commitments }: Write) {
  const plan = { state, author: authorOf(by, device), known: knownOf(...knows), change };
  if (opening === undefined) return buildConversationLink(plan, device.signingSeed);
  const name = `${by.name}/${state?.head.hash ?? ""}`;
  const profile = state?.profileHash === undefined ? undefined : `${name}/profile`;
  return buildConversationLink({ ...plan, opening }, device.signingSeed, commitments ?? commitmentsOf(name, profile));
}

/** Writes what must be valid, and applies it. */
export function grow(state: ConversationState | undefined, what: Write): { state: ConversationState; entry: LinkEntry } {
  const built = write(state, what);
  if (built.kind !== "built") throw new Error(`refused to build: ${built.reason}`);
  const result = applyConversationLink(state, built.entry);
  if (result.kind !== "valid") throw new Error(`the test's own link is ${JSON.stringify(result)}`);
  return { state: result.state, entry: built.entry };
}

export const fresh = { kind: "fresh" } as const;
export const derived = { kind: "derived" } as const;

export const openDirect = (one: Person, other: Person) =>
  grow(undefined, {
    by: one,
    knows: [one, other],
    change: directCreate(one.account, other.account, bytesOf(`${one.name}+${other.name}`)),
    opening: fresh,
  });

/** A group of which the first person is admin. */
export const openGroup = (people: readonly Person[], policy?: MessageInitShape<typeof PolicySchema>) => {
  const [admin] = people;
  if (admin === undefined) throw new Error("a group of nobody");
  const members = new Map(people.map((person) => [person.account, person === admin ? ("admin" as const) : ("member" as const)]));
  return grow(undefined, { by: admin, knows: people, change: groupCreate(members, bytesOf("group"), policy), opening: fresh });
};

export const heads = { case: "headsOnly", value: {} } as const;
export const rekey = { case: "rekey", value: { reason: "test" } } as const;

/** The verdict on a link of a conversation and, unless it is valid, the reason. */
export function verdict(state: ConversationState | undefined, entry: LinkEntry): string {
  const result = applyConversationLink(state, entry);
  return result.kind === "valid" ? "valid" : `${result.kind}: ${result.reason}`;
}

/** The verdict on what somebody tries to write: already the one who builds it is told, by the same rules. */
export function attempt(state: ConversationState | undefined, what: Write): string {
  const built = write(state, what);
  return built.kind === "built" ? verdict(state, built.entry) : `invalid: ${built.reason}`;
}

/** An account chain with a link of every type that version 1 knows, and the state before each. */
export function wholeAccount() {
  const { alice } = people();
  const links: { readonly type: string; readonly before: AccountState | undefined; readonly link: SignedLink }[] = [
    { type: "create", before: undefined, link: alice.links[0]! },
  ];
  const next = (type: string, deed: () => unknown): void => {
    const before = alice.state;
    deed();
    links.push({ type, before, link: alice.links.at(-1)! });
  };
  next("add-device", () => addDevice(alice));
  next("sign-out", () => signOut(alice, alice.devices[1]!));
  next("revoke", () => revoke(alice, alice.devices[1]!));
  next("recovery", () => newRecovery(alice));
  next("succeed", () => succeed(alice, first(alice)));
  next("close", () => close(alice));
  return { alice, links };
}

/** A group's chain with a link of every type, and the states before and after each. */
export function wholeGroup() {
  const { alice, bob, carol, dave } = people();
  const { state, entry } = openGroup([alice, bob, dave]);
  const links: {
    readonly type: string;
    readonly before: ConversationState | undefined;
    readonly entry: LinkEntry;
    readonly after: ConversationState;
  }[] = [{ type: "create", before: undefined, entry, after: state }];
  const next = (type: string, what: Write): void => {
    const before = links.at(-1)!.after;
    const grown = grow(before, what);
    links.push({ type, before, entry: grown.entry, after: grown.state });
  };
  next("add", { by: alice, knows: [carol], change: additionsOf(new Map([[carol.account, "member"]])), opening: derived });
  next("role", { by: alice, change: rolesOf(new Map([[bob.account, "admin"]])) });
  next("policy", { by: alice, change: { case: "policy", value: { policy: { mayAdd: 2, retentionSeconds: 60 } } } });
  next("profile", { by: alice, change: { case: "profile", value: { profileHash: bytesOf("profile") } } });
  revoke(bob, addDevice(bob));
  next("heads", { by: carol, knows: [bob], change: heads });
  next("rekey", { by: carol, change: { case: "rekey", value: { reason: "a device was revoked" } }, opening: fresh });
  next("remove", { by: bob, change: removalOf([dave.account]), opening: fresh });
  next("leave", { by: carol, change: { case: "leave", value: {} } });
  return links;
}

/** A link changed by somebody who holds the seeds, signed again: what `apply` must refuse for another reason than the signature. */
export function forgeAccountLink(
  link: SignedLink,
  seeds: {
    readonly signing: Uint8Array;
    readonly label?: SignatureLabel;
    readonly cosigning?: Uint8Array;
    readonly cosignLabel?: SignatureLabel;
  },
  change: (body: AccountLink) => void,
): SignedLink {
  const forged = fromBinary(AccountLinkSchema, link.body);
  change(forged);
  const body = toBinary(AccountLinkSchema, forged);
  const signature = signLink(seeds.signing, seeds.label ?? labels.signature.accountLink, body);
  if (seeds.cosigning === undefined) return create(SignedLinkSchema, { body, signature });
  const cosignature = signLink(seeds.cosigning, seeds.cosignLabel ?? labels.signature.deviceOfLink, body, signature);
  return create(SignedLinkSchema, { body, signature, cosignature });
}

/** The same for a link of a conversation. */
export function forgeLink(entry: LinkEntry, signing: Uint8Array, change: (body: ConversationLink) => void): LinkEntry {
  const link = fromBinary(ConversationLinkSchema, entry.link?.body ?? new Uint8Array(0));
  change(link);
  const body = toBinary(ConversationLinkSchema, link);
  const signature = signLink(signing, labels.signature.conversationLink, body);
  return create(LinkEntrySchema, { link: create(SignedLinkSchema, { body, signature }), evidence: entry.evidence });
}
