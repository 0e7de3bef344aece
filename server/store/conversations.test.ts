import { randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { idBytes } from "@fastchat/protocol";
import { accountLinkHash, recordedLinks } from "@fastchat/protocol/chain";
import { AccountChainPartSchema, SignedLinkSchema } from "@fastchat/protocol/wire/account";
import { type LinkEntry, LinkEntrySchema } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { grow, openDirect, type Person, signUp } from "../../protocol/chain/test-people.ts";
import { readRecordedLinks } from "./conversations.ts";
import { type OpenTestDatabase, TestDatabase } from "./test-database.ts";

let opened: OpenTestDatabase;

beforeAll(async () => {
  opened = await TestDatabase.open();
});

afterAll(() => opened?.[Symbol.asyncDispose]());

/** A conversation whose log is these links, the first at that time. */
async function store(member: Person, begun: number, entries: readonly LinkEntry[]): Promise<void> {
  const { query } = opened.database;
  const conversation = randomBytes(32);
  await query.insertInto("conversation").values({ conversation, kind: 1, link_index: entries.length }).execute();
  const account = idBytes(member.account);
  await query.insertInto("member").values({ conversation, account, role: 2, may_write: true, account_head: 1 }).execute();
  for (const [place, entry] of entries.entries()) {
    const sequence = place + 1;
    const values = { account, device: randomBytes(32), client_message_id: null, kind: 2, body: toBinary(LinkEntrySchema, entry) };
    await query
      .insertInto("entry")
      .values({ conversation, sequence, time: begun + place, ...values })
      .execute();
    await query
      .insertInto("conversation_link")
      .values({ conversation, index: sequence, hash: randomBytes(32), sequence })
      .execute();
  }
}

/** The same link with so much beside it that it is not read. */
function padded(entry: LinkEntry): LinkEntry {
  const links = [create(SignedLinkSchema, { body: new Uint8Array(70_000) })];
  return create(LinkEntrySchema, { link: entry.link!, evidence: [...entry.evidence, create(AccountChainPartSchema, { links })] });
}

const recordedHashes = async ({ account }: Person) => (await readRecordedLinks(opened.database, account)).map(accountLinkHash);

test("[H1] strangers' conversations, newer than one's own and padded, do not crowd out what that one records", async () => {
  const [alice, bob] = [signUp("alice"), signUp("bob")];
  const { entry } = openDirect(alice, bob);
  for (let stranger = 1; stranger <= 40; stranger++) await store(alice, 1_000 + stranger, [padded(entry)]);
  await store(alice, 1_000, [entry]);
  expect(await recordedHashes(alice)).toEqual(alice.state.hashes);
});

test("[H1] links that name no head of the account take no place of those that do", async () => {
  const [carol, mallory] = [signUp("carol"), signUp("mallory")];
  const { state, entry } = openDirect(mallory, carol);
  const rekey = grow(state, { by: mallory, change: { case: "rekey", value: { reason: "again" } }, opening: { kind: "fresh" } }).entry;
  const junk = create(AccountChainPartSchema, {
    account: idBytes(carol.account),
    links: Array.from({ length: 10_000 }, () => create(SignedLinkSchema)),
  });
  const noisy = create(LinkEntrySchema, { link: rekey.link!, evidence: [junk] });
  expect(recordedLinks(noisy, carol.account)).toEqual([]);
  await store(carol, 1_000, [entry, ...Array.from({ length: 20 }, () => noisy)]);
  expect(await recordedHashes(carol)).toEqual(carol.state.hashes);
});
