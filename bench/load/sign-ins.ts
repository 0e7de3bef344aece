import { setTimeout as wait } from "node:timers/promises";
import { limits } from "@fastchat/protocol";
import { cpuPer, latencyOf, look, type Run, unseen } from "./messages.ts";
import type { RunResult } from "./result.ts";
import type { CpuReading } from "./system.ts";

/** Of each; a gateway takes `limits.signInsPerMinutePerAddress` of all. */
const TIMES = 4;

export const mostSigningIn = Math.floor(limits.signInsPerMinutePerAddress / TIMES);

/** So long it is measured what the system needs without anybody. */
const IDLE_MS = 3_000;
/** Until what came of the last connections is over. */
const SETTLE_MS = 3_000;

/**
 * People sign in with their passwords, one after the other, as many times as a gateway takes from one address. Sign-ins are slow, since the client's own
 * part is: what the system needs meanwhile without anybody is taken away from their cost.
 */
export async function runSignIns(run: Run): Promise<RunResult[]> {
  const { scenario, crowds, name, show, signal } = run;
  await crowds.tell("close");
  await wait(SETTLE_MS, undefined, { signal });
  const idle = await look(run);
  await wait(IDLE_MS, undefined, { signal });
  const before = await look(run);
  show(`${name}: ${scenario.people} people sign in, ${TIMES} times each`);
  await crowds.signIn(TIMES);
  const after = await look(run);
  const share = (after.at - before.at) / (before.at - idle.at);
  const shifted = { ...before, cpu: without(idle.cpu, before.cpu, share) };
  const signIns = after.counts.acked - before.counts.acked;
  return [
    {
      name,
      scenario,
      seconds: (after.at - before.at) / 1_000,
      sent: after.counts.sent - before.counts.sent,
      acknowledged: signIns,
      delivered: 0,
      rate: (1_000 * signIns) / (after.at - before.at),
      acknowledgement: latencyOf(after.counts.ackLatency),
      cpu: cpuPer(shifted, after, signIns),
      per: "sign-in",
      servers: [],
      timeline: [],
      lost: 0,
      remarks: [...unseen(run), "most of the time is the client's own: the password is made dear to guess"],
      faults: after.counts.faults,
    },
  ];
}

/** Where counting has to begin for the idle share of what follows to be left out. */
function without(from: CpuReading, to: CpuReading, share: number): CpuReading {
  const shifted = (start: number | undefined, end: number | undefined) =>
    start === undefined || end === undefined ? undefined : end + share * (end - start);
  return {
    chatServers: shifted(from.chatServers, to.chatServers),
    gateway: shifted(from.gateway, to.gateway),
    postgres: shifted(from.postgres, to.postgres),
  };
}
