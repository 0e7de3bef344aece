import { create } from "@bufbuild/protobuf";
import type { ClientEvent, NoticeKind } from "@fastchat/client";
import type { ConversationId } from "@fastchat/protocol";
import { idBytes } from "@fastchat/protocol";
import { random } from "@fastchat/protocol/seal";
import { type Entry, EntrySchema } from "@fastchat/protocol/wire/conversation";
import { expect } from "vitest";
import type { Person } from "../person.ts";
import { bodyOf } from "../proxy.ts";
import { rawDeviceOf } from "../raw-device.ts";
import { type EvilCase, noticed, play, type Stage, until } from "./case.ts";
import { type Edit, FalseLog } from "./false-log.ts";
import { ModifiedClient, profileOf } from "./modified-client.ts";

/** What a server makes of what bob says next ("one" to "four"); the entries before stay as they are. */
type Tampering = (fresh: readonly Entry[], alice: Person) => readonly Entry[];

/**
 * Bob says one, two, three, four; alice is shown a log that was tampered with. She must see a notice of one of the kinds, and never a
 * text more often, under another name, or in another order than a notice tells.
 */
function tampered(
  attack: string,
  rules: string,
  kinds: readonly NoticeKind[],
  tamper: Tampering,
  expected: (texts: readonly string[]) => void,
): EvilCase {
  return {
    attack,
    rules,
    async run(stage) {
      const { alice, bob, conversation } = await stage.acquaintances();
      const known = (await realLog(stage, alice, conversation)).length;
      const edit: Edit = (real) => [...real.slice(0, known), ...tamper(real.slice(known), alice)];
      stage.proxy.script = new FalseLog(conversation, edit).script;
      for (const text of ["one", "two", "three", "four"]) await bob.say(alice.name, text);
      await alice.hears(bob.name, "four");
      await noticed(alice, conversation, kinds);
      const heard = (await alice.messages(bob.name)).filter(({ mine }) => !mine).map(({ text }) => text);
      expected(heard);
      // Alice can still be told something, and can answer.
      await stage.honestTalk(alice, bob);
    },
  };
}

async function realLog(stage: Stage, victim: Person, conversation: ConversationId): Promise<Entry[]> {
  const asked = { conversation: idBytes(conversation), after: 0, limit: 512 };
  return bodyOf(await stage.connectionOf(victim).ask({ case: "fetchEntries", value: asked }), "entries").entries;
}

const withoutHello = (texts: readonly string[]): string[] => texts.filter((text) => !text.startsWith("hello"));

const dropped = tampered(
  "drop: an entry is left out and the rest numbered anew",
  "[S4]",
  ["contradiction"],
  (fresh) => fresh.filter((_, index) => index !== 1),
  (texts) => expect(withoutHello(texts)).toEqual(["one", "three", "four"]),
);

const swapped = tampered(
  "reorder: two entries change places",
  "[S4]",
  ["contradiction"],
  (fresh) => (fresh.length < 3 ? fresh.slice(0, 1) : [fresh[0]!, fresh[2]!, fresh[1]!, ...fresh.slice(3)]),
  (texts) => expect(withoutHello(texts).toSorted()).toEqual(["four", "one", "three", "two"]),
);

const replayed = tampered(
  "replay: an entry comes again",
  "[S2] [S4]",
  ["contradiction", "device-runs-twice"],
  (fresh) => fresh.flatMap((entry, index) => (index === 1 ? [entry, fresh[0]!] : [entry])),
  (texts) => expect(withoutHello(texts)).toEqual(["one", "two", "three", "four"]),
);

const forgedTime = tampered(
  "forged times: an entry is an hour older than it is",
  "[S4]",
  ["contradiction"],
  (fresh) => fresh.map((entry, index) => (index === 1 ? create(EntrySchema, { ...entry, time: entry.time - 3_600_000n }) : entry)),
  (texts) => expect(withoutHello(texts)).toEqual(["one", "two", "three", "four"]),
);

const forgedSender = tampered(
  "sender forged: an entry claims to come from the reader's own device",
  "[S3]",
  ["unreadable", "contradiction"],
  (fresh, { me }) =>
    fresh.map((entry, index) =>
      index === 1 ? create(EntrySchema, { ...entry, account: idBytes(me.account), device: idBytes(me.device) }) : entry,
    ),
  (texts) => expect(withoutHello(texts)).toEqual(["one", "three", "four"]),
);

const garbage = tampered(
  "forged message: an entry whose ciphertext the server wrote",
  "[S1] [S3]",
  ["unreadable"],
  (fresh) =>
    fresh.map((entry, index) =>
      index === 1 && entry.body.case === "message"
        ? create(EntrySchema, {
            ...entry,
            body: { case: "message", value: { ...entry.body.value, ciphertext: random(entry.body.value.ciphertext.length) } },
          })
        : entry,
    ),
  (texts) => expect(withoutHello(texts)).toEqual(["one", "three", "four"]),
);

const moved: EvilCase = {
  attack: "a message of one conversation shown in another",
  rules: "[S1] [S3]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const carol = await stage.honest("carol");
    const elsewhere = await alice.say(carol.name, "hello carol");
    await carol.hears(alice.name, "hello carol");
    await carol.say(alice.name, "meant for alice alone");
    await alice.hears(carol.name, "meant for alice alone");
    const known = (await realLog(stage, alice, conversation)).length;
    const foreign = (await realLog(stage, alice, elsewhere)).findLast((entry) => entry.body.case === "message")!;
    // Once as it is, once in the name of bob's device.
    const claims = (entry: Entry): Entry => create(EntrySchema, { ...foreign, account: entry.account, device: entry.device });
    const edit: Edit = (real) => real.flatMap((entry, index) => (index === known ? [entry, foreign, claims(entry)] : [entry]));
    stage.proxy.script = new FalseLog(conversation, edit).script;
    await bob.say(alice.name, "one");
    await alice.hears(bob.name, "one");
    await noticed(alice, conversation, ["unreadable", "contradiction", "invalid-link"]);
    expect(await alice.texts(bob.name)).not.toContain("meant for alice alone");
    // This device stays on the longer log that it was shown, and can be talked with on it.
    await bob.say(alice.name, "on the false log");
    await alice.hears(bob.name, "on the false log");
    // A device that comes after the server has become honest sees what was really said.
    stage.proxy.script = {};
    const fresh = await stage.deviceOf(alice, "2", stage.proxy.url);
    await stage.honestTalk(fresh, bob);
    expect((await fresh.messages(bob.name)).map(({ text }) => text)).toEqual(
      expect.arrayContaining(["hello bob", "hello alice", "one", "on the false log"]),
    );
  },
};

function notTold(events: readonly ClientEvent[], text: string): void {
  const told = events.flatMap((event) => (event.kind === "items" ? event.items : []));
  expect(told.filter((item) => item.kind === "message" && item.text === text)).toEqual([]);
}

const overAgain: EvilCase = {
  attack: "an expired message repeated by the server, as if it had just been written",
  rules: "[S2] [H4]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const secret = "read it, and it is gone";
    await bob.client.send(conversation, secret, { expiresAfter: 1 });
    await alice.hears(bob.name, secret);
    const real = await realLog(stage, alice, conversation);
    await alice.client.markRead(conversation, real.length);
    await until(alice, "it go", async () => ((await alice.texts(bob.name)).includes(secret) ? undefined : true));
    const edit: Edit = (log) =>
      log.flatMap((entry, index) =>
        index === real.length ? [create(EntrySchema, { ...real.at(-1)!, time: entry.time }), entry] : [entry],
      );
    stage.proxy.script = new FalseLog(conversation, edit).script;
    const seen = alice.events.length;
    await bob.say(alice.name, "one");
    await alice.hears(bob.name, "one");
    // Nor does a device that never had it show it.
    const fresh = await stage.deviceOf(alice, "2", stage.proxy.url);
    await fresh.hears(bob.name, "one");
    for (const each of [alice, fresh]) expect(await each.texts(bob.name)).not.toContain(secret);
    notTold(alice.events.slice(seen), secret);
    await stage.honestTalk(alice, bob);
  },
};

/** What an honest client shows of what was said with bob: the words, or that they were deleted. */
const shownWith = async (person: Person, other: Person): Promise<string[]> =>
  (await person.messages(other.name)).map(({ text, deleted }) => (deleted ? "(deleted)" : text));

/** Bob's newest message, which he deleted, with its entry as the server had it; alice has read it, but maybe not yet that it is gone. */
async function deletedMessage(stage: Stage) {
  const { alice, bob, conversation } = await stage.acquaintances();
  const secret = "I should not have said that";
  await bob.say(alice.name, secret);
  await alice.hears(bob.name, secret);
  const kept = (await realLog(stage, alice, conversation)).at(-1)!;
  const { id } = (await bob.messages(alice.name)).find(({ text }) => text === secret)!;
  await bob.client.deleteMessages(conversation, [{ sequence: kept.sequence, id }]);
  return { alice, bob, conversation, secret, kept };
}

const deletedAgain: EvilCase = {
  attack: "a deleted message repeated by the server, or given as if it had not been deleted",
  rules: "[S2] [S5]",
  async run(stage) {
    const { alice, bob, conversation, secret, kept } = await deletedMessage(stage);
    const place = kept.sequence;
    await until(alice, "it go", async () => ((await alice.texts(bob.name)).includes(secret) ? undefined : true));
    // The server has it still: at its place, and once more behind what comes next.
    const edit: Edit = (log) =>
      log.flatMap((entry, index) =>
        index === place - 1 ? [kept] : index === place + 1 ? [create(EntrySchema, { ...kept, time: entry.time }), entry] : [entry],
      );
    stage.proxy.script = new FalseLog(conversation, edit).script;
    const seen = alice.events.length;
    await bob.say(alice.name, "one");
    await alice.hears(bob.name, "one");
    const fresh = await stage.deviceOf(alice, "2", stage.proxy.url);
    await fresh.hears(bob.name, "one");
    for (const each of [alice, fresh]) {
      expect(await shownWith(each, bob)).not.toContain(secret);
      expect((await shownWith(each, bob)).filter((text) => text === "(deleted)").length).toBeLessThan(3);
    }
    notTold(alice.events.slice(seen), secret);
    await stage.honestTalk(alice, bob);
  },
};

const deletedElsewhere: EvilCase = {
  attack: "a deleted message repeated by the server in the newest page, before the deletion is read",
  rules: "[S5]",
  async run(stage) {
    const { alice, bob, conversation, secret, kept } = await deletedMessage(stage);
    await bob.client.sendAll(
      conversation,
      Array.from({ length: 80 }, (_, place) => `number ${place}`),
    );
    await bob.say(alice.name, "the last one");
    await alice.hears(bob.name, "the last one");
    const edit: Edit = (log) => [...log.slice(0, -1), create(EntrySchema, { ...kept, time: log.at(-1)!.time }), log.at(-1)!];
    stage.proxy.script = new FalseLog(conversation, edit).script;
    const fresh = await stage.deviceOf(alice, "2", stage.proxy.url);
    await fresh.hears(bob.name, "the last one");
    await until(fresh, "all of it", async () => ((await fresh.client.conversation(conversation))?.oldest === 1 ? true : undefined));
    expect(await shownWith(fresh, bob)).not.toContain(secret);
    await stage.honestTalk(alice, bob);
  },
};

const deletedByOthers: EvilCase = {
  attack: "deletion forged: a member deletes what another wrote, or names a message and withdraws another",
  rules: "[S5]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    await alice.say(bob.name, "alice stays");
    await bob.say(alice.name, "bob stays");
    await alice.hears(bob.name, "bob stays");
    const real = await realLog(stage, alice, conversation);
    const [hers, his] = real.slice(-2);
    const namedAs = (entry: Entry) => ({
      device: entry.device,
      clientMessageId: entry.body.case === "message" ? entry.body.value.clientMessageId : new Uint8Array(0),
    });
    await bob.client.close();
    await using modified = await ModifiedClient.open(stage.system, rawDeviceOf(stage.system, await profileOf(bob)));
    const deletions = [
      // Hers, by his word; hers under the number of his; more names than numbers; one that is not there yet.
      await modified.deletion(conversation, [hers!.sequence], [namedAs(hers!)]),
      await modified.deletion(conversation, [real.length - 2], [namedAs(hers!)]),
      await modified.deletion(conversation, [], [namedAs(his!), namedAs(hers!)]),
      await modified.deletion(conversation, [real.length + 100], [namedAs(his!)]),
    ];
    for (const each of deletions) expect(await modified.send(conversation, each)).toBe("appended");
    await bob.reopen();
    await stage.honestTalk(alice, bob);
    const fresh = await stage.deviceOf(alice, "2", stage.proxy.url);
    await stage.honestTalk(fresh, bob);
    for (const each of [alice, fresh]) expect(await shownWith(each, bob)).toEqual(expect.arrayContaining(["alice stays", "bob stays"]));
    // What he withdraws without a word of it is his alone, and everybody sees that the server does not give it.
    const silent = await modified.deletion(conversation, [his!.sequence], []);
    expect(await modified.send(conversation, silent)).toBe("appended");
    const late = await stage.deviceOf(alice, "3", stage.proxy.url);
    await noticed(late, conversation, ["contradiction"]);
    expect(await shownWith(late, bob)).toContain("alice stays");
  },
};

const withheldTail: EvilCase = {
  attack: "withheld tail: the newest entries are held back, then given",
  rules: "[S4]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const known = (await realLog(stage, alice, conversation)).length;
    stage.proxy.script = new FalseLog(conversation, (real) => real.slice(0, known + 1)).script;
    for (const text of ["one", "two", "three"]) await bob.say(alice.name, text);
    await alice.hears(bob.name, "one");
    expect(await alice.texts(bob.name)).not.toContain("two");
    stage.proxy.script = {};
    await alice.reopen();
    await alice.hears(bob.name, "three");
    expect(withoutHello(await alice.texts(bob.name))).toEqual(["one", "two", "three"]);
    await stage.honestTalk(alice, bob);
  },
};

const withheldMiddle: EvilCase = {
  attack: "withheld tail: what was held back stays away while the conversation goes on",
  rules: "[S4]",
  async run(stage) {
    const { alice, bob, conversation } = await stage.acquaintances();
    const known = (await realLog(stage, alice, conversation)).length;
    stage.proxy.script = new FalseLog(conversation, (real) => [...real.slice(0, known), ...real.slice(known + 2)]).script;
    for (const text of ["one", "two", "three"]) await bob.say(alice.name, text);
    await alice.hears(bob.name, "three");
    await noticed(alice, conversation, ["contradiction"]);
    await stage.honestTalk(alice, bob);
  },
};

play([
  dropped,
  swapped,
  replayed,
  forgedTime,
  forgedSender,
  garbage,
  moved,
  overAgain,
  deletedAgain,
  deletedElsewhere,
  deletedByOthers,
  withheldTail,
  withheldMiddle,
]);
