import { type AccountId, idBytes } from "@fastchat/protocol";
import { directCreate, groupCreate } from "@fastchat/protocol/chain";
import { equal, random } from "@fastchat/protocol/seal";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { type EvilCase, type Stage, warned, play } from "./case.ts";
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

/** Shows her a conversation of which the honest server knows nothing. */
async function show(stage: Stage, conversation: FalseConversation, alice: Awaited<ReturnType<Stage["victim"]>>): Promise<void> {
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
}

async function nothingNew(stage: Stage, conversation: FalseConversation, alice: Awaited<ReturnType<Stage["victim"]>>): Promise<void> {
  const before = (await alice.client.conversations()).map(({ id }) => id);
  await show(stage, conversation, alice);
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
    const before = (await alice.client.conversations()).map(({ id }) => id);
    await show(stage, group, alice);
    // A stranger's group, and nothing else: it waits to be accepted.
    expect((await alice.client.conversations()).map(({ id }) => id)).toEqual(before);
    expect(await alice.client.conversation(group.id)).toMatchObject({ kind: "group", request: true, group: { memberCount: 3 } });
    expect(await alice.texts(bob.name)).not.toContain("new number, write here please");
    expect(alice.events.filter((event) => event.kind === "items" && event.conversation === group.id && event.live)).toEqual([]);
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

const ownName: EvilCase = {
  attack: "two accounts under one name: a second one under one's own, and a stranger who is called what a contact is not",
  rules: "[A3]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const carol = await stage.honest("carol");
    const twin = await makeFakeAccount(alice.name);
    const members = new Map<AccountId, Sealable>([
      [alice.me.account, await accountOf(alice, stage.connectionOf(alice))],
      [twin.account, sealable(twin)],
    ]);
    const letter = new FalseConversation(twin, members);
    await letter.open(directCreate(alice.me.account, twin.account, random(32)));
    await letter.say("a note from yourself");
    const called = (name: string, account: AccountId) => ({ name, account: idBytes(account), online: true });
    stage.proxy.script = {
      toServer: (frame, connection) => {
        const { body } = frame;
        if (body.case === "fetchAccount" && body.value.by.case === "account" && equal(body.value.by.value, idBytes(twin.account))) {
          connection.answer(frame, { case: "account", value: { ...twin.answer, links: twin.links.slice(body.value.after) } });
          return undefined;
        }
        if (body.case === "findPeople") {
          const people = [called("ceo", bob.me.account), called(alice.name, twin.account), called(carol.name, carol.me.account)];
          connection.answer(frame, { case: "people", value: { people } });
          return undefined;
        }
        return frame;
      },
    };
    letter.show(stage.connectionOf(alice));
    await warned(alice, "account-fork");
    const shown = await alice.client.conversation(letter.id);
    expect(shown).toMatchObject({ request: true, blocked: "identity-changed", peer: { verification: "changed", contact: false } });
    await expect(alice.client.accept(letter.id)).rejects.toThrow(`under the name ${alice.name}`);
    await alice.client.setVerified(bob.name, true);
    const found = await alice.client.people("");
    expect(found.filter(({ account }) => account === twin.account)).toEqual([]);
    expect(found.filter(({ account }) => account === bob.me.account).map(({ name }) => name)).toEqual([bob.name]);
    expect(found.map(({ name }) => name)).toContain(carol.name);
    await stage.honestTalk(alice, bob);
  },
};

const twins: EvilCase = {
  attack: "two accounts under one name: two strangers, of whom the first one known here keeps it",
  rules: "[A3]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const alices = await accountOf(alice, stage.connectionOf(alice));
    const name = `trent${alice.name}`;
    const [first, second] = [await makeFakeAccount(name), await makeFakeAccount(name)];
    const letterOf = async (from: FakeAccount, text: string) => {
      const members = new Map<AccountId, Sealable>([
        [alice.me.account, alices],
        [from.account, sealable(from)],
      ]);
      const letter = new FalseConversation(from, members);
      await letter.open(directCreate(alice.me.account, from.account, random(32)));
      await letter.say(text);
      await show(stage, letter, alice);
      return letter.id;
    };
    const [one, other] = [await letterOf(first, "it is me"), await letterOf(second, "no, me")];
    await warned(alice, "account-fork");
    expect(await alice.client.conversation(one)).toMatchObject({ request: true, blocked: "none", peer: { verification: "not-verified" } });
    expect(await alice.client.conversation(other)).toMatchObject({ request: true, blocked: "identity-changed" });
    await alice.reopen();
    expect(await alice.client.conversation(other)).toMatchObject({ request: true, blocked: "identity-changed" });
    await expect(alice.client.accept(other)).rejects.toThrow(`under the name ${name}`);
    await alice.client.accept(one);
    expect(await alice.client.conversation(one)).toMatchObject({ request: false, peer: { name, contact: true } });
    await stage.honestTalk(alice, bob);
  },
};

play([ghostMember, strangers, ownName, twins]);
