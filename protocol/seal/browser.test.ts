import { launchBrowser } from "@fastchat/testing";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readEdgeCases, zip215Accepts } from "../vectors/read.ts";
import * as seal from "./index.ts";
import type * as signature from "./signature.ts";

// The same modules in a real browser: its WebCrypto is another library with other opinions.

type InPage = { seal: typeof seal; signature: typeof signature };

let browser: Browser;
let page: Page;

beforeAll(async () => {
  const bundle = await build({
    stdin: {
      contents: `import * as seal from "./index.ts"; import * as signature from "./signature.ts"; Object.assign(globalThis, { seal, signature });`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    format: "iife",
    platform: "browser",
    write: false,
  });
  browser = await launchBrowser();
  page = await browser.newPage();
  // Answered without a server; a page of localhost is one of those that get WebCrypto without TLS.
  await page.route("**/*", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>FastChat</title>" }));
  await page.goto("http://localhost/");
  await page.addScriptTag({ content: bundle.outputFiles[0]!.text });
});

afterAll(async () => {
  await browser?.close();
});

test("[G3] in a browser, too, WebCrypto accepts no edge case of CCTV's that ZIP 215 does not, and the verdict is ZIP 215's", async () => {
  const cases = readEdgeCases();
  // What ZIP 215 says is said by code of ours, which is slow, and the same as in Node.
  const slowly = process.env["SIZE"] === "large" ? 1 : 10;
  const verdicts = await page.evaluate(
    async ({ edges, every }) => {
      const { seal: s, signature: g } = globalThis as unknown as InPage;
      return Promise.all(
        edges.map(async ({ key, sig, msg }, index) => {
          const its = [s.fromHex(key), s.fromHex(sig), s.utf8(msg)] as const;
          return { webCrypto: await g.acceptedByWebCrypto(...its), accepted: index % every === 0 ? await g.accepted(...its) : undefined };
        }),
      );
    },
    { edges: cases, every: slowly },
  );
  for (const [index, edge] of cases.entries()) {
    const { webCrypto, accepted = zip215Accepts(edge) } = verdicts[index]!;
    expect(webCrypto && !zip215Accepts(edge), `case ${edge.number}: this browser accepts what ZIP 215 does not`).toBe(false);
    expect(accepted, `case ${edge.number}`).toBe(zip215Accepts(edge));
  }
  expect(verdicts.filter(({ accepted }) => accepted === true).length).toBeGreaterThan(826 / slowly / 2);
});

test("what the browser signs, hashes, derives, encrypts, wraps and seals is what Node does", async () => {
  const sealingSecret = new Uint8Array(32).fill(5);
  const place = { context: new Uint8Array(32).fill(1), number: 2, recipient: new Uint8Array(32).fill(3), recipientGeneration: 4 };
  const info = seal.sealingInfo(seal.labels.seal.epochKeyToAccount, place);
  const publicKey = await seal.sealingPublicKeyOf(sealingSecret);
  const mine = await seal.seal(publicKey, info, seal.utf8("from Node"));
  if (mine.kind !== "sealed") throw new Error(mine.kind);
  const key = new Uint8Array(32).fill(6);
  const associatedData = seal.encodeParts(seal.labels.encrypt.message, "here");
  const encrypted = seal.encrypt(key, associatedData, seal.utf8("from Node"));
  const wrapPlace = { account: new Uint8Array(32).fill(1), record: 2, version: 3 };
  const wrapped = seal.wrapKey("identityUnderMaster", key, wrapPlace, sealingSecret);
  const words = seal.recoveryWordsOf(new Uint8Array(16).fill(7));
  const alice = { account: new Uint8Array(32).fill(1), identityKey: new Uint8Array(32).fill(2) };
  const bob = { account: new Uint8Array(32).fill(3), identityKey: new Uint8Array(32).fill(4) };

  const theirs = await page.evaluate(
    async (given) => {
      const { seal: s, signature: g } = globalThis as unknown as InPage;
      const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte);
      const itsPlace = { context: filled(32, 1), number: 2, recipient: filled(32, 3), recipientGeneration: 4 };
      const itsInfo = s.sealingInfo(s.labels.seal.epochKeyToAccount, itsPlace);
      const text = (result: { kind: string; plaintext?: Uint8Array }) =>
        result.plaintext === undefined ? result.kind : new TextDecoder().decode(result.plaintext);
      const sealed = await s.seal(s.fromHex(given.publicKey), itsInfo, s.utf8("from the browser"));
      const associated = s.encodeParts(s.labels.encrypt.message, "here");
      const unwrapped = s.unwrapKey(
        "identityUnderMaster",
        filled(32, 6),
        { account: filled(32, 1), record: 2, version: 3 },
        s.fromHex(given.wrapped),
      );
      const recovered = s.parseRecoveryWords(given.words);
      const parties = [
        { account: filled(32, 3), identityKey: filled(32, 4) },
        { account: filled(32, 1), identityKey: filled(32, 2) },
      ] as const;
      const signed = s.signLink(filled(32, 5), s.labels.signature.message, "a part");
      return {
        secure: isSecureContext,
        publicKey: s.toHex(await s.sealingPublicKeyOf(filled(32, 5))),
        opened: text(await s.open(filled(32, 5), itsInfo, s.fromHex(given.sealed))),
        decrypted: text(s.decrypt(filled(32, 6), associated, s.fromHex(given.encrypted))),
        unwrapped: unwrapped.kind === "unwrapped" ? s.toHex(unwrapped.secret) : unwrapped.kind,
        recovered: recovered.kind === "entropy" ? s.toHex(recovered.entropy) : recovered.kind,
        sealed: sealed.kind === "sealed" ? s.toHex(sealed.copy) : sealed.kind,
        encrypted: s.toHex(s.encrypt(filled(32, 6), associated, s.utf8("from the browser"))),
        hash: s.toHex(s.hash(s.labels.hash.entry, "a part")),
        derived: s.toHex(s.hkdf(filled(32, 6), s.labels.derive.messageKey, "a part")),
        signedLink: s.toHex(signed),
        signed: s.toHex(await s.sign(filled(32, 5), s.labels.signature.message, "a part")),
        byWebCrypto: await g.acceptedByWebCrypto(s.publicKeyOf(filled(32, 5)), signed, s.encodeParts(s.labels.signature.message, "a part")),
        padded: s.toHex(s.pad(filled(200, 9))),
        safetyNumber: s.safetyNumber(...parties),
        random: s.random(100_000).length,
      };
    },
    {
      publicKey: seal.toHex(publicKey),
      sealed: seal.toHex(mine.copy),
      encrypted: seal.toHex(encrypted),
      wrapped: seal.toHex(wrapped),
      words: words.join(" "),
    },
  );

  const signed = seal.toHex(seal.signLink(new Uint8Array(32).fill(5), seal.labels.signature.message, "a part"));
  expect(theirs).toMatchObject({
    secure: true,
    publicKey: seal.toHex(publicKey),
    opened: "from Node",
    decrypted: "from Node",
    unwrapped: seal.toHex(sealingSecret),
    recovered: "07".repeat(16),
    hash: seal.toHex(seal.hash(seal.labels.hash.entry, "a part")),
    derived: seal.toHex(seal.hkdf(key, seal.labels.derive.messageKey, "a part")),
    signedLink: signed,
    signed,
    byWebCrypto: true,
    padded: seal.toHex(seal.pad(new Uint8Array(200).fill(9))),
    safetyNumber: seal.safetyNumber(alice, bob),
    random: 100_000,
  });
  const plaintext = seal.utf8("from the browser");
  expect(await seal.open(sealingSecret, info, seal.fromHex(theirs.sealed))).toEqual({ kind: "opened", plaintext });
  expect(seal.decrypt(key, associatedData, seal.fromHex(theirs.encrypted))).toEqual({ kind: "decrypted", plaintext });
});

test("[S6] a file's chunks are sealed in the browser as in Node, and opened, or refused, alike", async () => {
  const secret = new Uint8Array(32).fill(8);
  const chunk = new Uint8Array(1_000).fill(9);
  const places = [
    [0, false],
    [4_294_967_295, true],
  ] as const;
  const cipher = await seal.FileCipher.of(secret);
  const sealed = await Promise.all(places.map(([index, isLast]) => cipher.seal(index, isLast, chunk)));
  const theirs = await page.evaluate(
    async (given) => {
      const { seal: s } = globalThis as unknown as InPage;
      const its = await s.FileCipher.of(new Uint8Array(32).fill(8));
      const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? "refused" : s.toHex(bytes));
      return Promise.all(
        given.map(async ({ index, isLast, bytes }) => [
          hex(await its.seal(index, isLast, new Uint8Array(1_000).fill(9))),
          hex(await its.open(index, isLast, new Uint8Array(s.fromHex(bytes)))),
          hex(await its.open(index, !isLast, new Uint8Array(s.fromHex(bytes)))),
          hex(await its.open(index, isLast, new Uint8Array(s.fromHex(bytes).slice(0, 15)))),
        ]),
      );
    },
    places.map(([index, isLast], place) => ({ index, isLast, bytes: seal.toHex(sealed[place]!) })),
  );
  expect(theirs).toEqual(sealed.map((bytes) => [seal.toHex(bytes), seal.toHex(chunk), "refused", "refused"]));
});
