import { ErrorCode, idBytes } from "@fastchat/protocol";
import { equal, random } from "@fastchat/protocol/seal";
import { expect } from "vitest";
import { takeDump } from "../groups/dump.ts";
import { agree, hears, say, textsOf } from "../groups/group-talk.ts";
import type { Person } from "../person.ts";
import { changedServerFrame, type Script } from "../proxy.ts";
import { type EvilCase, noticed, play } from "./case.ts";
import { goesOn, stagedGroup } from "./group-stage.ts";
import type { Forged } from "./modified-client.ts";

const rekey = { change: { case: "rekey", value: { reason: "because I can" } } } as const;

const REKEYS = 30;
const A_TENTH_MS = 100;

const tenASecond: EvilCase = {
  attack: "ten rekeys a second by one member: the others talk as before",
  rules: "[C5] [W5]",
  async run(stage) {
    const group = await stagedGroup(stage, "Locksmith");
    const { id, alice, bob, carol, mallory } = group;
    const outcomes: ("appended" | ErrorCode)[] = [];
    const turning = (async () => {
      for (let count = 0; count < REKEYS; count++) {
        const start = performance.now();
        outcomes.push(await mallory.append(id, await mallory.forge(id, rekey)));
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, A_TENTH_MS - (performance.now() - start))));
      }
    })();
    const talking = (async () => {
      for (let round = 1; round <= 5; round++) {
        for (const who of [alice, bob, carol]) {
          await say(who, id, `${who.name}, round ${round}`);
          for (const other of [alice, bob, carol]) await hears(other, id, `${who.name}, round ${round}`);
        }
      }
    })();
    await Promise.all([turning, talking]);
    // A few a minute are anybody's right. The rest was refused, and by nothing else than the limit.
    expect(outcomes.filter((outcome) => outcome === "appended").length).toBeGreaterThanOrEqual(5);
    expect(outcomes.filter((outcome) => outcome === ErrorCode.RATE_LIMITED).length).toBeGreaterThanOrEqual(REKEYS / 2);
    expect(new Set(outcomes).difference(new Set(["appended", ErrorCode.RATE_LIMITED, ErrorCode.STALE_HEAD]))).toEqual(new Set());
    await goesOn(stage, group);
  },
};

/** A new key, of which nobody gets a copy that opens. */
async function unopenable({ mallory, id }: Awaited<ReturnType<typeof stagedGroup>>): Promise<Forged> {
  return mallory.forge(id, { ...rekey, spoils: (copy) => ({ ...copy, sealed: Uint8Array.of(1, 1, ...random(copy.sealed.length - 2)) }) });
}

const HEALED_MS = 15_000;

const nobodyOpens: EvilCase = {
  attack: "unable to decrypt: a rekey that nobody can open heals by the next one who writes",
  rules: "[C6] [C4]",
  async run(stage) {
    const group = await stagedGroup(stage, "Locked out", { own: true });
    const { id, alice, bob, carol, mallory } = group;
    await say(bob, id, "before");
    for (const who of [alice, carol]) await hears(who, id, "before");
    expect(await mallory.append(id, await unopenable(group))).toBe("appended");
    const start = performance.now();
    await say(carol, id, "can anybody read this?");
    for (const who of [alice, bob]) await hears(who, id, "can anybody read this?");
    expect(performance.now() - start).toBeLessThan(HEALED_MS);
    await agree([alice, bob, carol], id);
    // And when nobody writes: a group that nobody can open is opened again before somebody has something to say.
    expect(await mallory.append(id, await unopenable(group))).toBe("appended");
    await goesOn(stage, group);
  },
};

/** The server gives this person no copy of a new key, neither by itself nor when it is asked. */
function withoutCopies(person: Person): NonNullable<Script["toClient"]> {
  const account = idBytes(person.me.account);
  return (frame) => {
    const { body } = frame;
    if (body.case === "sealedKeys") return changedServerFrame(frame, { case: "sealedKeys", value: { keys: [] } });
    if (body.case !== "entries") return frame;
    const sealedKeys = body.value.sealedKeys.filter((copy) => !equal(copy.account, account));
    return changedServerFrame(frame, { case: "entries", value: { ...body.value, sealedKeys } });
  };
}

const withheld: EvilCase = {
  attack: "unable to decrypt: sealed copies withheld by the server",
  rules: "[C6] [C4]",
  async run(stage) {
    const group = await stagedGroup(stage, "No key for alice", { own: true });
    const { id, alice, bob, carol } = group;
    stage.proxy.script = { toClient: withoutCopies(alice) };
    await bob.client.groups.setPolicy(id, { newcomersRead: "now" });
    await say(bob, id, "sealed for all of you");
    await hears(carol, id, "sealed for all of you");
    await noticed(alice, id, ["unreadable"]);
    // Who cannot open it makes another one, and is heard.
    const start = performance.now();
    await say(alice, id, "I could not read that");
    for (const who of [bob, carol]) await hears(who, id, "I could not read that");
    expect(performance.now() - start).toBeLessThan(HEALED_MS);
    await say(bob, id, "and now?");
    await hears(alice, id, "and now?");
    expect(await textsOf(alice, id)).not.toContain("sealed for all of you");
    await goesOn(stage, group);
  },
};

const givenLate: EvilCase = {
  attack: "unable to decrypt that never heals: sealed copies that the server gives only when the key has changed again",
  rules: "[C6] [C4]",
  async run(stage) {
    const group = await stagedGroup(stage, "Late key for alice", { own: true });
    const { id, alice, bob, carol } = group;
    stage.proxy.script = { toClient: withoutCopies(alice) };
    await bob.client.groups.setPolicy(id, { newcomersRead: "now" });
    await say(bob, id, "sealed for all of you");
    await noticed(alice, id, ["unreadable"]);
    stage.proxy.script = {};
    await bob.client.groups.setPolicy(id, { newcomersRead: "now" });
    await say(carol, id, "with the next key");
    await hears(alice, id, "with the next key");
    await alice.reopen();
    // It is shown in its place.
    await hears(alice, id, "sealed for all of you");
    expect(await textsOf(alice, id)).toEqual(["sealed for all of you", "with the next key"]);
    await goesOn(stage, group);
  },
};

const CHANGES_EACH = 10;

const race: EvilCase = {
  attack: "a race of 50 concurrent changes: each is made or refused, and everybody agrees",
  rules: "[C3] [C4]",
  async run(stage) {
    const group = await stagedGroup(stage, "Race", { own: true });
    const { id, alice, bob, carol } = group;
    const [dave, erin] = [await stage.ownHonest("dave"), await stage.ownHonest("erin")];
    const five = [alice, bob, carol, dave, erin];
    await bob.client.groups.add(id, [dave.name, erin.name], "admin");
    await bob.client.groups.setRole(id, [alice.name, carol.name], "admin");
    await agree(five, id);
    const guests = ["guest-a", "guest-b"].map((name) => stage.ownHonest(name));
    const [one, other] = await Promise.all(guests);
    await bob.client.groups.add(id, [one!.name, other!.name]);
    await agree(five, id);
    const before = (await takeDump(stage.system, id)).links.at(-1)!.state.head.index;
    const changing = five.map(async ({ client: { groups }, name }, place) => {
      for (let count = 1; count <= CHANGES_EACH; count++) {
        const guest = count % 2 === 0 ? one! : other!;
        const what = (place + count) % 5;
        if (what === 0) await groups.setProfile(id, { name: `${name} ${count}` });
        else if (what === 1) await groups.add(id, [guest.name]);
        else if (what === 2) await groups.remove(id, [guest.name]);
        else if (what === 3) await groups.setPolicy(id, { retentionSeconds: 86_400 * (10 * place + count) });
        else await groups.invite(id, { uses: count });
      }
    });
    await Promise.all(changing);
    const view = await agree(five, id);
    const { links, invalid } = await takeDump(stage.system, id);
    expect(invalid).toEqual([]);
    const { head, invitations, policy } = links.at(-1)!.state;
    expect(view.head).toBe(`${head.index} ${head.hash}`);
    // Of those of which nothing can be done already each is there; adding who is in it, or removing who is not, is done.
    expect(invitations.size).toBe(CHANGES_EACH);
    expect(policy.retentionSeconds).toBeGreaterThan(0);
    expect(head.index - before).toBeGreaterThanOrEqual(3 * CHANGES_EACH);
    await goesOn(stage, group, five);
  },
};

play([tenASecond, nobodyOpens, withheld, givenLate, race]);
