import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { accountId, conversationId, idBytes, keyId } from "@fastchat/protocol";
import { applyAccountLinks, buildAddDevice, directConversationId } from "@fastchat/protocol/chain";
import {
  deviceSealingKeyHash,
  equal,
  generateSealingKey,
  generateSigningKey,
  openEpochKey,
  random,
  signKeyRequest,
} from "@fastchat/protocol/seal";
import { AccountLinkSchema, type SignedLink, SignedLinkSchema } from "@fastchat/protocol/wire/account";
import { ConversationLinkSchema, type Entry, EntrySchema, type SealedKey } from "@fastchat/protocol/wire/conversation";
import { AccountSchema, type AppendLink } from "@fastchat/protocol/wire/frames";
import { type SignUpFinish, SignUpFinishSchema } from "@fastchat/protocol/wire/gateway";
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import type { Person } from "../person.ts";
import { bodyOf, changedServerFrame, type ProxiedConnection, type Script } from "../proxy.ts";
import { RawSocket, rawDevice } from "../raw-device.ts";
import { type EvilCase, play } from "./case.ts";
import { notices, until, warned } from "./case.ts";
import { type FakeAccount, makeFakeAccount } from "./fake-account.ts";

/** Answers everything that names this person with the false account. */
function impersonate(fake: FakeAccount, claimed: Uint8Array = idBytes(fake.account)): NonNullable<Script["toServer"]> {
  return (frame, connection) => {
    const { body } = frame;
    if (body.case === "findPeople" && fake.name.includes(body.value.text)) {
      connection.answer(frame, { case: "people", value: { people: [{ name: fake.name, account: claimed, online: true }] } });
      return undefined;
    }
    if (body.case === "fetchAccount") {
      const { by, after } = body.value;
      const asksForIt = (by.case === "name" && by.value === fake.name) || (by.case === "account" && equal(by.value, claimed));
      if (!asksForIt) return frame;
      connection.answer(frame, { case: "account", value: { ...fake.answer, account: claimed, links: fake.links.slice(after) } });
      return undefined;
    }
    return frame;
  };
}

/** Keeps the conversation of the false account as a server would, since the real one knows nothing of it. */
function keepConversation(conversation: Uint8Array): NonNullable<Script["toServer"]> {
  const entries: Entry[] = [];
  const copies: SealedKey[] = [];
  return (frame, connection) => {
    const { body } = frame;
    if (body.case === undefined || !("conversation" in body.value) || !equal(body.value.conversation, conversation)) return frame;
    const append = (entry: Entry["body"]): { sequence: number; time: bigint } => {
      const place = { sequence: entries.length + 1, time: BigInt(Date.now()) };
      const author = { account: Buffer.from(connection.account!, "hex"), device: Buffer.from(connection.device!, "hex") };
      entries.push(create(EntrySchema, { ...place, ...author, body: entry }));
      return place;
    };
    const live = (): void =>
      connection.push({ case: "entries", value: { conversation, entries: entries.slice(-1), head: entries.length } });
    if (body.case === "appendLink") {
      copies.push(...body.value.sealedKeys.filter(({ account }) => equal(account, Buffer.from(connection.account!, "hex"))));
      connection.answer(frame, { case: "appended", value: append({ case: "link", value: body.value.entry! }) });
      live();
    } else if (body.case === "send") {
      connection.answer(frame, { case: "sent", value: append({ case: "message", value: body.value.message! }) });
      live();
    } else if (body.case === "fetchEntries") {
      const { after = 0, before = Infinity } = body.value;
      const page = entries.filter(({ sequence }) => sequence > after && sequence < before);
      connection.answer(frame, { case: "entries", value: { conversation, entries: page, head: entries.length } });
    } else if (body.case === "fetchLinks") {
      const page = entries.filter((entry) => entry.body.case === "link" && entry.sequence > body.value.after);
      connection.answer(frame, { case: "entries", value: { conversation, entries: page, head: entries.length } });
    } else if (body.case === "fetchSealedKeys") connection.answer(frame, { case: "sealedKeys", value: { keys: copies } });
    else if (body.case === "fetchSlots") connection.answer(frame, { case: "slots", value: { conversation, slots: [] } });
    else if (body.case === "writeSlot") connection.answer(frame, { case: "slotWritten", value: {} });
    return undefined;
  };
}

/** The person's links as the server has them. */
async function linksOf(person: Person, connection: ProxiedConnection): Promise<SignedLink[]> {
  const asked = { by: { case: "account" as const, value: idBytes(person.me.account) }, after: 0 };
  return bodyOf(await connection.ask({ case: "fetchAccount", value: asked }), "account").links;
}

const pushHead = (connection: ProxiedConnection, person: Person, index: number): void =>
  connection.push({ case: "accountMoved", value: { head: { account: idBytes(person.me.account), index, hash: random(32) } } });

const keySwapAtFirstContact: EvilCase = {
  attack: "key swap at first contact",
  rules: "[A3] [A5]",
  async run(stage) {
    const alice = await stage.victim("alice");
    const bob = await stage.honest("bob");
    const carol = await stage.honest("carol");
    // With an honest server both compute the same number.
    await alice.say(carol.name, "hello");
    expect((await alice.client.safetyNumber(carol.name)).digits).toBe((await carol.client.safetyNumber(alice.name)).digits);

    const fake = await makeFakeAccount(bob.name);
    const answers = impersonate(fake);
    const keeps = keepConversation(idBytes(directConversationId(alice.me.account, fake.account)));
    stage.proxy.script = {
      toServer: (frame, connection) => {
        const passed = keeps(frame, connection);
        return passed === frame ? answers(frame, connection) : passed;
      },
    };
    const conversation = await alice.say(bob.name, "are you bob?");
    const summary = await alice.client.conversation(conversation);
    expect(summary?.peer).toMatchObject({ name: bob.name, account: fake.account, verification: "not-verified" });
    expect((await alice.client.safetyNumber(bob.name)).digits).not.toBe((await bob.client.safetyNumber(alice.name)).digits);
    await stage.honestTalk(alice, carol);
  },
};

const keySwapLater: EvilCase = {
  attack: "key swap later; a name mapped to a second id",
  rules: "[A3] [G5]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const before = await alice.client.safetyNumber(bob.name);
    const fake = await makeFakeAccount(bob.name);
    stage.proxy.script = { toServer: impersonate(fake) };
    await alice.reopen();
    await alice.client.caughtUp();
    for (const found of await alice.client.people(bob.name)) {
      if (found.name === bob.name && found.account !== bob.me.account) expect(found.verification).toBe("changed");
    }
    // What is sent to the name goes to the account that it always meant.
    await alice.say(bob.name, "to the one I know");
    await bob.hears(alice.name, "to the one I know");
    expect((await alice.client.safetyNumber(bob.name)).digits).toBe(before.digits);
    await stage.honestTalk(alice, bob);
  },
};

const twoChains: EvilCase = {
  attack: "two chains under one id: a known account's id is answered with another create",
  rules: "[G2] [G5]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const carol = await stage.honest("carol");
    const before = await alice.client.safetyNumber(bob.name);
    for (const person of [bob, carol]) {
      const fake = await makeFakeAccount(person.name);
      stage.proxy.script = { toServer: impersonate(fake, idBytes(person.me.account)) };
      pushHead(stage.connectionOf(alice), person, 2);
      if (person === carol) {
        const outcome = await alice.client.openDirect(carol.name).catch((error: unknown) => error);
        // A chain of another id opens no conversation.
        expect(outcome).toBeInstanceOf(Error);
      }
    }
    stage.proxy.script = {};
    expect((await alice.client.safetyNumber(bob.name)).digits).toBe(before.digits);
    await stage.honestTalk(alice, bob);
    await stage.honestTalk(alice, carol);
  },
};

const ghostDevice: EvilCase = {
  attack: "ghost device: a device nobody signed in, added to a contact's chain and to one's own",
  rules: "[A1] [C1]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
    const connection = stage.connectionOf(alice);
    const ghosts = new Map<string, SignedLink>();
    for (const person of [alice, bob]) {
      const state = applyAccountLinks(undefined, await linksOf(person, connection));
      if (state.kind !== "valid") throw new Error("the honest chain is not valid");
      const [identity, device] = [generateSigningKey(), generateSigningKey()];
      const { publicKey } = await generateSealingKey();
      const keys = { signingSeed: device.seed, sealingKeyHash: deviceSealingKeyHash(publicKey), nonce: random(32) };
      ghosts.set(person.me.account, buildAddDevice(state.state, { identitySeed: identity.seed, device: keys, sealedHash: random(32) }));
    }
    stage.proxy.script = {
      toClient: (frame) => {
        if (frame.body.case !== "account") return frame;
        const ghost = ghosts.get(Buffer.from(frame.body.value.account).toString("hex"));
        if (ghost === undefined) return frame;
        return changedServerFrame(frame, { case: "account", value: { ...frame.body.value, links: [...frame.body.value.links, ghost] } });
      },
    };
    const before = (await notices(alice, conversation)).length;
    for (const person of [alice, bob]) pushHead(connection, person, 2);
    await alice.say(bob.name, "no ghosts here");
    await bob.hears(alice.name, "no ghosts here");
    await warned(alice, "account-fork");
    await alice.reopen();
    await warned(alice, "account-fork");
    expect((await notices(alice, conversation)).slice(before).filter(({ notice }) => notice === "device-added")).toEqual([]);
    await stage.honestTalk(alice, bob);
  },
};

/** Long enough for a message to be sealed, if it were. */
const SEALED_MS = 1_000;

const suppliedKey: EvilCase = {
  attack: "key supplied by the server (Matrix, Nextcloud): an account key of its own beside an honest chain",
  rules: "[A2] [C4]",
  async run(stage) {
    const alice = await stage.victim("alice");
    const bob = await stage.honest("bob");
    const fake = await makeFakeAccount("mallory");
    const appended: AppendLink[] = [];
    stage.proxy.script = {
      toServer: (frame) => {
        if (frame.body.case === "appendLink") appended.push(frame.body.value);
        return frame;
      },
      toClient: (frame) => {
        if (frame.body.case === "accountKeys") {
          const keys = frame.body.value.keys.map(({ account }) => ({ account, publicKey: fake.accountKey.publicKey }));
          return changedServerFrame(frame, { case: "accountKeys", value: { keys } });
        }
        if (frame.body.case !== "account" || !equal(frame.body.value.account, idBytes(bob.me.account))) return frame;
        const value = create(AccountSchema, { ...frame.body.value, accountPublicKey: fake.accountKey.publicKey });
        return changedServerFrame(frame, { case: "account", value });
      },
    };
    const talk = await alice.client.openDirect(bob.name);
    await alice.client.send(talk, "for bob alone");
    await wait(SEALED_MS);
    for (const { conversation, entry, sealedKeys } of appended) {
      const link = fromBinary(ConversationLinkSchema, entry!.link!.body);
      for (const sealed of sealedKeys) {
        const recipient = { account: accountId(sealed.account), secret: fake.accountKey.secret };
        const opened = await openEpochKey(sealed, conversationId(conversation), recipient, keyId(link.opening!.keyId));
        // The server's key opens nothing.
        expect(opened.kind).toBe("unreadable");
      }
    }
    // Nothing is sealed to it: the message waits.
    expect((await alice.messages(bob.name)).map(({ status }) => status)).toEqual(["queued"]);
    // Bob has no copy of a key that he could open: he may open a new epoch after a while [C6], and what is said then arrives.
    stage.proxy.script = {};
    let said = 0;
    await until(bob, "anything that alice says", async () => {
      await alice.say(bob.name, `do you hear me? ${++said}`);
      return (await bob.texts(alice.name)).length > 0 ? true : undefined;
    });
    await stage.honestTalk(alice, bob);
  },
};

const foreignKey: EvilCase = {
  attack: "somebody else's key registered as one's own",
  rules: "[A1] [A2] [G2]",
  async run(stage) {
    let captured: SignUpFinish | undefined;
    stage.proxy.script = {
      posts: {
        "/v1/sign-up/finish": (answer, request) => {
          captured = request;
          return answer;
        },
      },
    };
    const alice = await stage.newVictim("alice");
    const bob = await stage.honest("bob");
    const signUpLink = captured!.create!;
    const name = `mallory${alice.name}`;
    const fake = await makeFakeAccount(name);
    const body = fromBinary(AccountLinkSchema, fake.links[0]!.body);
    const victims = fromBinary(AccountLinkSchema, signUpLink.body);
    if (body.change.case !== "create" || victims.change.case !== "create") throw new Error("a sign-up begins with create");
    const own = body.change.value;
    const signed = (change: Partial<typeof own>): SignedLink => ({
      ...fake.links[0]!,
      body: toBinary(AccountLinkSchema, { ...body, change: { case: "create", value: { ...own, ...change } } }),
    });
    const attempts: [what: string, finish: Partial<SignUpFinish>][] = [
      ["the whole sign-up of another, under a new name", {}],
      ["another's identity key", { create: signed({ identityKey: victims.change.value.identityKey }) }],
      ["another's device", { create: signed({ device: victims.change.value.device! }) }],
      ["another's account key", { create: signed({ accountKey: victims.change.value.accountKey! }) }],
      ["a valid link beside another's attachments", { create: fake.links[0]! }],
    ];
    const answers: [string, string | number][] = [];
    for (const [what, change] of attempts) {
      const finish = create(SignUpFinishSchema, { ...captured!, name, ...change });
      const response = await fetch(`${stage.system.gatewayUrl}/v1/sign-up/finish`, {
        method: "POST",
        headers: { "content-type": "application/x-protobuf" },
        body: Buffer.from(toBinary(SignUpFinishSchema, finish)),
      });
      answers.push([what, response.status >= 400 && response.status < 500 ? "refused" : response.status]);
    }
    expect(answers).toEqual(attempts.map(([what]) => [what, "refused"]));
    expect(signUpLink).toEqual(create(SignedLinkSchema, signUpLink));
    await stage.honestTalk(alice, bob);
  },
};

const healing: EvilCase = {
  attack: "healing request for what one is not entitled to (WhatsApp, Matrix)",
  rules: "[C6]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const mallory = await rawDevice(stage.system, `mallory${alice.name}`);
    const { me, signingSeed } = mallory.profile;
    const [account, device] = [idBytes(me.account), idBytes(me.device)];
    const parts = { conversation: idBytes(conversation), epoch: 1, account, device, counter: 1 };
    const request = { ...parts, signature: await signKeyRequest(signingSeed, parts) };
    // The honest server does not even pass it on.
    await using socket = await RawSocket.signedIn(mallory);
    expect((await socket.ask({ case: "sendKeyRequest", value: { request } })).body.case).toBe("error");
    // An evil one does, also in the name of a member.
    const said: string[] = [];
    stage.proxy.script = {
      toServer: (frame) => {
        said.push(frame.body.case ?? "nothing");
        return frame;
      },
    };
    const connection = stage.connectionOf(alice);
    connection.push({ case: "keyRequested", value: { request } });
    const inBobsName = { ...request, account: idBytes(bob.me.account), device: idBytes(bob.me.device) };
    connection.push({ case: "keyRequested", value: { request: inBobsName } });
    await alice.say(bob.name, "who was that?");
    await bob.hears(alice.name, "who was that?");
    expect(said.filter((what) => what === "appendLink" || what === "sendKeyRequest")).toEqual([]);
    await stage.honestTalk(alice, bob);
  },
};

play([keySwapAtFirstContact, keySwapLater, twoChains, ghostDevice, suppliedKey, foreignKey, healing]);
