import { signIn, signUp } from "@fastchat/client/node";
import { ErrorCode } from "@fastchat/protocol";
import type { SignInFinished } from "@fastchat/protocol/wire/gateway";
import { join } from "node:path";
import { expect } from "vitest";
import { newPassword } from "../person.ts";
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

play([unknownSuite("info"), unknownSuite("sign-in"), anotherAccount, rolledBack]);
