import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ErrorCode, idBytes } from "@fastchat/protocol";
import { accountLinkHash, buildAddDevice, buildClose, groupCreate, newDeviceId } from "@fastchat/protocol/chain";
import {
  deviceSealingKeyHash,
  generateSealingKey,
  sealAccountKey,
  sealedCopyHash,
  signSuccessionRecord,
  toHex,
} from "@fastchat/protocol/seal";
import { AccountChainPartSchema, type SignedLink } from "@fastchat/protocol/wire/account";
import { AccountPutBackSchema, PutBackAccountSchema } from "@fastchat/protocol/wire/frames";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildRevocation, buildSuccession, codeOf, getTicket, post, signUp, type TestPerson, TestSocket } from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

// Who signed in once, and kept the identity key, when the password is another one by now. The server was never restored.

let installation: TestInstallation;
let gateway: string;
let vera: TestPerson;
beforeAll(async () => {
  installation = await TestInstallation.start({ gateway: { sessions: "single" } });
  gateway = installation.gateway.url;
  vera = await signUp(gateway, "vera");
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const putBack = (links: readonly SignedLink[], beside: object = {}) =>
  codeOf(post(gateway, "/v1/accounts/put-back", PutBackAccountSchema, AccountPutBackSchema, { links: [...links], ...beside }));

test("[H6] [P2] [W6] [H8] a change put back that was never taken: who had the password adds no device", async () => {
  const sealing = await generateSealingKey();
  const signingSeed = randomBytes(32);
  const keys = { signingSeed, sealingKeyHash: deviceSealingKeyHash(sealing.publicKey), nonce: randomBytes(32) };
  const device = newDeviceId(keys);
  const copy = (await sealAccountKey({ generation: 1, secret: vera.accountKey.secret }, vera.state.nonce, {
    device,
    publicKey: sealing.publicKey,
  }))!;
  const link = buildAddDevice(vera.state, { identitySeed: vera.identitySeed, device: keys, sealedHash: sealedCopyHash(copy) });
  const beside = { deviceSealingKeys: [sealing.publicKey], copies: [{ device: idBytes(device), generation: 1, sealed: copy }] };
  expect(await putBack([...vera.links, link], beside)).toBe(ErrorCode.NO_RECEIPT);
  // That of another link is none of it.
  link.receipt = vera.links[0]!.receipt;
  expect(await putBack([link], beside)).toBe(ErrorCode.NO_RECEIPT);
  expect(await codeOf(getTicket(gateway, { device, signingSeed }))).toBe(ErrorCode.DEVICE_UNKNOWN);
  expect(await codeOf(getTicket(gateway, vera.devices[0]!))).toBe(0);
});

test("[H6] [H7] [H3] who had the password ends neither the account nor its devices by putting that back", async () => {
  const close = buildClose(vera.state, { identitySeed: vera.identitySeed });
  const revocation = await buildRevocation(vera, vera.devices[0]!);
  await using other = await TestSocket.welcome(gateway, (await signUp(gateway, "mallory")).devices[0]!);
  for (const link of [close, revocation.link]) {
    expect(await putBack([...vera.links, link])).toBe(ErrorCode.NO_RECEIPT);
    expect(await other.refusal({ case: "putBackAccount", value: { links: [...vera.links, link] } })).toBe(ErrorCode.NO_RECEIPT);
  }
  expect(await codeOf(getTicket(gateway, vera.devices[0]!))).toBe(0);
});

test("[H6] [L30] nobody gets a receipt of what was not taken by putting it beside a change as evidence", async () => {
  const mallory = await signUp(gateway, "mallory-of-evidence");
  await using socket = await TestSocket.welcome(gateway, mallory.devices[0]!);
  const close = buildClose(vera.state, { identitySeed: vera.identitySeed });
  close.receipt = vera.links[0]!.receipt;
  const group = new TestGroup(mallory, vera);
  const made = await group.link(mallory, groupCreate(new Map([mallory, vera].map(({ account }) => [account, "admin"])), randomBytes(32)));
  made.entry.evidence.push(create(AccountChainPartSchema, { account: idBytes(vera.account), links: [...vera.links, close] }));
  await socket.ask(group.request(made), "appended");
  group.taken(made);
  const { entries } = await socket.ask(
    { case: "fetchEntries", value: { conversation: idBytes(group.id), after: 0, limit: 10 } },
    "entries",
  );
  const evidence = entries.flatMap(({ body }) => (body.case === "link" ? body.value.evidence.flatMap(({ links }) => links) : []));
  const received = new Map(evidence.map((link) => [accountLinkHash(link), toHex(link.receipt)]));
  const taken = [mallory, vera].map(({ links, state }) => [state.head.hash, toHex(links[0]!.receipt)] as const);
  expect(received).toEqual(new Map([...taken, [accountLinkHash(close), ""]]));
});

test("[H6] [P2] who had the password after a succession sets no other by putting it back", async () => {
  const alice = await signUp(gateway, "alice");
  const { link, attachments, newIdentitySeed } = await buildSuccession(alice, alice.devices[0]!);
  const signed = async (record: Uint8Array, version: number) => {
    const wraps = attachments.wraps.slice(-3).map((wrap) => ({ ...wrap, version }));
    const signature = await signSuccessionRecord(newIdentitySeed, { account: alice.account, link: accountLinkHash(link), record, wraps });
    return { wraps, signInRecord: { registrationRecord: record, signature } };
  };
  const hers = randomBytes(192);
  await using a = await TestSocket.welcome(gateway, alice.devices[0]!);
  const { signInRecord } = await signed(hers, 2);
  await a.ask({ case: "appendAccountLink", value: { link, attachments, vault: [], vaultRevision: 0, signInRecord } }, "appended");
  const stored = async () => {
    const of = installation.database.query.selectFrom("sign_in_record").select("record").where("account", "=", idBytes(alice.account));
    return (await of.executeTakeFirstOrThrow()).record;
  };
  for (const version of [2, 3, 9]) {
    expect(await putBack([alice.links[0]!, link], await signed(randomBytes(192), version))).toBe(0);
    expect(await stored()).toEqual(hers);
  }
});
