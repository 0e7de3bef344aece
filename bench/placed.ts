import type { System } from "@fastchat/testing";
import type pg from "pg";
import { Crowds } from "./load/crowds.ts";
import { layoutOf, writesTo } from "./load/layout.ts";
import { runMessages } from "./load/messages.ts";
import type { RunResult, Scenario } from "./load/result.ts";
import { type LoadConversation, type LoadUser, seedConversations, seedTickets, seedUsers, serverPlaces } from "./load/seed.ts";
import { processesOf, useRunningSystem } from "./load/system.ts";

/** What somebody finds who begins. */
export interface Found {
  readonly users: readonly LoadUser[];
  readonly conversations: readonly LoadConversation[];
}

export interface PlacedRun {
  readonly name: string;
  readonly scenario: Scenario;
  /** At which server somebody is, by number. */
  readonly serverOf: (number: number) => number;
  /** Puts more into the database before anybody connects; gives how long each log is then. */
  readonly grow?: (database: pg.Client, found: Found) => Promise<number>;
}

/** A load of opaque messages whose people are where this says, not where the gateway would send them. */
export async function runPlaced({ gatewayUrl, databaseUrl }: System, { name, scenario, serverOf, grow }: PlacedRun): Promise<RunResult> {
  const { workload, people: count, groupSize, bytes: bodyBytes } = scenario;
  await using system = await useRunningSystem(gatewayUrl, databaseUrl);
  const database = system.database!;
  const users = await seedUsers(database, count);
  const layout = layoutOf(workload, count, groupSize);
  const members = layout.conversations.map((each) => each.members);
  const conversations = await seedConversations(database, users, members, layout.conversations[0]!.kind);
  const logLength = (await grow?.(database, { users, conversations })) ?? 0;
  const keys = conversations.map(({ id }) => Buffer.from(id).toString("hex"));
  const places = await serverPlaces(database);
  const servers = users.map((_, number) => places[serverOf(number) % places.length]!);
  const tickets = await seedTickets(database, users, servers);
  const people = writesTo(workload, conversations, count).map((own, number) => ({
    number,
    way: { kind: "ticket", url: servers[number]!.url, ticket: Buffer.from(tickets[number]!).toString("hex") } as const,
    writesTo: own.map((place) => keys[place]!),
  }));
  await using crowds = await Crowds.connect({ people, bodyBytes, logLength }, 1);
  const run = {
    scenario,
    name,
    crowds,
    others: new Map(conversations.map((each, index) => [keys[index]!, each.members.length - 1])),
    system,
    processes: await processesOf(system),
    show: () => undefined,
    signal: new AbortController().signal,
  };
  return (await runMessages(run))[0]!;
}
