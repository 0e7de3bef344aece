import { idBytes } from "@fastchat/protocol";
import { type AccountState, applyAccountLink, buildAccountCreate, newDeviceId } from "@fastchat/protocol/chain";
import { accountPublicKeyHash, generateSealingKey, publicKeyOf, random } from "@fastchat/protocol/seal";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TemporaryFolder } from "../testing/index.ts";
import { KnownAccounts, loadKnownAccount } from "./accounts.ts";
import { openSqliteStorage } from "./storage-sqlite.ts";

/** An account with one device and a real account key. */
async function someAccount() {
  const { publicKey } = await generateSealingKey();
  const device = { signingSeed: random(32), sealingKeyHash: random(32), nonce: random(32) };
  const link = buildAccountCreate({
    name: "bob",
    nonce: random(32),
    identitySeed: random(32),
    recoveryPublicKey: publicKeyOf(random(32)),
    device,
    accountKey: {
      publicKeyHash: accountPublicKeyHash(publicKey),
      wrappedHash: random(32),
      copies: new Map([[newDeviceId(device), random(32)]]),
    },
  });
  const { state } = applyAccountLink(undefined, link) as { readonly state: AccountState };
  return { state, link, publicKey };
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
