import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { limits } from "@fastchat/protocol";
import { sealedFileSize } from "@fastchat/protocol/seal";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Bucket } from "../../server/blobs/bucket.ts";
import { Swift } from "../../server/blobs/test-swift.ts";
import { fastchat, fastchatJson, startFastchat } from "../fastchat.ts";
import { TcpProxy } from "../faults/tcp-proxy.ts";
import { type Person, person } from "../person.ts";
import { startSystem, type System } from "../system.ts";
import { CountedGateway } from "./counted-gateway.ts";

/** The same as in interrupted.test.ts where files lie in a real bucket, which may be away as well. */

const BUCKET = "files";
const BYTES = 40_000_000;
const MIDDLE = 20_000_000;
const SEALED = sealedFileSize(BYTES);
/** What else passes, and what lay in buffers of the system when it ended. */
const BESIDE = 10_000_000;
const TEST_MS = 120_000;

const stack = new AsyncDisposableStack();
let parts: { readonly system: System; readonly gateway: CountedGateway; readonly bucket: Bucket } | undefined;
/** Nobody reaches the bucket. */
let isAway = false;
let path: string;
let alice: Person;
let bob: Person;
let count = 0;

beforeAll(async () => {
  if (!Swift.isInstalled()) return;
  const swift = stack.use(await Swift.start());
  const { endpoint } = swift.place(BUCKET);
  const target = { host: "127.0.0.1", port: Number(new URL(endpoint).port) };
  const proxy = stack.use(
    await TcpProxy.start(target, (control) => {
      const pass = (bytes: Buffer): Buffer => {
        if (isAway) control.cut();
        return isAway ? Buffer.alloc(0) : bytes;
      };
      return { up: pass, down: pass };
    }),
  );
  const place = swift.place(BUCKET, { endpoint: `http://127.0.0.1:${proxy.port}` });
  const bucket = new Bucket(place);
  await bucket.ask({ method: "PUT", key: "" });
  const environment = {
    BLOB_URL: `s3://${BUCKET}?endpoint=${place.endpoint}&region=${place.region}`,
    AWS_ACCESS_KEY_ID: place.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: place.credentials.secretAccessKey,
  };
  const system = stack.use(await startSystem({ servers: 1, environment }));
  parts = { system, gateway: stack.use(await CountedGateway.before(system.gatewayUrl)), bucket };
  path = join(system.folder, "forty.bin");
  writeFileSync(path, randomBytes(BYTES));
}, 180_000);
afterAll(() => stack.disposeAsync());

/** People who have talked, and whose devices are not running. */
async function stage(skip: (why: string) => never) {
  if (parts === undefined) {
    console.warn("!!! LEFT OUT: no S3 store to test with; apt-get install swift-proxy swift-account swift-container swift-object !!!");
    return skip("no Swift");
  }
  const { system, gateway } = parts;
  count++;
  [alice, bob] = [await person(system, `ann${count}`), await person(system, `ben${count}`)];
  await alice.say(bob.name, "before");
  await bob.hears(alice.name, "before");
  for (const { client } of [alice, bob]) await client.close();
  await system.query("DELETE FROM blob");
  const folder = join(system.folder, `received-${count}`);
  mkdirSync(folder);
  Object.assign(gateway.passed, { up: 0, down: 0 });
  return { ...parts, folder };
}

const through = (gateway: CountedGateway) => ({ gateway: gateway.url, withinMs: TEST_MS });
const send = (system: System, gateway: CountedGateway) =>
  startFastchat(system, ["send", bob.name, "--file", path, "--timeout", "90s", "--profile", alice.profile, "--json"], through(gateway));

async function expectOneOnly(system: System, bucket: Bucket): Promise<void> {
  expect(await system.query("SELECT size::int AS size, whole FROM blob")).toEqual([{ size: SEALED, whole: true }]);
  const [row] = await system.query("SELECT encode(blob, 'hex') AS id FROM blob");
  const listed = await bucket.ask({ method: "GET", key: "", query: { "list-type": "2", prefix: String(row!["id"]) } });
  expect(listed.match(/<Key>/gu)).toHaveLength(1);
  expect(await bucket.ask({ method: "GET", key: "", query: { uploads: "" } })).not.toContain("<Upload>");
}

async function expectSaved(folder: string): Promise<void> {
  expect(readFileSync(join(folder, "forty.bin")).equals(readFileSync(path))).toBe(true);
}

test(
  "[S6] in a bucket: sender, gateway, connections and receiver end in the middle, one after the other: it goes on where it was, once",
  { timeout: 2 * TEST_MS },
  async ({ skip }) => {
    const { system, gateway, bucket, folder } = await stage(skip);
    await using first = send(system, gateway);
    gateway.when("up", limits.blobPieceBytes + 1_000_000, () => first.kill());
    expect(await first.ended).toBe(undefined);
    const killed = Promise.withResolvers<void>();
    gateway.when("up", limits.blobPieceBytes + 1_000_000, () => killed.resolve(system.gateway.kill()));
    gateway.when("up", MIDDLE, () => gateway.cut());
    const going = fastchatJson(system, ["send", bob.name, "after", "--timeout", "90s", "--profile", alice.profile], through(gateway));
    await killed.promise;
    await system.gateway.start();
    await going;
    expect(gateway.passed.up).toBeLessThan(SEALED + 3 * limits.blobPieceBytes + BESIDE);
    await expectOneOnly(system, bucket);

    const save = () => startFastchat(system, ["save", alice.name, "--to", folder, "--profile", bob.profile, "--json"], through(gateway));
    await using saving = save();
    gateway.when("down", MIDDLE, () => saving.kill());
    expect(await saving.ended).toBe(undefined);
    await using again = save();
    const ended = Promise.withResolvers<void>();
    gateway.when("down", 5_000_000, () => ended.resolve(system.gateway.kill()));
    await ended.promise;
    await system.gateway.start();
    expect([await again.ended, again.errors]).toEqual([0, ""]);
    expect(gateway.passed.down).toBeLessThan(SEALED + 2 * BESIDE);
    await expectSaved(folder);
  },
);

test(
  "[S6] the bucket is away in the middle of an upload and of a download: words go on, and files when it is back",
  { timeout: 2 * TEST_MS },
  async ({ skip }) => {
    const { system, gateway, bucket, folder } = await stage(skip);
    const leave = (): void => {
      isAway = true;
    };
    await using sending = send(system, gateway);
    gateway.when("up", MIDDLE, leave);
    await expect.poll(() => isAway, { timeout: 60_000 }).toBe(true);
    await fastchatJson(system, ["send", alice.name, "still here", "--profile", bob.profile]);
    expect(sending.output).toBe("");
    isAway = false;
    expect([await sending.ended, sending.errors]).toEqual([0, ""]);
    expect(gateway.passed.up).toBeLessThan(SEALED + 6 * limits.blobPieceBytes + BESIDE);
    await expectOneOnly(system, bucket);

    gateway.when("down", MIDDLE, () => {
      leave();
      setTimeout(() => (isAway = false), 3_000);
    });
    const saved = await fastchat(system, ["save", alice.name, "--to", folder, "--profile", bob.profile], through(gateway));
    expect([saved.code, saved.errors]).toEqual([0, ""]);
    await expectSaved(folder);
  },
);
