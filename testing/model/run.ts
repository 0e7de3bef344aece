import { type ConversationId, ErrorCode, FastChatError } from "@fastchat/protocol";
import { setTimeout as wait } from "node:timers/promises";
import { ConnectionLost } from "../../client/connection.ts";
import type { Cast, Device, Player } from "./cast.ts";
import { FaultyWire } from "./faulty-wire.ts";
import { historyOf } from "./history.ts";
import { type Deed, judge } from "./judge.ts";
import type { Scenario, Step } from "./operations.ts";
import { settle } from "./settle.ts";
import { Divergence } from "./simple-group.ts";

/** What people may be told; anything else is a mistake. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  ErrorCode.FORBIDDEN,
  ErrorCode.NOT_A_MEMBER,
  ErrorCode.LINK_INVALID,
  ErrorCode.NO_SUCH_USER,
  ErrorCode.INVITATION_INVALID,
  ErrorCode.NOT_FOUND,
  ErrorCode.DEVICE_REVOKED,
]);

const ONLINE_MS = 20_000;

/** What happened in one group. */
export interface Run {
  readonly cast: Pick<Cast, "system" | "players" | "devices">;
  readonly id: ConversationId;
  readonly deeds: readonly Deed[];
  /** Texts that were given to a device to send, and by whom. */
  readonly texts: ReadonlyMap<string, Player>;
}

/** Plays a scenario in a group of its own, lets everything settle, and judges it. Throws when anything diverges. */
export async function play(cast: Cast, scenario: Scenario): Promise<void> {
  const founder = cast.players[0]!.devices[0]!.person;
  await founder.client.caughtUp(AbortSignal.timeout(ONLINE_MS));
  const nameOf = (number: number): string => cast.players[number]!.name;
  const created = {
    name: `${founder.name} 0`,
    members: scenario.members.map(nameOf),
    admins: scenario.admins.filter((number) => scenario.members.includes(number)).map(nameOf),
    policy: scenario.policy,
  };
  const id = await patiently(() => founder.client.groups.create(created));
  const wire = new FaultyWire(scenario.wire);
  cast.wire = wire.script;
  const deeds: Deed[] = [];
  const texts = new Map<string, Player>();
  /** Each device does one thing after the other; different ones do theirs at once. */
  const lanes = new Map<Device, Promise<void>>();
  const doings: Promise<void>[] = [];
  try {
    for (const [number, step] of scenario.steps.entries()) {
      if (step.after > 0) await wait(step.after);
      if (step.operation.kind === "pause") await Promise.all(lanes.values());
      const player = await whoDoes(cast, id, step);
      const device = player.devices[step.device % player.devices.length]!;
      const before = lanes.get(device) ?? Promise.resolve();
      const doing = before.then(() => act({ cast, id, deeds, texts, number, player, device, step, wire: scenario.wire }));
      doings.push(doing);
      lanes.set(
        device,
        doing.catch(() => undefined),
      );
    }
    await Promise.all(doings);
    await wire.calm();
    for (const device of cast.devices) if (device.away) await comeBack(device);
    const run: Run = { cast, id, deeds, texts };
    try {
      await judge(run, await settle(run));
    } catch (error) {
      if (!(error instanceof Divergence)) throw error;
      throw new Divergence(`${error.message}\n${await historyOf(run)}`, { cause: error });
    }
  } finally {
    await wire.calm();
    cast.wire = {};
    await Promise.allSettled(doings);
    for (const device of cast.devices) if (device.away) await comeBack(device);
    await cast.reset();
  }
}

interface Acting {
  readonly cast: Cast;
  readonly id: ConversationId;
  readonly deeds: Deed[];
  readonly texts: Map<string, Player>;
  readonly number: number;
  readonly player: Player;
  readonly device: Device;
  readonly step: Step;
  readonly wire: Scenario["wire"];
}

async function act({ cast, id, deeds, texts, number, player, device, step, wire }: Acting): Promise<void> {
  const { operation } = step;
  if (operation.kind === "back") {
    if (device.away) await comeBack(device);
    return;
  }
  if (device.away || device.ended) return;
  const { client } = device.person;
  const { groups } = client;
  const concerned = async (whom: number, those: "members" | "others" | "all"): Promise<Player> => {
    const inIt = new Set((await groups.info(id))?.members.map(({ person }) => person.account));
    const fitting = cast.players.filter(({ account }) => step.strays || those === "all" || inIt.has(account) === (those === "members"));
    const some = fitting.length === 0 ? cast.players : fitting;
    return some[whom % some.length]!;
  };
  let whom: Player | undefined;
  const headNow = async (): Promise<number> => (await groups.info(id))?.head.index ?? 0;
  const begun = await headNow();
  let outcome: Deed["outcome"] = "done";
  const perform = async (): Promise<void> => {
    switch (operation.kind) {
      case "add":
        whom = await concerned(operation.whom, "others");
        await groups.add(id, [whom.name], operation.role);
        break;
      case "remove":
        whom = await concerned(operation.whom, "members");
        await groups.remove(id, [whom.name]);
        break;
      case "role":
        whom = await concerned(operation.whom, "members");
        await groups.setRole(id, [whom.name], operation.role);
        break;
      case "leave":
        whom = operation.successor === undefined ? undefined : await concerned(operation.successor, "members");
        await groups.leave(id, whom?.name);
        break;
      case "rename":
        await groups.setProfile(id, { name: `${player.name} ${number + 1}` });
        break;
      case "policy":
        await groups.setPolicy(id, operation.change);
        break;
      case "invite": {
        const { link } = await groups.invite(id, { uses: operation.uses });
        // Whether the other one may ask is no answer to who invited; and who asks may go away at that very moment.
        const invited = (await concerned(operation.whom, "others")).devices[0]!;
        const { client: asking } = invited.person;
        if (!invited.away)
          await patiently(() => asking.groups.join(link)).catch((error: unknown) => (invited.away ? undefined : outcomeOf(error, wire)));
        break;
      }
      case "send":
        for (let count = 1; count <= operation.count; count++) {
          const text = `${player.name}, step ${number}, ${count} of ${operation.count}`;
          texts.set(text, player);
          await client.send(id, text);
        }
        break;
      case "read": {
        const summary = await client.conversation(id);
        if (summary !== undefined && summary.head > 0) await client.markRead(id, summary.head);
        break;
      }
      case "away":
        device.away = true;
        await client.close();
        break;
      case "new-device":
        // Two links of one account at once: the sign-in may lose.
        await cast.addDevice(player).catch(() => undefined);
        break;
      case "revoke-device": {
        const last = player.devices.at(-1)!;
        if (player.devices.length === 1 || last.ended || last === device) break;
        last.ended = true;
        await patiently(() => client.revokeDevices(device.person.password, [last.person.me.device]));
        break;
      }
      case "pause":
        break;
      default:
        operation satisfies never;
    }
  };
  try {
    await patiently(perform);
  } catch (error) {
    outcome = outcomeOf(error, wire);
  }
  if (!device.away) deeds.push({ player, operation, whom, outcome, from: begun, until: await headNow() });
}

/** Who does too much at once is told to wait, and does it then. */
async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FastChatError && error.code === ErrorCode.RATE_LIMITED)) throw error;
      await wait(error.retryAfterMs);
    }
  }
}

function outcomeOf(error: unknown, { cutsPerThousand }: Scenario["wire"]): Deed["outcome"] {
  if (error instanceof FastChatError && refusals.has(error.code)) return error.code;
  // Without a connection, or when it ends before the answer; over a good line nobody is told so.
  const isOffline = error instanceof ConnectionLost || (error instanceof FastChatError && error.code === ErrorCode.UNAVAILABLE);
  if (isOffline && cutsPerThousand > 0) return "unknown";
  throw error;
}

/** Where `strays`, anybody; otherwise one of those who are in the group as far as they know. */
async function whoDoes({ players }: Cast, id: ConversationId, { by, strays }: Step): Promise<Player> {
  if (strays) return players[by % players.length]!;
  const present: Player[] = [];
  for (const player of players) {
    const { person: first, away } = player.devices[0]!;
    if (!away && (await first.client.groups.info(id).catch(ignoreClosed))?.role !== undefined) present.push(player);
  }
  const some = present.length === 0 ? players : present;
  return some[by % some.length]!;
}

/** It goes away at this very moment. */
const ignoreClosed = (): undefined => undefined;

async function comeBack(device: Device): Promise<void> {
  await device.person.reopen();
  device.away = false;
}
