import { openClient, recover, signIn, signUp } from "@fastchat/client/node";
import { ErrorCode, idBytes } from "@fastchat/protocol";
import { random } from "@fastchat/protocol/seal";
import type { Wrap } from "@fastchat/protocol/wire/account";
import type { SignInFinished } from "@fastchat/protocol/wire/gateway";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { newPassword } from "../person.ts";
import type { Script } from "../proxy.ts";
import { type EvilCase, type Stage, play } from "./case.ts";

/** What the outcome is does not matter as long as it is a clear refusal, and nothing of the password went out. */
async function refusal(attempt: Promise<{ readonly kind: string }>): Promise<string> {
  const outcome = await attempt.then(
    (result) => result.kind,
    (error: unknown) => (error instanceof Error && error.message.length > 10 ? "threw a sentence" : "threw nonsense"),
  );
  expect(outcome).toMatch(/^(?:refused|threw a sentence)$/);
  return outcome;
}

function unknownSuite(where: "info" | "sign-in"): EvilCase {
  return {
    attack: `weakened KDF parameters: an unknown password suite, named in ${where === "info" ? "the gateway's first answer" : "the sign-in"}`,
    rules: "[P1]",
    async run(stage: Stage) {
      const alice = await stage.victim("alice");
      const place = { home: join(stage.system.home, "elsewhere"), profile: `${alice.name}-${where}` };
      const posts: string[] = [];
      stage.proxy.script = {
        refuses: (path) => {
          posts.push(path);
          return false;
        },
        ...(where === "info"
          ? { info: (info) => ({ ...info, passwordSuite: 99 }) }
          : { posts: { "/v1/sign-in/start": (answer) => ({ ...answer, passwordSuite: 99 }) } }),
      };
      await refusal(signIn(place, { gateway: stage.proxy.url, name: alice.name, password: alice.password }));
      expect(posts).not.toContain("/v1/sign-in/finish");
      if (where === "info") {
        await refusal(signUp(place, { gateway: stage.proxy.url, name: `${alice.name}x`, password: newPassword() }));
        expect(posts).not.toContain("/v1/sign-up/finish");
      }
      stage.proxy.script = {};
      const again = await signIn(place, { gateway: stage.proxy.url, name: alice.name, password: alice.password });
      expect(again.kind).toBe("signed-in");
    },
  };
}

/** The answers of another account's sign-in, or another identity beside the right wraps. */
const anotherAccount: EvilCase = {
  attack: "key supplied by the server (Matrix, Nextcloud): a sign-in answered with another account's chain",
  rules: "[P2] [P3] [G2]",
  async run(stage) {
    const alice = await stage.victim("alice");
    const mallory = await stage.victim("mallory");
    let other: { account: Uint8Array; links: never[]; accountPublicKey: Uint8Array } | undefined;
    stage.proxy.script = {
      posts: {
        "/v1/sign-in/finish": (answer) => {
          other = answer as never;
          return answer;
        },
      },
    };
    const elsewhere = join(stage.system.home, "elsewhere");
    const first = { home: elsewhere, profile: mallory.name };
    expect((await signIn(first, { gateway: stage.proxy.url, name: mallory.name, password: mallory.password })).kind).toBe("signed-in");
    const { account, links, accountPublicKey } = other!;
    const swaps = [{ account, links, accountPublicKey }, { account }, { links }, { accountPublicKey }];
    for (const [index, swap] of swaps.entries()) {
      stage.proxy.script = { posts: { "/v1/sign-in/finish": (answer) => ({ ...answer, ...swap }) } };
      const place = { home: elsewhere, profile: `${alice.name}-${index}` };
      await refusal(signIn(place, { gateway: stage.proxy.url, name: alice.name, password: alice.password }));
    }
    stage.proxy.script = {};
    await stage.honestTalk(alice, mallory);
  },
};

/** As the server would look if somebody had put back the account's older rows, and nothing else. */
const rolledBack: EvilCase = {
  attack: "rollback of a chain at the sign-in of a fresh device: one's own, to before a revocation that a conversation records",
  rules: "[H1] [A4]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const place = (profile: string) => ({ home: join(stage.system.home, "elsewhere"), profile: `${alice.name}-${profile}` });
    const options = { gateway: stage.proxy.url, name: alice.name, password: alice.password };
    let before: SignInFinished | undefined;
    stage.proxy.script = { posts: { "/v1/sign-in/finish": (answer) => (before = answer) } };
    const stolen = await signIn(place("stolen"), options);
    if (stolen.kind !== "signed-in") throw new Error(stolen.kind);
    await alice.client.revokeDevices(alice.password, [stolen.me.device]);
    await alice.say(bob.name, "my telephone was stolen");
    const posts: string[] = [];
    stage.proxy.script = {
      refuses: (path) => {
        posts.push(path);
        return false;
      },
      posts: {
        "/v1/sign-in/finish": ({ links, ...answer }) => {
          const { wraps, accountPublicKey } = before!;
          return { ...answer, wraps, accountPublicKey, links: links.slice(0, 2) };
        },
      },
    };
    const refused = await signIn(place("new"), options);
    expect(refused).toMatchObject({
      kind: "refused",
      code: ErrorCode.ACCOUNT_OUTDATED,
      sentence: expect.stringContaining("older history"),
    });
    // Nothing that the identity key signed has left the device.
    expect(posts).not.toContain("/v1/devices");
    stage.proxy.script = {};
    expect((await signIn(place("new"), options)).kind).toBe("signed-in");
    await stage.honestTalk(alice, bob);
  },
};

/** The first one is what a sign-in gave; the last, what it gives now. */
type Tampering = readonly [what: string, tamper: (now: SignInFinished, then: SignInFinished) => SignInFinished];

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const changed = Uint8Array.from(bytes);
  changed[Math.floor(at * changed.length)]! ^= 1;
  return changed;
};
const changedWraps = (finished: SignInFinished, change: (wrap: Wrap) => Wrap): SignInFinished => ({
  ...finished,
  wraps: finished.wraps.map(change),
});

const wholeTamperings: readonly Tampering[] = [
  ["one bit of each wrap turned", (now) => changedWraps(now, (wrap) => ({ ...wrap, sealed: flipped(wrap.sealed, 0.5) }))],
  ["old wraps, from before the password was changed and a device revoked", (now, { wraps }) => ({ ...now, wraps })],
  [
    "wraps under each other's names",
    (now) => ({ ...now, wraps: now.wraps.map((wrap, place) => ({ ...wrap, sealed: now.wraps.at(place - 1)!.sealed })) }),
  ],
  ["no wraps", (now) => ({ ...now, wraps: [] })],
  ["wraps of the server's own making", (now) => changedWraps(now, (wrap) => ({ ...wrap, sealed: Uint8Array.of(1, 1, ...random(72)) }))],
  ["an account key of the server's own", (now) => ({ ...now, accountPublicKey: flipped(now.accountPublicKey, 0.9) })],
  ["one bit of a link turned", (now) => ({ ...now, links: now.links.map((link) => ({ ...link, body: flipped(link.body, 0.4) })) })],
  ["the public key from before", (now, { accountPublicKey }) => ({ ...now, accountPublicKey })],
];

/** Through the whole of it: what is refused leaves no profile, and nothing that a key signed leaves the device. */
const tamperedAnswer = (how: "sign-in" | "recovery"): EvilCase => ({
  attack: `malleable, swapped, missing or old blobs (MEGA) in the answer to a ${how}: ${wholeTamperings.map(([what]) => what).join(", ")}`,
  rules: "[P2] [P3] [P4]",
  async run(stage) {
    const name = `${how === "sign-in" ? "sam" : "rob"}ota`;
    const place = (profile: string) => ({ home: join(stage.system.home, "elsewhere"), profile: `${name}-${profile}` });
    const options = { gateway: stage.proxy.url, name };
    let password = newPassword();
    const signedUp = await signUp(place("first"), { ...options, password });
    if (signedUp.kind !== "signed-up") throw new Error(signedUp.kind);
    const words = signedUp.recoveryWords.join(" ");
    const enter = async (profile: string) =>
      how === "sign-in"
        ? signIn(place(profile), { ...options, password })
        : recover(place(profile), { ...options, words, password: newPassword() });
    const tampering = (change: (answer: SignInFinished) => SignInFinished): NonNullable<Script["posts"]> => ({
      "/v1/sign-in/finish": change,
      "/v1/recovery/finish": change,
    });
    let then: SignInFinished | undefined;
    stage.proxy.script = { posts: tampering((answer) => (then = answer)) };
    const second = await enter("second");
    if (second.kind !== "signed-in") throw new Error(JSON.stringify(second));
    stage.proxy.script = {};
    const first = stage.use((await openClient(place("first"), { gateway: stage.proxy.url }))!);
    if (how === "sign-in") {
      await first.revokeDevices(password, [second.me.device]);
      const fresh = newPassword();
      expect(await first.changePassword(password, fresh)).toEqual({ kind: "changed" });
      password = fresh;
    } else {
      const taken = await recover(place("third"), { ...options, words, password });
      expect(taken.kind).toBe("signed-in");
      await first.revokeDevices(password, [second.me.device]);
    }
    const before = (await first.devices()).length;
    for (const [what, tamper] of wholeTamperings) {
      const posts: string[] = [];
      stage.proxy.script = {
        refuses: (path) => {
          posts.push(path);
          return false;
        },
        posts: tampering((answer) => tamper(answer, then!)),
      };
      const refused = await enter("new");
      expect([what, refused]).toEqual([
        what,
        {
          kind: "refused",
          code: ErrorCode.SIGNATURE_INVALID,
          sentence: expect.stringMatching(/not this account's: nothing of it was used/),
        },
      ]);
      expect(posts.filter((path) => path.startsWith("/v1/devices") || path.startsWith("/v1/password"))).toEqual([]);
      expect(existsSync(join(place("new").home, place("new").profile))).toBe(false);
    }
    stage.proxy.script = {};
    expect((await enter("new")).kind).toBe("signed-in");
    expect((await first.devices()).length).toBe(before + 1);
  },
});

const SAMPLED_BITS = process.env["SIZE"] === "large" ? 100 : 3;

const tamperedRecord: EvilCase = {
  attack:
    "malleable, swapped or old sign-in records: one bit of the password server's answer turned, another account's, that of an earlier sign-in, a record from before the password was changed",
  rules: "[P1]",
  async run(stage) {
    const alice = await stage.victim("alice");
    const mallory = await stage.victim("mallory");
    const place = { home: join(stage.system.home, "elsewhere"), profile: `${alice.name}-record` };
    const wrong = async (what: string, password: string, change: (loginResponse: Uint8Array) => Uint8Array): Promise<void> => {
      const posts: string[] = [];
      stage.proxy.script = {
        refuses: (path) => {
          posts.push(path);
          return false;
        },
        posts: { "/v1/sign-in/start": (answer) => ({ ...answer, loginResponse: change(answer.loginResponse) }) },
      };
      const refused = await signIn(place, { gateway: stage.proxy.url, name: alice.name, password });
      // A record that is not this password's cannot be told from a password that is not this record's.
      expect([what, refused]).toEqual([what, { kind: "refused", code: ErrorCode.WRONG_PASSWORD, sentence: "Wrong password: try again." }]);
      expect(posts.filter((path) => !["/v1/info", "/v1/sign-in/start"].includes(path))).toEqual([]);
      expect(existsSync(join(place.home, place.profile))).toBe(false);
    };
    let theirs: Uint8Array | undefined;
    stage.proxy.script = { posts: { "/v1/sign-in/start": (answer) => ((theirs = answer.loginResponse), answer) } };
    await signIn({ ...place, profile: `${alice.name}-not` }, { gateway: stage.proxy.url, name: mallory.name, password: "not it at all" });
    await wrong("of another account", alice.password, () => theirs!);
    // An answer belongs to its question: that of an earlier sign-in is worth nothing either.
    let earlier: Uint8Array | undefined;
    stage.proxy.script = { posts: { "/v1/sign-in/start": (answer) => ((earlier = answer.loginResponse), answer) } };
    await signIn({ ...place, profile: `${alice.name}-then` }, { gateway: stage.proxy.url, name: alice.name, password: alice.password });
    await wrong("of an earlier sign-in", alice.password, () => earlier!);
    await wrong("no element of the group", alice.password, (bytes) => bytes.map(() => 0xff));
    await wrong("too short", alice.password, (bytes) => bytes.subarray(1));
    for (let bit = 0; bit < SAMPLED_BITS; bit++) {
      const at = Math.random();
      await wrong(`turned at ${at}`, alice.password, (bytes) => flipped(bytes, at));
    }
    stage.proxy.script = {};
    const fresh = newPassword();
    const of = [Buffer.from(idBytes(alice.me.account))];
    const recordOf = async () => (await stage.system.query("SELECT record FROM sign_in_record WHERE account = $1", of))[0]!["record"];
    const putBack = (record: unknown) => stage.system.query("UPDATE sign_in_record SET record = $2 WHERE account = $1", [...of, record]);
    const before = await recordOf();
    expect(await alice.client.changePassword(alice.password, fresh)).toEqual({ kind: "changed" });
    const after = await recordOf();
    await putBack(before);
    await wrong("from before the password was changed", fresh, (bytes) => bytes);
    // Who knows the old one gets in there, and what lies behind it is wrapped under the new one.
    stage.proxy.script = {};
    const old = await signIn(place, { gateway: stage.proxy.url, name: alice.name, password: alice.password });
    expect(old).toMatchObject({
      kind: "refused",
      code: ErrorCode.SIGNATURE_INVALID,
      sentence: expect.stringMatching(/nothing of it was used/),
    });
    await putBack(after);
    expect((await signIn(place, { gateway: stage.proxy.url, name: alice.name, password: fresh })).kind).toBe("signed-in");
  },
};

play([
  unknownSuite("info"),
  unknownSuite("sign-in"),
  anotherAccount,
  rolledBack,
  tamperedAnswer("sign-in"),
  tamperedAnswer("recovery"),
  tamperedRecord,
]);
