import { create } from "@bufbuild/protobuf";
import { FastChatError } from "@fastchat/protocol";
import { parseRecoveryWords, random, recoveryKeyOf } from "@fastchat/protocol/seal";
import { type SignedLink, SignedLinkSchema, type Wrap, WrapPurpose, WrapSchema } from "@fastchat/protocol/wire/account";
import { type SignInFinished, SignInFinishedSchema } from "@fastchat/protocol/wire/gateway";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomFrom } from "../testing/crash/random.ts";
import { anotherDevice, FrameProxy, newPassword, person, startSystem, type System } from "../testing/index.ts";
import { openClient, recover, signIn, signUp } from "./node.ts";
import { openFinished } from "./sign-in.ts";

/** `SEED=7 npm test -- client/opened-account` repeats; `SIZE=large` takes every bit. */
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const SAMPLE = 300;
const isLarge = process.env["SIZE"] === "large";

const shared = new AsyncDisposableStack();
let system: System;
let proxy: FrameProxy;
beforeAll(async () => {
  system = shared.use(await startSystem({ servers: 1 }));
  proxy = shared.use(await FrameProxy.start(system.gatewayUrl));
});
afterAll(() => shared.disposeAsync());

interface Given {
  readonly name: string;
  readonly under: { readonly purpose: "masterUnderRecoveryKey"; readonly secret: Uint8Array };
  /** What the server gave at first, after a device was added, after it was revoked, and after the password was changed. */
  readonly all: readonly SignInFinished[];
  /** What it gave somebody else. */
  readonly other: SignInFinished;
}

let given: Promise<Given> | undefined;
/** A real account with a past, opened by its words: what a password opens differs in one wrap. */
const givenOnce = (): Promise<Given> => (given ??= give());

async function give(): Promise<Given> {
  const all: SignInFinished[] = [];
  const keep = (answer: SignInFinished) => {
    all.push(answer);
    return answer;
  };
  proxy.script = { posts: { "/v1/recovery/finish": keep, "/v1/sign-in/finish": keep } };
  const [name, password] = ["ursula", newPassword()];
  const options = { gateway: proxy.url, name };
  const at = (profile: string) => ({ home: join(system.folder, "opened"), profile });
  const signedUp = await signUp(at("first"), { ...options, password });
  if (signedUp.kind !== "signed-up") throw new Error(signedUp.kind);
  const words = signedUp.recoveryWords.join(" ");
  const second = await signIn(at("second"), { ...options, password });
  if (second.kind !== "signed-in") throw new Error(second.kind);
  await using first = (await openClient(at("first"), { gateway: proxy.url }))!;
  await first.revokeDevices(password, [second.me.device]);
  expect(await recover(at("third"), { ...options, words, password: newPassword() })).toMatchObject({ kind: "signed-in" });
  expect(await recover(at("fourth"), { ...options, words, password: newPassword() })).toMatchObject({ kind: "signed-in" });
  await using bob = await person(system, "bob", { gateway: proxy.url });
  await using _ = await anotherDevice(system, bob, { profile: "bob-2", gateway: proxy.url });
  proxy.script = {};
  const parsed = parseRecoveryWords(words);
  if (parsed.kind !== "entropy") throw new Error(parsed.kind);
  const under = { purpose: "masterUnderRecoveryKey", secret: recoveryKeyOf(parsed.entropy).wrapSecret } as const;
  return { name, under, all: all.slice(0, -1), other: all.at(-1)! };
}

/** What becomes of an answer: the error's code and sentence, or "opened". */
async function outcomeOf({ name, under }: Given, finished: SignInFinished): Promise<string> {
  try {
    await openFinished(finished, name, under);
    return "opened";
  } catch (error) {
    if (!(error instanceof FastChatError)) throw error;
    return `${error.row.name}: ${error.row.sentence}`;
  }
}

const THE_ERROR = /^signature-invalid: The server answered with something that is not this account's: nothing of it was used\./;
const wraps = (finished: SignInFinished, change: (wrap: Wrap, place: number) => Wrap | undefined): SignInFinished =>
  create(SignInFinishedSchema, { ...finished, wraps: finished.wraps.flatMap((wrap, place) => change(wrap, place) ?? []) });
const links = (finished: SignInFinished, change: (link: SignedLink, place: number) => SignedLink | undefined): SignInFinished =>
  create(SignInFinishedSchema, { ...finished, links: finished.links.flatMap((link, place) => change(link, place) ?? []) });
const withSealed = (wrap: Wrap, sealed: Uint8Array): Wrap => create(WrapSchema, { ...wrap, sealed });

const nameOf = ({ purpose, version }: Wrap): string => `the wrap of purpose ${purpose}, version ${version}`;
const GENERATIONS = 2;
/** The words need no wrap under a password, and the master key opens the newest account key alone: that one opens the older ones. */
const isUsed = ({ purpose, version }: Wrap): boolean =>
  purpose !== WrapPurpose.MASTER_BY_PASSWORD && (purpose !== WrapPurpose.ACCOUNT_KEY_BY_MASTER || version === GENERATIONS);

function tamperings({ all, other }: Given): [string, SignInFinished][] {
  const newest = all.at(-1)!;
  const cases: [string, SignInFinished][] = [
    ["another account's chain", { ...newest, links: other.links }],
    ["another account's id", { ...newest, account: other.account }],
    ["another account's public key", { ...newest, accountPublicKey: other.accountPublicKey }],
    ["no public key", { ...newest, accountPublicKey: new Uint8Array(0) }],
    ["all of another account", { ...other, grant: newest.grant }],
    ["another account's wraps", { ...newest, wraps: other.wraps }],
    ["no wraps", { ...newest, wraps: [] }],
    ["no links", { ...newest, links: [] }],
    ["links the other way round", { ...newest, links: newest.links.toReversed() }],
    ["the public key from before the revocation", { ...newest, accountPublicKey: all[0]!.accountPublicKey }],
    ["wraps from before the revocation", { ...newest, wraps: all[0]!.wraps }],
    ["the chain from before the revocation", { ...newest, links: all[0]!.links }],
  ];
  // Without the last one it is an older account, which a device without memory cannot tell [H1].
  for (const place of newest.links.slice(0, -1).keys())
    cases.push([`link ${place} left out`, links(newest, (link, at) => (at === place ? undefined : link))]);
  for (const [place, wrap] of newest.wraps.entries()) {
    if (!isUsed(wrap)) continue;
    const named = nameOf(wrap);
    const instead = (change: (wrap: Wrap) => Wrap | undefined) => wraps(newest, (each, at) => (at === place ? change(each) : each));
    cases.push([`${named} left out`, instead(() => undefined)]);
    cases.push([`${named} renumbered`, instead((each) => create(WrapSchema, { ...each, version: each.version + 1 }))]);
    cases.push([`${named} of the server's own making`, instead((each) => withSealed(each, Uint8Array.of(1, 1, ...random(72))))]);
    cases.push([`${named} cut`, instead((each) => withSealed(each, each.sealed.subarray(0, 50)))]);
    cases.push([`${named} empty`, instead((each) => withSealed(each, new Uint8Array(0)))]);
    for (const [elsewhere, another] of newest.wraps.entries()) {
      const { sealed, purpose, version } = another;
      if (elsewhere === place) continue;
      cases.push([`${named} with what is ${nameOf(another)}`, instead((each) => withSealed(each, sealed))]);
      cases.push([`${named} called ${nameOf(another)}`, instead((each) => create(WrapSchema, { ...each, purpose, version }))]);
    }
    const theirs = other.wraps.find(({ purpose }) => purpose === wrap.purpose);
    if (theirs !== undefined) cases.push([`${named} of another account`, instead((each) => withSealed(each, theirs.sealed))]);
  }
  return cases;
}

test("[P2] [P3] [P4] whatever of a sign-in is swapped, moved, old, left out or of the server's own making: one and the same error", async () => {
  const known = await givenOnce();
  expect(await outcomeOf(known, known.all.at(-1)!)).toBe("opened");
  const outcomes: [string, string][] = [];
  for (const [what, finished] of tamperings(known)) outcomes.push([what, await outcomeOf(known, finished)]);
  expect(outcomes.length).toBeGreaterThan(60);
  for (const [what, outcome] of outcomes) expect([what, outcome]).toEqual([what, expect.stringMatching(THE_ERROR)]);
});

test(`[P2] [P3] [P4] any changed bit of what a sign-in gives: one and the same error (SEED=${seed})`, { timeout: 3_600_000 }, async () => {
  const known = await givenOnce();
  const newest = known.all.at(-1)!;
  /** One entry for each byte string: how long it is, and the answer with another one in its place. */
  const strings: [what: string, bytes: Uint8Array, change: (bytes: Uint8Array) => SignInFinished][] = [
    ["account", newest.account, (account) => ({ ...newest, account })],
    ["account public key", newest.accountPublicKey, (accountPublicKey) => ({ ...newest, accountPublicKey })],
  ];
  for (const [place, link] of newest.links.entries()) {
    for (const part of ["body", "signature", "cosignature"] as const) {
      const change = (bytes: Uint8Array) =>
        links(newest, (each, at) => (at === place ? create(SignedLinkSchema, { ...each, [part]: bytes }) : each));
      strings.push([`${part} of link ${place}`, link[part], change]);
    }
  }
  for (const [place, wrap] of newest.wraps.entries()) {
    if (!isUsed(wrap)) continue;
    const change = (sealed: Uint8Array) => wraps(newest, (each, at) => (at === place ? withSealed(each, sealed) : each));
    strings.push([nameOf(wrap), wrap.sealed, change]);
  }
  const bits = strings.flatMap(([what, bytes, change]) =>
    Array.from({ length: 8 * bytes.length }, (_, bit) => ({ what, bytes, change, bit })),
  );
  const next = randomFrom(seed);
  const chosen = isLarge ? bits : Array.from({ length: SAMPLE }, () => bits[Math.floor(next() * bits.length)]!);
  const others: string[] = [];
  for (const { what, bytes, change, bit } of chosen) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    const outcome = await outcomeOf(known, change(changed));
    if (!THE_ERROR.test(outcome)) others.push(`bit ${bit} of ${what}: ${outcome}`);
  }
  // What claims to be of a newer format is not opened either, and told so [G3].
  const isOfNewerFormat = (line: string): boolean =>
    /: version-too-old: /.test(line) && /^bit (?:\d|1[0-5]) of the wrap|of body of link 0/.test(line);
  expect(others.filter((line) => !isOfNewerFormat(line))).toEqual([]);
});
