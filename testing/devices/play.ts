import { type ConversationId, ErrorCode, FastChatError } from "@fastchat/protocol";
import { setTimeout as wait } from "node:timers/promises";
import { FaultyWire } from "../model/faulty-wire.ts";
import { Divergence } from "../model/simple-group.ts";
import { comeBack, type Household, type Owner } from "./household.ts";
import { judge } from "./judge.ts";
import type { Operation, Scenario, Step } from "./operations.ts";
import { perform } from "./perform.ts";
import type { Played } from "./played.ts";

const ONLINE_MS = 20_000;

/** Plays a scenario, lets everything settle, and judges it. Throws when anything diverges. */
export async function play(household: Household, { steps, newcomersRead, wire }: Scenario): Promise<void> {
  const { players } = household;
  const [founder, ...others] = players;
  const { client } = founder!.devices[0]!.person;
  await client.caughtUp(AbortSignal.timeout(ONLINE_MS));
  const names = others.map(({ name }) => name);
  const group = await client.groups.create({ name: `${founder!.name} 0`, members: names, admins: names, policy: { newcomersRead } });
  const directs: { id: ConversationId; owners: [Owner, Owner] }[] = [];
  for (const [place, one] of players.entries()) {
    for (const other of players.slice(place + 1))
      directs.push({ id: await one.devices[0]!.person.client.openDirect(other.name), owners: [one, other] });
  }
  const played: Played = { household, group, directs, texts: new Map(), history: [], restored: false };
  const faulty = new FaultyWire(wire);
  household.wire = faulty.script;
  const lanes = new Lanes();
  const doings: Promise<void>[] = [];
  try {
    for (const [number, step] of steps.entries()) {
      if (step.after > 0) await wait(step.after);
      if (step.operation.kind === "pause") await lanes.idle();
      else doings.push(begin(played, lanes, number, step));
    }
    await Promise.all(doings);
    await faulty.calm();
    household.wire = {};
    for (const device of household.devices) if (device.away && device.hasProfile) await comeBack(device);
    await judge(played);
  } catch (error) {
    throw new Divergence(`${(error as Error).message}\n${played.history.join("\n")}`, { cause: error });
  } finally {
    await faulty.calm();
    await Promise.allSettled(doings);
  }
}

/** Each device does one thing after the other, and so does what concerns an account as a whole; all else happens at once. */
class Lanes {
  readonly #ends = new Map<object, Promise<unknown>>();

  run(inAll: readonly object[], work: () => Promise<void>): Promise<void> {
    const doing = Promise.all(inAll.map((lane) => this.#ends.get(lane) ?? Promise.resolve())).then(work);
    const end = doing.catch(() => undefined);
    for (const lane of inAll) this.#ends.set(lane, end);
    return doing;
  }

  async idle(): Promise<void> {
    await Promise.all(this.#ends.values());
  }
}

/** Those that change which devices and passwords an account has. */
const OF_ACCOUNT: ReadonlySet<Operation["kind"]> = new Set([
  "restore",
  "wipe",
  "sign-in",
  "sign-out",
  "revoke",
  "change-password",
  "recover",
  "succeed",
]);

function begin(played: Played, lanes: Lanes, number: number, step: Step): Promise<void> {
  const { operation } = step;
  const { players } = played.household;
  const owner = players[step.by % players.length]!;
  const living = owner.devices.filter(({ ended }) => !ended);
  // None lives while the only one is being replaced.
  const device = living[step.device % Math.max(1, living.length)] ?? owner.devices.at(-1)!;
  const copied = owner.devices.filter(({ hasCopy, standing }) => hasCopy && standing !== "unknown");
  const restored = operation.kind === "restore" ? copied[operation.which % Math.max(1, copied.length)] : undefined;
  const lanesOf = [...(OF_ACCOUNT.has(operation.kind) ? [owner] : []), device, ...(restored === undefined ? [] : [restored])];
  return lanes.run([...new Set<object>(lanesOf)], async () => {
    const line = `${number}: ${device.person.profile}, ${JSON.stringify(operation)}`;
    try {
      const outcome = await perform(device, restored, { played, number, owner, operation });
      played.history.push(`${line}: ${outcome ?? "done"}`);
    } catch (error) {
      played.history.push(`${line}: ${String(error)}`);
      if (!device.ended && !isExpected(error)) throw error;
    }
  });
}

/** Who is in a group and who is not, others may have decided at the same time. */
const EXPECTED: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.FORBIDDEN,
  ErrorCode.NOT_A_MEMBER,
  ErrorCode.LINK_INVALID,
  ErrorCode.NOT_FOUND,
]);
const isExpected = (error: unknown): boolean => error instanceof FastChatError && EXPECTED.has(error.code);
