import { randomBytes } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type ConversationId, ErrorCode, idBytes } from "@fastchat/protocol";
import { accountLinkHash, conversationLinkHash, groupCreate, removalOf } from "@fastchat/protocol/chain";
import { toHex } from "@fastchat/protocol/seal";
import { ConversationLinkSchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readReceipts } from "../receipts.ts";
import {
  addDevice,
  buildRevocation,
  codeOf,
  getTicket,
  post,
  signUp,
  take,
  TestConversation,
  type TestPerson,
  TestSocket,
} from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";
import * as wire from "@fastchat/protocol/wire/frames";

// What anybody may try who says that this server was restored, or knows that it was.

let installation: TestInstallation;
let gateway: string;
let alice: TestPerson;
let bob: TestPerson;
let mallory: TestPerson;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 1 });
  gateway = installation.gateway.url;
  [alice, bob, mallory] = [
    await signUp(gateway, "alice-of-restores"),
    await signUp(gateway, "bob-of-restores"),
    await signUp(gateway, "mallory-of-restores"),
  ];
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const welcome = (person: TestPerson) => TestSocket.welcome(gateway, person.devices[0]!);

/** As a backup of before the newest link has it. */
async function loseLink({ account, links }: TestPerson): Promise<void> {
  const { query } = installation.database;
  const index = links.length;
  const id = idBytes(account);
  await query.deleteFrom("account_link").where("account", "=", id).where("index", "=", index).execute();
  const added = await query.selectFrom("device").select("device").where("account", "=", id).where("added", "=", index).execute();
  for (const { device } of added) {
    await query.deleteFrom("device").where("device", "=", device).execute();
    await query.deleteFrom("device_copy").where("device", "=", device).execute();
  }
  const head = { head_index: index - 1, head_hash: idBytes(accountLinkHash(links[index - 2]!)) };
  await query.updateTable("account").set(head).where("account", "=", id).execute();
}

test("[H6] [G4] lost links of an account are put back by anybody, as they were; nothing else is", async () => {
  const laptop = await addDevice(gateway, alice);
  const link = alice.links.at(-1)!;
  const stored = await installation.database.query
    .selectFrom("device")
    .select("sealing_key")
    .where("device", "=", idBytes(laptop.device))
    .executeTakeFirstOrThrow();
  await loseLink(alice);
  expect(await codeOf(getTicket(gateway, laptop))).toBe(ErrorCode.DEVICE_UNKNOWN);

  await using m = await welcome(mallory);
  const putBack = (value: object) => m.refusal({ case: "putBackAccount", value });
  const bent = { ...link, signature: link.signature.map((byte, place) => (place === 0 ? byte ^ 1 : byte)) };
  expect(await putBack({ links: [] })).toBe(ErrorCode.MALFORMED);
  const unlike = [bent, { ...link, cosignature: new Uint8Array(0) }];
  for (const each of unlike) expect(await putBack({ links: [each] })).toBe(ErrorCode.NO_RECEIPT);
  const { receipt } = link;
  for (const wrong of [new Uint8Array(0), receipt.subarray(1), receipt.map((byte) => byte ^ 1), randomBytes(64), alice.links[0]!.receipt]) {
    expect(await putBack({ links: [{ ...link, receipt: wrong }] })).toBe(ErrorCode.NO_RECEIPT);
  }
  const { account, index } = (
    await m.ask({ case: "compare", value: { accounts: [{ account: idBytes(alice.account), index: 2 }] } }, "compared")
  ).shorter[0]!;
  expect([toHex(account), index]).toEqual([alice.account, 1]);

  const value = {
    links: [alice.links[0]!, link],
    deviceSealingKeys: [randomBytes(1_216)],
    copies: [{ device: idBytes(laptop.device), generation: 1, sealed: randomBytes(80) }],
  };
  const { head } = await m.ask({ case: "putBackAccount", value }, "accountPutBack");
  expect([head!.index, toHex(head!.hash)]).toEqual([2, accountLinkHash(link)]);
  const { query } = installation.database;
  const row = () => query.selectFrom("device").select("sealing_key").where("device", "=", idBytes(laptop.device)).executeTakeFirstOrThrow();
  // What does not fit is not kept; what does may come later, from whoever has it.
  expect((await row()).sealing_key).toHaveLength(0);
  expect(await query.selectFrom("device_copy").select("device").where("device", "=", idBytes(laptop.device)).execute()).toEqual([]);
  const late = { links: [link], deviceSealingKeys: [randomBytes(1_216), stored.sealing_key] };
  await post(gateway, "/v1/accounts/put-back", wire.PutBackAccountSchema, wire.AccountPutBackSchema, late);
  expect((await row()).sealing_key).toEqual(stored.sealing_key);
  expect((await getTicket(gateway, laptop)).ticket).toHaveLength(32);
  const nobody = { links: [{ ...alice.links[0]!, signature: randomBytes(64) }] };
  expect(await codeOf(post(gateway, "/v1/accounts/put-back", wire.PutBackAccountSchema, wire.AccountPutBackSchema, nobody))).toBe(
    ErrorCode.NOT_FOUND,
  );
});

test("[H6] [C3] a lost link of a group is put back by a member, and by nobody else; it brings in nobody whom its chain does not", async () => {
  const group = new TestGroup(alice, bob, mallory);
  await using a = await welcome(alice);
  await using b = await welcome(bob);
  await using m = await welcome(mallory);
  await group.create(a);
  const removal = await group.link(alice, removalOf([mallory.account]));
  // As if the server had taken it, and lost it.
  const receipts = await readReceipts(installation.database);
  removal.entry.link!.receipt = receipts.of(conversationLinkHash(removal.entry.link!));
  const request = { ...group.request(removal).value, sealedKeys: [], putBack: true };
  const bent = { ...removal.entry, link: { ...removal.entry.link!, signature: randomBytes(64) } };
  expect(await b.refusal({ case: "appendLink", value: { ...request, entry: bent } })).toBe(ErrorCode.NO_RECEIPT);
  const unreceipted = { ...removal.entry, link: { ...removal.entry.link!, receipt: new Uint8Array(0) } };
  for (const socket of [a, b]) {
    expect(await socket.refusal({ case: "appendLink", value: { ...request, entry: unreceipted } })).toBe(ErrorCode.NO_RECEIPT);
  }
  // Not put back, it must come from its author; and its sealed keys with it.
  expect(await b.refusal({ case: "appendLink", value: { ...request, putBack: false } })).toBe(ErrorCode.FORBIDDEN);
  expect(await a.refusal({ case: "appendLink", value: { ...request, putBack: false } })).toBe(ErrorCode.LINK_INVALID);
  const stranger = await signUp(gateway, "stranger-of-restores");
  await using s = await welcome(stranger);
  expect(await s.refusal({ case: "appendLink", value: request })).toBe(ErrorCode.NOT_FOUND);
  await b.ask({ case: "appendLink", value: request }, "appended");
  // Who has part in it, and how far it goes, is nobody else's business.
  expect(await s.refusal({ case: "appendLink", value: request })).toBe(ErrorCode.NOT_FOUND);
  const ofOthers = new TestConversation(bob, mallory);
  await ofOthers.open(b, bob);
  const guess = { ...request, conversation: idBytes(ofOthers.id) };
  expect(await s.refusal({ case: "appendLink", value: guess })).toBe(ErrorCode.NOT_FOUND);
  expect(await m.refusal({ case: "fetchSlots", value: { conversation: idBytes(group.id) } })).toBe(ErrorCode.NOT_FOUND);
  const { entries } = await a.ask({ case: "fetchEntries", value: { conversation: idBytes(group.id), after: 1, limit: 10 } }, "entries");
  // Who put it back is not its author.
  expect(entries.at(-1)).toMatchObject({
    account: Buffer.from(idBytes(alice.account)),
    device: Buffer.from(idBytes(alice.devices[0]!.device)),
  });
});

test("[H6] [C1] [H3] what a revoked device signs later is not taken from an accomplice who puts it back; what it wrote before is", async () => {
  const author = await signUp(gateway, "alice-of-thefts");
  const group = new TestGroup(author, bob, mallory);
  const phone = await addDevice(gateway, author);
  await using a = await welcome(author);
  await group.create(a);
  // By her first device, which is stolen: on top of the same head it can sign this at any time.
  const removal = await group.link(author, removalOf([bob.account]));
  await using p = await TestSocket.welcome(gateway, phone);
  const made = await buildRevocation(author, author.devices[0]!);
  await p.ask(
    { case: "appendAccountLink", value: { link: made.link, attachments: made.attachments, vault: [], vaultRevision: 0 } },
    "appended",
  );
  take(author, made.link);
  await using m = await welcome(mallory);
  const request = { ...group.request(removal).value, putBack: true };
  expect(await m.refusal({ case: "appendLink", value: request })).toBe(ErrorCode.NO_RECEIPT);
  // That of a link that was taken is none of it.
  const { entries } = await m.ask({ case: "fetchEntries", value: { conversation: idBytes(group.id), after: 0, limit: 10 } }, "entries");
  const taken = entries.flatMap(({ body }) => (body.case === "link" ? [body.value.link!.receipt] : []));
  expect(taken).toEqual([expect.objectContaining({ length: 32 })]);
  removal.entry.link!.receipt = taken[0]!;
  expect(await m.refusal({ case: "appendLink", value: request })).toBe(ErrorCode.NO_RECEIPT);
  // As if the server had taken it when the device had its rights, and lost it.
  removal.entry.link!.receipt = (await readReceipts(installation.database)).of(conversationLinkHash(removal.entry.link!));
  await m.ask({ case: "appendLink", value: request }, "appended");
});

test("[H6] [W8] who says that a link is put back learns of no conversation that it is there, and uses up nobody's rekeys", async () => {
  const [carol, dave] = [await signUp(gateway, "carol-of-secrets"), await signUp(gateway, "dave-of-secrets")];
  const conversation = new TestConversation(carol, dave);
  await using c = await welcome(carol);
  await conversation.open(c, carol);
  const strangers = new TestConversation(dave, mallory);
  const { entry } = await new TestGroup(carol, dave).link(carol, groupCreate(new Map([[carol.account, "admin"]]), randomBytes(32)));
  entry.link!.receipt = (await readReceipts(installation.database)).of(conversationLinkHash(entry.link!));
  await using m = await welcome(mallory);
  const guess = (id: ConversationId, index: number, change: MessageInitShape<typeof ConversationLinkSchema>["change"]) => {
    const author = { account: idBytes(carol.account), device: idBytes(carol.devices[0]!.device) };
    const init = { version: 1, conversation: idBytes(id), index, previous: randomBytes(32), ...author, change };
    const body = toBinary(ConversationLinkSchema, create(ConversationLinkSchema, init as MessageInitShape<typeof ConversationLinkSchema>));
    const value = { conversation: idBytes(id), entry: { link: { body, signature: randomBytes(64) } }, sealedKeys: [], putBack: true };
    return m.refusal({ case: "appendLink", value });
  };
  for (const id of [conversation.id, strangers.id]) {
    for (const index of [1, 2, 9]) expect(await guess(id, index, { case: "rekey", value: {} })).toBe(ErrorCode.NO_RECEIPT);
    expect(await guess(id, 1, { case: "create", value: {} })).toBe(ErrorCode.NO_RECEIPT);
    expect(await m.refusal({ case: "appendLink", value: { conversation: idBytes(id), entry, sealedKeys: [], putBack: true } })).toBe(
      ErrorCode.NOT_FOUND,
    );
  }
});

test("[H6] [W5] what is put back costs its size and no more: links are looked at once, and beside them lies little", async () => {
  const eve = await signUp(gateway, "eve-of-restores");
  await using m = await welcome(eve);
  const [link] = eve.links;
  const device = idBytes(eve.devices[0]!.device);
  const sealed = new Uint8Array(0);
  const copies = (count: number) => Array.from({ length: count }, () => ({ device, generation: 1, sealed }));
  const links = (count: number) => Array.from({ length: count }, () => link!);
  const putBack = (value: object) => m.refusal({ case: "putBackAccount", value });
  await using other = await welcome(bob);
  const since = performance.now();
  // The last one is more than a call takes as arguments.
  const tries = [
    putBack({ links: links(300), copies: copies(256) }),
    putBack({ links: links(300), copies: copies(20_000) }),
    putBack({ links: links(1), wraps: Array.from({ length: 300_000 }, () => ({})) }),
  ];
  await other.ask({ case: "ping", value: {} }, "pong");
  expect(performance.now() - since).toBeLessThan(2_000);
  expect(await Promise.all(tries)).toEqual([ErrorCode.MALFORMED, ErrorCode.TOO_LARGE, ErrorCode.TOO_LARGE]);
});

test("[H6] [S4] a log says that it was restored only when a member asks for it, once at a time, and seldom", async () => {
  const conversation = new TestConversation(alice, bob);
  await using a = await welcome(alice);
  await using m = await welcome(mallory);
  await conversation.open(a, alice);
  const begin = { case: "beginIncarnation", value: { conversation: idBytes(conversation.id) } } as const;
  expect(await m.refusal(begin)).toBe(ErrorCode.NOT_FOUND);
  const first = await a.ask(begin, "appended");
  // As all members of a group do at the same moment.
  for (let times = 2; times <= 10; times++) expect((await a.ask(begin, "appended")).sequence).toBe(first.sequence);
  const say = async () => a.ask(conversation.send(await conversation.message("meanwhile", alice)), "sent");
  for (let times = 2; times <= 4; times++) {
    await say();
    await a.ask(begin, "appended");
  }
  await say();
  const refused = await a.ask(begin, "appended").catch((error: unknown) => error);
  // Until another one has said it: nobody is kept waiting for longer.
  expect(refused).toMatchObject({ code: ErrorCode.RATE_LIMITED, retryAfterMs: 2_000 });
  const { entries } = await a.ask(
    { case: "fetchEntries", value: { conversation: idBytes(conversation.id), after: 0, limit: 10 } },
    "entries",
  );
  const repeated = ["incarnation", "message"];
  expect(entries.map(({ body }) => body.case)).toEqual(["link", ...repeated, ...repeated, ...repeated, ...repeated]);
});

test("[H6] [P4] a vault entry is put back over an older one, never over the same or a newer", async () => {
  const carol = await signUp(gateway, "carol-of-restores");
  await using c = await welcome(carol);
  const slot = randomBytes(32);
  const entry = (version: number) => ({ slot, generation: 1, version, sealed: randomBytes(40) });
  const write = (version: number, putBack: boolean) =>
    codeOf(c.ask({ case: "writeVault", value: { entries: [entry(version)], putBack } }, "vaultWritten"));
  expect(await write(1, false)).toBe(0);
  expect(await write(7, false)).toBe(ErrorCode.VERSION_CONFLICT);
  expect(await write(7, true)).toBe(0);
  for (const version of [1, 6, 7]) expect(await write(version, true)).toBe(ErrorCode.VERSION_CONFLICT);
  expect(await write(8, false)).toBe(0);
});
