import { randomBytes } from "node:crypto";
import { create, type DescMessage, type Message, type MessageInitShape, ScalarType } from "@bufbuild/protobuf";
import { ErrorCode, idBytes, limits } from "@fastchat/protocol";
import { buildJoinRequest } from "@fastchat/protocol/chain";
import { publicKeyOf } from "@fastchat/protocol/seal";
import { ConversationLinkSchema, ConversationPolicySchema, PolicySchema } from "@fastchat/protocol/wire/conversation";
import { ClientFrameSchema } from "@fastchat/protocol/wire/frames";
import { afterAll, beforeAll, expect, test } from "vitest";
import { forgeLink } from "../../protocol/chain/test-people.ts";
import type { RequestBody, RequestCase } from "../chat/context.ts";
import { addDevice, buildRevocation, signUp, type TestPerson, TestSocket } from "../test-client.ts";
import { TestGroup } from "../test-group.ts";
import { TestInstallation } from "../test-installation.ts";

let installation: TestInstallation;
let alice: TestPerson;
let bob: TestPerson;
let socket: TestSocket;
let group: TestGroup;
beforeAll(async () => {
  installation = await TestInstallation.start();
  const gateway = installation.gateway.url;
  [alice, bob] = [await signUp(gateway, "alice"), await signUp(gateway, "bob")];
  socket = await TestSocket.welcome(gateway, alice.devices[0]!);
  group = new TestGroup(alice, bob);
  await group.create(socket);
});
afterAll(async () => {
  await socket?.[Symbol.asyncDispose]();
  await installation?.[Symbol.asyncDispose]();
});

type Init<Case extends RequestCase> = Omit<RequestBody<Case>, "$typeName" | "$unknown"> | MessageInitShape<DescMessage>;

/** Of every request one that the server would take, with something in each list. */
async function goodRequests() {
  const conversation = idBytes(group.id);
  const account = idBytes(alice.account);
  const device = idBytes(alice.devices[0]!.device);
  const author = { account, device };
  const { signingSeed } = alice.devices[0]!;
  const entry = { slot: randomBytes(32), version: 1, generation: 1, sealed: randomBytes(9) };
  const rekey = await group.link(alice, { case: "rekey", value: { reason: "a test" } });
  const revocation = await buildRevocation(alice, alice.devices[1]!);
  return {
    appendAccountLink: { ...revocation, vault: [{ ...entry, generation: 2 }], vaultRevision: 0 },
    appendLink: group.request(rekey).value,
    beginIncarnation: { conversation },
    catchUp: { cursors: [{ conversation, sequence: 1 }] },
    compare: {
      tips: [{ conversation, sequence: 1, entryHash: randomBytes(32) }],
      accounts: [{ account, index: 1, hash: randomBytes(32) }],
    },
    dropJoinRequest: { conversation, account: idBytes(bob.account) },
    fetchAccount: { by: { case: "account", value: account }, after: 0 },
    fetchAccountKeys: { accounts: [account] },
    fetchEntries: { conversation, after: 0, limit: 10 },
    fetchJoinRequests: { conversation, limit: 10 },
    fetchLinks: { conversation, after: 0 },
    fetchMovedHeads: { conversation },
    fetchSealedKeys: { conversation, fromEpoch: 0 },
    fetchSlots: { conversation },
    findGroups: { text: "", limit: 10 },
    findPeople: { text: "", limit: 10 },
    ping: {},
    putBackAccount: { links: alice.links, copies: [{ device, generation: 1, sealed: randomBytes(9) }], wraps: [] },
    readVault: { afterRevision: 0 },
    requestJoin: { request: await buildJoinRequest(group.id, { chain: alice.state, device: alice.devices[0]!.device, signingSeed }) },
    send: { conversation, message: await group.message("hello", alice), resume: true },
    sendKeyRequest: { request: { conversation, ...author, epoch: 1, counter: 1, signature: randomBytes(64) } },
    sendSignal: { conversation, signal: { ...author, epoch: 1, ciphertext: randomBytes(9) } },
    setSessions: { single: true },
    watchPresence: { accounts: [account] },
    writeSlot: { conversation, slot: { ...author, epoch: 1, counter: 1, ciphertext: randomBytes(9) } },
    writeVault: { entries: [entry] },
  } satisfies { [Case in RequestCase]: object };
}

type Fields = Record<string, unknown>;

/** Each number of 32 bits in a message, as a path and a way to set it; of a list the first. */
function* numbersOf(schema: DescMessage, message: Message, path: string): Generator<readonly [path: string, set: () => void]> {
  const fields = message as unknown as Fields;
  for (const field of schema.fields) {
    const here = `${path}.${field.localName}`;
    const value = fields[field.localName];
    if (field.oneof !== undefined) {
      const chosen = fields[field.oneof.localName] as { case?: string; value?: Message };
      if (chosen.case === field.localName && field.fieldKind === "message") yield* numbersOf(field.message, chosen.value!, here);
    } else if (field.fieldKind === "scalar" && field.scalar === ScalarType.UINT32) {
      yield [here, () => (fields[field.localName] = limits.largestNumber)];
    } else if (field.fieldKind === "enum") {
      yield [here, () => (fields[field.localName] = 2_147_483_647)];
    } else if (field.fieldKind === "list" && field.listKind === "scalar" && field.scalar === ScalarType.UINT32) {
      yield [here, () => (fields[field.localName] = [limits.largestNumber])];
    } else if (field.fieldKind === "list" && field.listKind === "message") {
      const [first] = value as Message[];
      if (first !== undefined) yield* numbersOf(field.message, first, here);
    } else if (field.fieldKind === "message" && value !== undefined) {
      yield* numbersOf(field.message, value as Message, here);
    }
  }
}

type Answer = ErrorCode | "taken";

async function answerTo(body: Parameters<TestSocket["say"]>[0]): Promise<Answer> {
  const [request] = socket.say(body);
  const { body: answered } = await socket.until((frame) => frame.request === request);
  return answered.case === "error" ? answered.value.code : "taken";
}

test("[W4] the largest number in any field of any request is answered, never by an error of the database", async () => {
  await addDevice(installation.gateway.url, alice);
  const codes = new Map<string, Answer>();
  for (const name of Object.keys(await goodRequests()) as RequestCase[]) {
    const schema = ClientFrameSchema.field[name].message!;
    const build = async () => create(schema, (await goodRequests())[name] as Init<RequestCase>);
    for (const [path] of numbersOf(schema, await build(), name)) {
      const value = await build();
      const [, set] = [...numbersOf(schema, value, name)].find(([each]) => each === path)!;
      set();
      codes.set(path, await answerTo({ case: name, value } as Parameters<TestSocket["say"]>[0]));
    }
  }
  const { MALFORMED, LINK_INVALID } = ErrorCode;
  expect([...codes].filter(([, code]) => code === ErrorCode.UNAVAILABLE)).toEqual([]);
  expect(Object.fromEntries(codes)).toMatchObject({
    "fetchAccount.after": MALFORMED,
    "readVault.afterRevision": MALFORMED,
    "fetchSealedKeys.fromEpoch": MALFORMED,
    "writeVault.entries.version": MALFORMED,
    "writeVault.entries.generation": MALFORMED,
    "appendAccountLink.vault.version": MALFORMED,
    "appendAccountLink.attachments.wraps.version": LINK_INVALID,
    "appendAccountLink.attachments.wraps.purpose": LINK_INVALID,
    "fetchEntries.after": "taken",
    "fetchLinks.after": "taken",
    "catchUp.cursors.sequence": "taken",
    "send.message.epoch": ErrorCode.STALE_EPOCH,
    "send.message.withdraws": "taken",
    "writeSlot.slot.counter": MALFORMED,
    "writeSlot.slot.epoch": ErrorCode.STALE_EPOCH,
  });
});

async function retentionStored(): Promise<number> {
  const { query } = installation.database;
  const row = await query.selectFrom("conversation").select("retention_seconds").executeTakeFirstOrThrow();
  return row.retention_seconds;
}

test("[W4] the largest numbers in a link are judged by the rules, and what they allow is stored", async () => {
  const codes = new Map<string, Answer>();
  const kept: number[] = [];
  for (let path: string | undefined = ""; path !== undefined;) {
    const invitations = [{ publicKey: publicKeyOf(randomBytes(32)), uses: 1, lastDay: 1 }];
    const policy = create(PolicySchema, { mayAdd: 1, mayWrite: 1, newcomersReadSinceEpoch: 1, retentionSeconds: 1, invitations });
    const made = await group.link(alice, { case: "policy", value: create(ConversationPolicySchema, { policy }) });
    path = undefined;
    const entry = forgeLink(made.entry, alice.devices[0]!.signingSeed, (body) => {
      const untried = [...numbersOf(ConversationLinkSchema, body, "link")].find(([each]) => !codes.has(each));
      path = untried?.[0];
      untried?.[1]();
    });
    if (path === undefined) break;
    const code = await answerTo(group.request({ ...made, entry }));
    codes.set(path, code);
    if (code === "taken") group.taken({ ...made, entry });
    kept.push(await retentionStored());
  }
  expect([...codes].filter(([, code]) => code === ErrorCode.UNAVAILABLE)).toEqual([]);
  expect(Object.fromEntries(codes)).toMatchObject({
    "link.index": ErrorCode.MALFORMED,
    "link.heads.index": ErrorCode.LINK_INVALID,
    "link.policy.policy.retentionSeconds": "taken",
    "link.policy.policy.invitations.uses": "taken",
  });
  expect(Math.max(...kept)).toBe(limits.largestNumber);
});
