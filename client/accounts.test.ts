import { create } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { type AccountState, applyAccountLink, buildAccountCreate, buildRecovery, newDeviceId } from "@fastchat/protocol/chain";
import { accountPublicKeyHash, generateSealingKey, publicKeyOf, random } from "@fastchat/protocol/seal";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { AccountSchema } from "@fastchat/protocol/wire/frames";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TemporaryFolder } from "../testing/index.ts";
import { KnownAccounts, loadKnownAccount } from "./accounts.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

/** An account with one device and a real account key. */
async function someAccount() {
  const { publicKey } = await generateSealingKey();
  const device = { signingSeed: random(32), sealingKeyHash: random(32), nonce: random(32) };
  const identitySeed = random(32);
  const link = buildAccountCreate({
    name: "bob",
    nonce: random(32),
    identitySeed,
    recoveryPublicKey: publicKeyOf(random(32)),
    device,
    accountKey: {
      publicKeyHash: accountPublicKeyHash(publicKey),
      wrappedHash: random(32),
      copies: new Map([[newDeviceId(device), random(32)]]),
    },
  });
  const { state } = applyAccountLink(undefined, link) as { readonly state: AccountState };
  return { state, link, publicKey, identitySeed };
}

test("[C4] a public key that came while evidence of the same account was stored stays known", async () => {
  using folder = new TemporaryFolder();
  const storage = openSqliteStorage(join(folder.path, "profile"));
  const accounts = new KnownAccounts(
    storage,
    () => Promise.reject(new Error("nobody is asked")),
    () => undefined,
  );
  const { state, link, publicKey } = await someAccount();
  const [first, second] = [await accounts.learn(state, [link]), await accounts.learn(state, [link])];
  await storage.commit(first.changes);
  first.done();
  await accounts.keepKeys([{ $typeName: "fastchat.v1.AccountKeyOf", account: idBytes(state.account), publicKey }]);
  // Of another conversation, which read the same links at the same time.
  await storage.commit(second.changes);
  second.done();
  expect((await accounts.need(state.account)).publicKey).toEqual(publicKey);
  expect((await loadKnownAccount(storage, state.account))?.state.head).toEqual(state.head);
  await storage.close();
});

test("[G5] an answer that was overtaken by what a conversation proved is no other history; one that is shorter than what was known is", async () => {
  using folder = new TemporaryFolder();
  const storage = openSqliteStorage(join(folder.path, "profile"));
  const { state, link, publicKey, identitySeed } = await someAccount();
  const next = buildRecovery(state, { identitySeed, recoveryPublicKey: publicKeyOf(random(32)) });
  const after = (applyAccountLink(state, next) as { readonly state: AccountState }).state;
  const refused: Error[] = [];
  const answer = (links: readonly SignedLink[]) =>
    create(AccountSchema, { account: idBytes(state.account), links: [...links], accountPublicKey: publicKey });
  /** While the server's answer is under way. */
  let meanwhile = async (): Promise<void> => undefined;
  const accounts = new KnownAccounts(
    storage,
    async ({ after: from }) => {
      const shown = [link].slice(from);
      await meanwhile();
      return answer(shown);
    },
    (error) => refused.push(error),
  );
  await accounts.refresh(state.account);
  meanwhile = async () => {
    meanwhile = async () => undefined;
    const learned = await accounts.learn(after, [next]);
    await storage.commit(learned.changes);
    learned.done();
  };
  expect((await accounts.refresh(state.account)).state.head).toEqual(after.head);
  expect(refused).toEqual([]);
  // Asked for by its name, the whole of it is shown, and this is not all that was known.
  expect((await accounts.named(["bob"]))[0]?.state.head).toEqual(after.head);
  expect(refused).toHaveLength(1);
  await storage.close();
});
