import { type AccountId, idBytes } from "@fastchat/protocol";
import { directCreate, groupCreate } from "@fastchat/protocol/chain";
import { equal, random } from "@fastchat/protocol/seal";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import type { EvilCase, Stage } from "./case.ts";
import { type FakeAccount, makeFakeAccount } from "./fake-account.ts";
import { accountOf, FalseConversation, type Sealable } from "./false-conversation.ts";

/** Long enough for what was pushed before to be read. */
const READ_MS = 500;

const sealable = ({ links, accountKey }: FakeAccount): Sealable => ({ links, publicKey: accountKey.publicKey });

/** A false account whose id comes after somebody's. */
async function fakeAfter(name: string, account: AccountId): Promise<FakeAccount> {
  for (;;) {
    const fake = await makeFakeAccount(name);
    if (fake.account > account) return fake;
  }
}

async function nothingNew(stage: Stage, conversation: FalseConversation, alice: Awaited<ReturnType<Stage["victim"]>>): Promise<void> {
  const before = (await alice.client.conversations()).map(({ id }) => id);
  // The honest server knows nothing of it.
  stage.proxy.script = {
    toServer: (frame, connection) => {
      const { body } = frame;
      if (body.case !== "fetchSealedKeys" || !equal(body.value.conversation, idBytes(conversation.id))) return frame;
      connection.answer(frame, { case: "sealedKeys", value: { keys: conversation.copies } });
      return undefined;
    },
  };
  conversation.show(stage.connectionOf(alice));
  await wait(READ_MS);
  expect((await alice.client.conversations()).map(({ id }) => id)).toEqual(before);
  const items = alice.events.filter((event) => event.kind === "items" && event.conversation === conversation.id);
  expect(items).toEqual([]);
  await alice.reopen();
  expect((await alice.client.conversations()).map(({ id }) => id)).toEqual(before);
}

const ghostMember: EvilCase = {
  attack: "ghost member: a group that is shown as the conversation with a contact",
  rules: "[C2] [G2]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const connection = stage.connectionOf(alice);
    const mallory = await fakeAfter("mallory", bob.me.account);
    const members = new Map<AccountId, Sealable>([
      [alice.me.account, await accountOf(alice, connection)],
      [bob.me.account, await accountOf(bob, connection)],
      [mallory.account, sealable(mallory)],
    ]);
    const group = new FalseConversation(mallory, members);
    const roles = [...members.keys()].map((account) => [account, account === mallory.account ? "admin" : "member"] as const);
    await group.open(groupCreate(new Map(roles), random(32)));
    await group.open({ case: "rekey", value: { reason: "ghost" } });
    await group.say("new number, write here please");
    await nothingNew(stage, group, alice);
    await stage.honestTalk(alice, bob);
  },
};

const strangers: EvilCase = {
  attack: "server-run membership (WhatsApp, Matrix): the conversation of two others",
  rules: "[C2] [C3]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const mallory = await fakeAfter("mallory", bob.me.account);
    const bobs = await accountOf(bob, stage.connectionOf(alice));
    const members = new Map<AccountId, Sealable>([
      [bob.me.account, bobs],
      [mallory.account, sealable(mallory)],
    ]);
    const foreign = new FalseConversation(mallory, members);
    await foreign.open(directCreate(bob.me.account, mallory.account, random(32)));
    await foreign.say("between us");
    await nothingNew(stage, foreign, alice);
    await stage.honestTalk(alice, bob);
  },
};

export const membershipCases: readonly EvilCase[] = [ghostMember, strangers];
