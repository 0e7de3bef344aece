import { expect, test } from "vitest";
import { NewcomersRead, type SealedKey } from "../generated/fastchat/v1/conversation_pb.ts";
import { conversationId, idBytes, type KeyId } from "../ids.ts";
import { accountPublicKeyHash } from "../seal/account-keys.ts";
import { toHex } from "../seal/bytes.ts";
import { deriveEpochKey, keyIdOf, newEpochKey, openEpochKey, sealedKeysHash, sealEpochKey } from "../seal/epoch.ts";
import { generateSealingKey, type SealingKey } from "../seal/hpke.ts";
import {
  additionsOf,
  applyAccountLink,
  applyConversationLink,
  buildAccountCreate,
  checkSealedKeys,
  type ConversationChange,
  type ConversationState,
  directCreate,
  draftLink,
  epochContext,
  finishLink,
  groupCreate,
  linkBodyForDerivation,
  newestEpoch,
} from "./index.ts";
import { accountKeyFor, authorOf, bytesOf, deviceOf, first, forgeLink, knownOf, type Person } from "./test-people.ts";
import { publicKeyOf } from "../seal/signature.ts";

type KeyHolder = Person & { readonly accountKey: SealingKey };

/** A person whose account key is a real one. */
async function keyHolder(name: string): Promise<KeyHolder> {
  const accountKey = await generateSealingKey(bytesOf(`${name}/account key`));
  const device = deviceOf(name, 1);
  const identitySeed = bytesOf(`${name}/identity`);
  const link = buildAccountCreate({
    name,
    nonce: bytesOf(name),
    identitySeed,
    recoveryPublicKey: publicKeyOf(bytesOf(`${name}/recovery`)),
    device: device.keys,
    accountKey: { ...accountKeyFor(name, 1, [device.device]), publicKeyHash: accountPublicKeyHash(accountKey.publicKey) },
  });
  const result = applyAccountLink(undefined, link);
  if (result.kind !== "valid") throw new Error(result.reason);
  return { name, account: result.state.account, identitySeed, state: result.state, links: [link], devices: [device], accountKey };
}

interface Opened {
  readonly state: ConversationState;
  readonly entry: ReturnType<typeof finishLink>;
  readonly copies: SealedKey[];
  readonly key: Uint8Array;
}

/** Writes an opening link the way a client does: draft, key, copies, commitments, signature. */
async function open(
  state: ConversationState | undefined,
  by: Person,
  knows: readonly KeyHolder[],
  change: ConversationChange,
  previousKey?: Uint8Array,
): Promise<Opened> {
  const opening = { kind: previousKey === undefined ? "fresh" : "derived" } as const;
  const drafted = draftLink({ state, author: authorOf(by), known: knownOf(...knows), change, opening });
  if (drafted.kind !== "drafted") throw new Error(drafted.reason);
  const { epoch, context, recipients, previous, bodyWithoutCommitments } = drafted.draft.opening!;
  const key =
    previousKey === undefined ? newEpochKey() : deriveEpochKey(previousKey, context, { previous: previous!, bodyWithoutCommitments });
  const copies: SealedKey[] = [];
  for (const { account, generation } of recipients) {
    const { publicKey } = knows.find((person) => person.account === account)!.accountKey;
    copies.push((await sealEpochKey(key, context, epoch, { account, generation, publicKey }))!);
  }
  const entry = finishLink(drafted.draft, first(by).signingSeed, { keyId: keyIdOf(context, key), sealedKeysHash: sealedKeysHash(copies) });
  const result = applyConversationLink(state, entry);
  if (result.kind !== "valid") throw new Error(JSON.stringify(result));
  return { state: result.state, entry, copies, key };
}

function openCopy(state: ConversationState, copy: SealedKey, person: KeyHolder) {
  const epoch = newestEpoch(state);
  return openEpochKey(copy, epochContext(state, epoch), { account: person.account, secret: person.accountKey.secret }, epoch.keyId);
}

test("[C4] every member opens its copy of a fresh key, which is the one that the link commits to", async () => {
  const [alice, bob] = [await keyHolder("alice"), await keyHolder("bob")];
  const direct = await open(undefined, alice, [alice, bob], directCreate(alice.account, bob.account, bytesOf("direct")));
  const roles = new Map([
    [alice.account, "admin"],
    [bob.account, "member"],
  ] as const);
  const group = await open(undefined, alice, [alice, bob], groupCreate(roles, bytesOf("group")));
  expect(epochContext(group.state, newestEpoch(group.state))).toBe(conversationId(bytesOf("group")));
  for (const { state, copies, key } of [direct, group]) {
    expect(checkSealedKeys(state, copies)).toEqual({ kind: "valid" });
    for (const copy of copies) {
      const person = [alice, bob].find((each) => each.account === toHex(copy.account))!;
      expect(await openCopy(state, copy, person)).toEqual({ kind: "opened", key });
    }
  }
});

test("[C4] members compute a derived key from the link as received; the newcomer opens its copy of it", async () => {
  const [alice, bob, carol] = [await keyHolder("alice"), await keyHolder("bob"), await keyHolder("carol")];
  const roles = new Map([
    [alice.account, "admin"],
    [bob.account, "member"],
  ] as const);
  const group = await open(undefined, alice, [alice, bob], groupCreate(roles, bytesOf("group")));
  const added = await open(group.state, alice, [carol], additionsOf(new Map([[carol.account, "member"]])), group.key);
  expect(added.copies).toHaveLength(1);
  expect(checkSealedKeys(added.state, added.copies)).toEqual({ kind: "valid" });
  const epoch = newestEpoch(added.state);
  const bobs = deriveEpochKey(group.key, added.state.conversation, {
    previous: epoch.previousLink!,
    bodyWithoutCommitments: linkBodyForDerivation(added.entry.link!.body),
  });
  const commitment: KeyId = keyIdOf(epochContext(added.state, epoch), bobs);
  expect(commitment).toBe(epoch.keyId);
  expect(await openCopy(added.state, added.copies[0]!, carol)).toEqual({ kind: "opened", key: bobs });
});

test("[C4] a list of copies that is not the named one, or lacks, repeats or misdirects a copy, is refused", async () => {
  const [alice, bob, carol] = [await keyHolder("alice"), await keyHolder("bob"), await keyHolder("carol")];
  const made = await open(undefined, alice, [alice, bob], directCreate(alice.account, bob.account, bytesOf("direct")));
  const [one, two] = made.copies as [SealedKey, SealedKey];
  const naming = (...copies: SealedKey[]): string => listNamed(undefined, made, alice, copies);
  expect(checkSealedKeys(made.state, [one])).toEqual({ kind: "invalid", reason: "not the list that is named" });
  expect(naming(one, two)).toBe("valid");
  expect(naming(one)).toBe("a copy is missing or nobody's");
  expect(naming(two)).toBe("a copy is missing or nobody's");
  expect(naming(two, one)).toBe("a copy is missing or nobody's");
  expect(naming(one, one, two)).toBe("copies are not in order");
  expect(naming(one, { ...two, generation: 2 })).toBe("a copy for another account key");
  expect(naming(one, { ...two, sealed: two.sealed.slice(1) })).toBe("not a sealed epoch key");
  expect(naming({ ...one, epoch: 0 }, one, two)).toBe("a copy of an epoch that nobody gives");
  expect(naming(one, two, { ...two, epoch: 2 })).toBe("a copy of an epoch that nobody gives");
  const stranger = { ...one, account: idBytes(carol.account) };
  expect(naming(one, two, stranger)).toBe("a copy for somebody who is no member");
});

test("[C4] older epochs are given to newcomers where the policy gives them, and to nobody else", async () => {
  const [alice, bob, carol] = [await keyHolder("alice"), await keyHolder("bob"), await keyHolder("carol")];
  const roles = new Map([
    [alice.account, "admin"],
    [bob.account, "member"],
  ] as const);
  for (const newcomersRead of [NewcomersRead.EVERYTHING, NewcomersRead.NOTHING_OLDER]) {
    const group = await open(undefined, alice, [alice, bob], groupCreate(roles, bytesOf("group"), { newcomersRead }));
    const added = await open(group.state, alice, [carol], additionsOf(new Map([[carol.account, "member"]])), group.key);
    const older = async ({ account, accountKey }: KeyHolder): Promise<SealedKey> => {
      const recipient = { account, generation: 1, publicKey: accountKey.publicKey };
      return (await sealEpochKey(group.key, epochContext(group.state, newestEpoch(group.state)), 1, recipient))!;
    };
    const byAccount = (copies: SealedKey[]) => copies.toSorted((one, other) => (toHex(one.account) < toHex(other.account) ? -1 : 1));
    const given = newcomersRead === NewcomersRead.EVERYTHING ? "valid" : "a copy of an epoch that nobody gives";
    expect(listNamed(group.state, added, alice, [await older(carol), ...added.copies])).toBe(given);
    const toBob = byAccount([await older(bob), ...added.copies]);
    expect(listNamed(group.state, added, alice, toBob)).toBe("a copy of an epoch that nobody gives");
  }
});

/** The verdict on a list of copies that the link names, instead of its own. */
function listNamed(before: ConversationState | undefined, made: Opened, author: Person, copies: SealedKey[]): string {
  const entry = forgeLink(made.entry, first(author).signingSeed, (body) => (body.opening!.sealedKeysHash = sealedKeysHash(copies)));
  const result = applyConversationLink(before, entry);
  if (result.kind !== "valid") throw new Error(JSON.stringify(result));
  const checked = checkSealedKeys(result.state, copies);
  return checked.kind === "valid" ? "valid" : checked.reason;
}
