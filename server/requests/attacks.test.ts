import { randomBytes } from "node:crypto";
import { ErrorCode } from "@fastchat/protocol";
import { draftLink, finishLink, groupCreate } from "@fastchat/protocol/chain";
import { keyIdOf, newEpochKey, sealedKeysHash, sealEpochKey } from "@fastchat/protocol/seal";
import { type SealedKey } from "@fastchat/protocol/wire/conversation";
import { afterAll, beforeAll, expect, test } from "vitest";
import { signUp, type TestDevice, type TestPerson, TestSocket } from "../test-client.ts";
import { TestInstallation } from "../test-installation.ts";

// What a changed client would try, one request at a time.

let installation: TestInstallation;
let gateway: string;
beforeAll(async () => {
  installation = await TestInstallation.start({ servers: 2 });
  gateway = installation.gateway.url;
});
afterAll(() => installation?.[Symbol.asyncDispose]());

const people = (...names: string[]): Promise<TestPerson[]> => Promise.all(names.map((name) => signUp(gateway, name)));
const welcome = (person: TestPerson, device: TestDevice = person.devices[0]!) => TestSocket.welcome(gateway, device);

test("ghost member: a group is not taken, so that none can pass for somebody's direct conversation", async () => {
  const [alice, bob, mallory] = (await people("alice-of-group", "bob-of-group", "mallory-of-group")) as [
    TestPerson,
    TestPerson,
    TestPerson,
  ];
  const known = new Map([alice, bob, mallory].map((person) => [person.account, { state: person.state, links: person.links }]));
  const [device] = mallory.devices;
  const members = new Map([alice, bob, mallory].map(({ account }) => [account, account === mallory.account ? "admin" : "member"] as const));
  const author = { account: mallory.account, device: device!.device };
  const change = groupCreate(members, randomBytes(32));
  const drafted = draftLink({ state: undefined, author, known, change, opening: { kind: "fresh" } });
  if (drafted.kind === "invalid") throw new Error(drafted.reason);
  const opening = drafted.draft.opening!;
  const key = newEpochKey();
  const sealedKeys: SealedKey[] = [];
  for (const recipient of opening.recipients) {
    const { publicKey } = [alice, bob, mallory].find(({ account }) => account === recipient.account)!.accountKey;
    sealedKeys.push((await sealEpochKey(key, opening.context, opening.epoch, { ...recipient, publicKey }))!);
  }
  const commitments = { keyId: keyIdOf(opening.context, key), sealedKeysHash: sealedKeysHash(sealedKeys) };
  const entry = finishLink(drafted.draft, device!.signingSeed, commitments);
  await using m = await welcome(mallory);
  const asked = m.ask({ case: "appendLink", value: { conversation: new Uint8Array(0), entry, sealedKeys } }, "appended");
  await expect(asked).rejects.toMatchObject({ code: ErrorCode.LINK_INVALID, message: expect.stringMatching(/groups/) as string });
  await using a = await welcome(alice);
  expect((await a.ask({ case: "catchUp", value: { cursors: [] } }, "heads")).heads).toEqual([]);
});
