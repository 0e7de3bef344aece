import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TcpProxy } from "../../testing/faults/tcp-proxy.ts";
import { freePort } from "../../testing/free-port.ts";
import { ConfigError } from "../config.ts";
import { silentLog } from "../events.ts";
import { type OpenTestDatabase, TestDatabase } from "../store/test-database.ts";
import type { NatsPlace } from "./bus.ts";
import { busContract, hearsAgain, listen } from "./bus-contract.ts";
import { openNatsBus } from "./bus-nats.ts";
import { hintsSubject, openBus } from "./open-bus.ts";
import { TestNats } from "./test-nats.ts";

const SUBJECT = "fastchat.test.hints";

let nats: TestNats | undefined;
let proxy: TcpProxy | undefined;
beforeAll(async () => {
  if (!TestNats.isInstalled()) return;
  nats = await TestNats.start();
  proxy = await TcpProxy.start({ host: "127.0.0.1", port: nats.port });
});
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await nats?.[Symbol.asyncDispose]();
});

const open = (place: NatsPlace, subject = SUBJECT) => openNatsBus({ place, subject, log: silentLog });

busContract("NATS", {
  ready: (skip) => TestNats.orSkip(skip),
  port: () => proxy!.port,
  open: (port) => open(nats!.place({ port })),
  cut: async () => void proxy!.cut(),
});

test("NATS that is killed and started again: who was there is told once, and hears again", async ({ skip }) => {
  TestNats.orSkip(skip);
  await using own = await TestNats.start();
  await using one = await open(own.place());
  await using other = await open(own.place());
  const ear = listen(other);
  await one.publish("before");
  await own.kill();
  await expect.poll(() => one.publish("meanwhile").catch((error: Error) => error.message)).toMatch(/not connected/);
  await own.start();
  await expect.poll(ear.interruptions).toBe(1);
  await hearsAgain(one, ear);
  expect(ear.interruptions()).toBe(1);
  expect(ear.heard.filter((payload) => payload === "meanwhile")).toEqual([]);
});

test("NATS that hangs: nobody waits for it, who was there is told once, and hears again", { timeout: 60_000 }, async ({ skip }) => {
  TestNats.orSkip(skip);
  await using own = await TestNats.start();
  await using one = await open(own.place());
  await using other = await open(own.place());
  const ear = listen(other);
  await one.publish("before");
  own.freeze();
  try {
    const since = performance.now();
    // A signal takes effect a moment later.
    await expect.poll(() => one.publish("held").catch((error: Error) => error.message)).toMatch(/did not answer/);
    expect(performance.now() - since).toBeLessThan(8_000);
    await expect.poll(() => other.publish("refused").catch((error: Error) => error.message)).toMatch(/not connected/);
  } finally {
    own.thaw();
  }
  await expect.poll(ear.interruptions).toBe(1);
  await hearsAgain(one, ear);
  expect(ear.interruptions()).toBe(1);
  expect(ear.heard).not.toContain("refused");
});

test("who ends while NATS hangs waits for nothing", { timeout: 60_000 }, async ({ skip }) => {
  TestNats.orSkip(skip);
  await using own = await TestNats.start();
  await using before = await TcpProxy.start({ host: "127.0.0.1", port: own.port });
  const one = await open(own.place({ port: before.port }));
  before.hold();
  before.cut();
  // It tries to connect again, and nothing comes.
  await expect.poll(() => before.connections).toBe(1);
  const since = performance.now();
  await one[Symbol.asyncDispose]();
  expect(performance.now() - since).toBeLessThan(2_000);
});

test("NATS that hangs for a moment: what was said meanwhile comes, and nothing else has happened", async ({ skip }) => {
  TestNats.orSkip(skip);
  await using own = await TestNats.start();
  await using one = await open(own.place());
  await using other = await open(own.place());
  const ear = listen(other);
  own.freeze();
  const said = one.publish("held");
  setTimeout(() => own.thaw(), 1_000);
  await said;
  await expect.poll(() => ear.heard).toEqual(["held"]);
  expect(ear.interruptions()).toBe(0);
});

test("what comes over a connection that its publisher gave up is late, and is dropped", { timeout: 60_000 }, async ({ skip }) => {
  TestNats.orSkip(skip);
  const { port } = nats!;
  await using hanging = await TcpProxy.start({ host: "127.0.0.1", port });
  const servers = [{ host: "127.0.0.1", port: hanging.port, login: undefined }];
  const place = { ...nats!.place(), servers };
  await using one = await open(place);
  await using other = await open(nats!.place());
  const ear = listen(other);
  await one.publish("before");
  hanging.hold();
  await expect(one.publish("late")).rejects.toThrow(/did not answer/);
  servers[0] = { host: "127.0.0.1", port, login: undefined };
  await hearsAgain(one, ear, "newer");
  hanging.release();
  await expect.poll(() => hanging.connections).toBe(0);
  await one.publish("last");
  await expect.poll(() => ear.heard.at(-1)).toBe("last");
  expect(new Set(ear.heard)).toEqual(new Set(["before", "newer", "last"]));
});

test(
  "one that NATS cuts off because it does not read is told so, and the others hear everything",
  { timeout: 60_000 },
  async ({ skip }) => {
    TestNats.orSkip(skip);
    await using own = await TestNats.start(() => `max_pending: 1048576\nwrite_deadline: "1s"`);
    await using before = await TcpProxy.start({ host: "127.0.0.1", port: own.port });
    await using one = await open(own.place());
    await using quick = await open(own.place());
    await using slow = await open(own.place({ port: before.port }));
    const [quickEar, slowEar] = [listen(quick), listen(slow)];
    before.hold();
    const payloads = Array.from({ length: 400 }, (_, index) => `${index} ${"x".repeat(60_000)}`);
    try {
      for (const payload of payloads) await one.publish(payload);
      await expect.poll(() => quickEar.heard.length).toBe(payloads.length);
    } finally {
      before.release();
    }
    await expect.poll(slowEar.interruptions).toBe(1);
    await hearsAgain(one, slowEar);
    expect(quickEar.interruptions()).toBe(0);
    expect(slowEar.heard.length).toBeLessThan(payloads.length);
  },
);

test("of several servers one that is gone is passed over", async ({ skip }) => {
  TestNats.orSkip(skip);
  const gone = { host: "127.0.0.1", port: await freePort(), login: undefined };
  await using own = await TestNats.start();
  await using one = await open({ ...own.place(), servers: [gone, ...own.place().servers] });
  await using other = await open({ ...own.place(), servers: [...own.place().servers, gone] });
  const ear = listen(other);
  await one.publish("there");
  await expect.poll(() => ear.heard).toEqual(["there"]);
});

// ---------------------------------------------------------------- who is let in

let database: OpenTestDatabase;
beforeAll(async () => {
  database = await TestDatabase.open();
});
afterAll(() => database?.[Symbol.asyncDispose]());

/** @param patienceMs of one who waits for a server that starts */
const openFrom = (place: NatsPlace, patienceMs = 500) => openBus({ place, database: database.database, log: silentLog, patienceMs });

/** An end, and another one, which hear each other. */
async function works(place: NatsPlace): Promise<void> {
  await using one = await openFrom(place);
  await using other = await openFrom(place);
  const ear = listen(other);
  await one.publish("hello");
  await expect.poll(() => ear.heard).toEqual(["hello"]);
}

async function isRefused(place: NatsPlace, sentence: RegExp): Promise<void> {
  const refusal = openFrom(place);
  await expect(refusal).rejects.toThrow(ConfigError);
  await expect(refusal).rejects.toThrow(sentence);
}

test("two databases on one NATS do not hear each other", async ({ skip }) => {
  TestNats.orSkip(skip);
  await using second = await TestDatabase.open();
  await using one = await openFrom(nats!.place());
  await using other = await openBus({ place: nats!.place(), database: second.database, log: silentLog });
  await using same = await openFrom(nats!.place());
  const [otherEar, sameEar] = [listen(other), listen(same)];
  await one.publish("ours");
  await expect.poll(() => sameEar.heard).toEqual(["ours"]);
  await hearsAgain(one, sameEar);
  expect(otherEar.heard).toEqual([]);
});

test("with a user and password, or a token, and not without or with others", async ({ skip }) => {
  TestNats.orSkip(skip);
  const password = "p@ss:w/ord";
  {
    await using own = await TestNats.start(() => `authorization: { users: [{ user: "chat", password: "${password}" }] }`);
    await works(own.place({ login: { kind: "user", user: "chat", password } }));
    for (const login of [undefined, { kind: "user", user: "chat", password: "wrong" } as const]) {
      await isRefused(own.place({ ...(login && { login }) }), /^NATS refuses to let this server in: .*NATS_URL/);
    }
  }
  await using own = await TestNats.start(() => `authorization: { token: "t0ken" }`);
  await works(own.place({ login: { kind: "token", token: "t0ken" } }));
  await isRefused(own.place({ login: { kind: "token", token: "other" } }), /^NATS refuses/);
});

test("with the seed of an nkey, and a file that is none is told of", async ({ skip }) => {
  TestNats.orSkip(skip);
  const pair = nkeys.createUser();
  await using own = await TestNats.start((folder) => {
    writeFileSync(join(folder, "seed.nk"), `${Buffer.from(pair.getSeed()).toString()}\n`);
    writeFileSync(join(folder, "nonsense"), "nonsense");
    return `authorization: { users: [{ nkey: "${pair.getPublicKey()}" }] }`;
  });
  const { files } = own.place();
  const at = (name: string) => join(own.folder, name);
  await works(own.place({ files: { ...files, nkey: at("seed.nk") } }));
  await isRefused(own.place(), /^NATS refuses/);
  await isRefused(own.place({ files: { ...files, nkey: at("nonsense") } }), /^What NATS_NKEY names is not the seed of an nkey\.$/);
  await isRefused(own.place({ files: { ...files, credentials: at("nonsense") } }), /^What NATS_CREDS names is not credentials\.$/);
  await isRefused(own.place({ files: { ...files, credentials: at("gone") } }), /^NATS_CREDS names a file that cannot be read: ENOENT/);
});

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** What `nsc` makes: a claim of `by` about somebody. */
function jwt(by: KeyPair, about: KeyPair, nats: Record<string, unknown>): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { jti: "TEST", iat: Math.floor(Date.now() / 1_000), iss: by.getPublicKey(), name: "test", sub: about.getPublicKey() };
  const text = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part({ ...claims, nats: { version: 2, ...nats } })}`;
  return `${text}.${Buffer.from(by.sign(Buffer.from(text))).toString("base64url")}`;
}

test("with a file of credentials, which may be replaced while it runs", { timeout: 60_000 }, async ({ skip }) => {
  TestNats.orSkip(skip);
  const [operator, account, stranger] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const anywhere = { subs: -1, data: -1, payload: -1 };
  const accountJwt = jwt(operator, account, {
    type: "account",
    limits: { ...anywhere, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true },
  });
  await using own = await TestNats.start(
    () =>
      `operator: "${jwt(operator, operator, { type: "operator" })}"\nresolver: MEMORY\n` +
      `resolver_preload: { ${account.getPublicKey()}: "${accountJwt}" }`,
  );
  const file = join(own.folder, "chat.creds");
  const write = (by: KeyPair) => {
    const user = nkeys.createUser();
    const seed = Buffer.from(user.getSeed()).toString();
    writeFileSync(
      file,
      `-----BEGIN NATS USER JWT-----\n${jwt(by, user, { type: "user", ...anywhere })}\n------END NATS USER JWT------\n\n` +
        `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
    );
  };
  const place = own.place({ files: { ...own.place().files, credentials: file } });
  write(stranger);
  await isRefused(place, /^NATS refuses to let this server in: .*NATS_CREDS/);
  write(account);
  await works(place);
  await using one = await open(place);
  await using other = await open(place);
  write(account);
  await own.kill();
  await own.start();
  await hearsAgain(one, listen(other));
});

test("who may not publish or subscribe there is told what is needed, at the start", async ({ skip }) => {
  TestNats.orSkip(skip);
  const subject = await hintsSubject(database.database);
  const denied = (what: string) => `{ user: "${what}", password: "x", permissions: { ${what}: { deny: ["fastchat.>"] } } }`;
  const exact = `{ user: "exact", password: "x", permissions: { publish: "${subject}.>", subscribe: "${subject}.>" } }`;
  await using own = await TestNats.start(() => `authorization: { users: [${denied("publish")}, ${denied("subscribe")}, ${exact}] }`);
  const login = (user: string) => own.place({ login: { kind: "user", user, password: "x" } });
  await works(login("exact"));
  for (const user of ["publish", "subscribe"]) await isRefused(login(user), new RegExp(`both for "${subject.replaceAll(".", "\\.")}\\.>"`));
});

test("a NATS that is not there, hangs, or is something else, is told of in time", async ({ skip }) => {
  TestNats.orSkip(skip);
  const port = await freePort();
  await isRefused(nats!.place({ port }), new RegExp(`^NATS does not answer at 127.0.0.1:${port}: ECONNREFUSED`));
  await isRefused(nats!.place({ host: "nowhere.invalid" }), /^NATS does not answer at nowhere\.invalid:\d+: .*nowhere\.invalid/);
  const databasePort = Number(new URL(database.url).port);
  await isRefused(nats!.place({ port: databasePort }), /nothing comes from 127\.0\.0\.1:\d+/);
  await using silent = await TcpProxy.start({ host: "127.0.0.1", port: nats!.port });
  silent.hold();
  await isRefused(nats!.place({ port: silent.port }), /nothing comes from/);
});

test("one that comes while it is waited for is taken", async ({ skip }) => {
  TestNats.orSkip(skip);
  await using own = await TestNats.start();
  await own.kill();
  const opening = openFrom(own.place(), 20_000);
  await own.start();
  await using bus = await opening;
  await bus.publish("there");
});

// ---------------------------------------------------------------- TLS

/** Makes a certificate authority, and what it signs, with `openssl`; false where there is none. */
function makeCertificates(folder: string): boolean {
  const run = (...args: string[]) => spawnSync("openssl", args, { cwd: folder }).status === 0;
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const authority = (name: string) =>
    run("req", "-x509", ...key, "-days", "2", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`);
  const signed = (name: string, extra: string) => {
    writeFileSync(join(folder, `${name}.ext`), extra);
    return (
      run("req", ...key, "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`) &&
      run(
        "x509",
        "-req",
        "-in",
        `${name}.csr`,
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        `${name}.ext`,
        "-out",
        `${name}.pem`,
      )
    );
  };
  return (
    authority("ca") &&
    authority("stranger") &&
    signed("server", "subjectAltName=IP:127.0.0.1,DNS:localhost") &&
    signed("client", "extendedKeyUsage=clientAuth")
  );
}

test(
  "over TLS, with the server's certificate checked, and with one of our own where it is asked for",
  { timeout: 60_000 },
  async ({ skip }) => {
    TestNats.orSkip(skip);
    let isMade = false;
    await using own = await TestNats.start((folder) => {
      isMade = makeCertificates(folder);
      if (!isMade) return "";
      return `tls: { cert_file: "${folder}/server.pem", key_file: "${folder}/server.key", ca_file: "${folder}/ca.pem", verify: true }`;
    });
    if (!isMade) {
      console.warn("!!! LEFT OUT: no certificates to test TLS with; apt-get install openssl !!!");
      return skip("no openssl");
    }
    const at = (name: string) => join(own.folder, name);
    const all = { ...own.place().files, ca: at("ca.pem"), certificate: at("client.pem"), key: at("client.key") };
    const place = (change: Partial<NatsPlace["files"]> = {}, host = "127.0.0.1") =>
      own.place({ mustHaveTls: true, files: { ...all, ...change }, host });
    await works(place());
    await works(place({}, "localhost"));
    await isRefused(place({ ca: at("stranger.pem") }), /^The certificates of NATS and of this server do not fit: .*NATS_CA names who/);
    await isRefused(place({ ca: undefined }), /^The certificates of NATS/);
    await isRefused(place({ certificate: undefined, key: undefined }), /^The certificates of NATS/);
    await isRefused(place({ ca: at("client.key") }), /^What NATS_CA names is not a certificate in PEM\.$/);
    await isRefused(place({ key: at("server.key") }), /^What NATS_CERT and NATS_KEY names? is not/);
    await isRefused(nats!.place({ mustHaveTls: true }), /asks for TLS, and this NATS has none/);
  },
);
