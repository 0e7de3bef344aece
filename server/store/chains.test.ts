import { randomBytes } from "node:crypto";
import { applyAccountLinks, buildAddDevice, buildSignOut, type NewDevice, newDeviceId } from "@fastchat/protocol/chain";
import type { SignedLink } from "@fastchat/protocol/wire/account";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makePerson, type TestPerson } from "../test-client.ts";
import { createAccount } from "./accounts.ts";
import { applyInSlices, ChainStates } from "./chains.ts";
import type { Database } from "./database.ts";
import { type OpenTestDatabase, TestDatabase } from "./test-database.ts";

let opened: OpenTestDatabase;
let database: Database;
beforeAll(async () => {
  opened = await TestDatabase.open();
  ({ database } = opened);
});
afterAll(() => opened?.[Symbol.asyncDispose]());

/** Devices that come and go. */
function longer(person: TestPerson, count: number): SignedLink[] {
  const links = [...person.links];
  let state = person.state;
  let came: NewDevice | undefined;
  while (links.length < count) {
    const { identitySeed } = person;
    const device = { signingSeed: randomBytes(32), sealingKeyHash: randomBytes(32), nonce: randomBytes(32) };
    const link =
      came === undefined
        ? buildAddDevice(state, { identitySeed, device, sealedHash: randomBytes(32) })
        : buildSignOut(state, { device: newDeviceId(came), signingSeed: came.signingSeed });
    came = came === undefined ? device : undefined;
    links.push(link);
    const result = applyAccountLinks(state, [link]);
    if (result.kind !== "valid") throw new Error(`the test's own link is ${result.kind}`);
    ({ state } = result);
  }
  return links;
}

test("[W5] a long chain is verified in slices, others' requests in between, and the verdict is the same", async () => {
  const { person } = await makePerson("lena");
  const links = longer(person, 50);
  const whole = applyAccountLinks(undefined, links);
  let pauses = 0;
  const pause = async () => {
    pauses += 1;
  };
  expect(await applyInSlices(undefined, links, pause)).toEqual(whole);
  expect(pauses).toBe(3);
  expect(await applyInSlices(person.state, links.slice(1), pause)).toEqual(whole);
  const broken = links.with(40, { ...links[40]!, signature: randomBytes(64) });
  expect(await applyInSlices(undefined, broken, pause)).toEqual(applyAccountLinks(undefined, broken));
  expect(await applyInSlices(undefined, [], pause)).toEqual(applyAccountLinks(undefined, []));
});

test("[W5] who asks for the same chain while it is verified waits for the same answer", async () => {
  const { person, link, attachments } = await makePerson("mara");
  const record = { signInRecord: randomBytes(192), setup: "one", invitation: undefined, now: Date.now() };
  await createAccount(database, { state: person.state, link, attachments, ...record });
  const chains = new ChainStates(database);
  const [one, other] = await Promise.all([chains.account(person.account), chains.account(person.account)]);
  expect(one?.account).toBe(person.account);
  expect(other).toBe(one);
});
