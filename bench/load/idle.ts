import { setTimeout as wait } from "node:timers/promises";
import { cpuPer, look, type Run, serversOf } from "./messages.ts";
import type { RunResult } from "./result.ts";
import { readMemory } from "./system.ts";

const STEPS = 5;
/** Until what was needed for connecting is given back, as far as it is. */
const REST_MS = 1_500;

/** Sockets are opened in steps; the memory of the chat servers at each tells what one takes. */
export async function runIdle(run: Run): Promise<RunResult[]> {
  const { scenario, crowds, processes, name, show, signal } = run;
  const steps: [connections: number, bytes: number][] = [];
  const memory = async (connections: number): Promise<void> => {
    await wait(REST_MS, undefined, { signal });
    const bytes = readMemory(processes);
    if (bytes !== undefined) steps.push([connections, bytes]);
  };
  const from = await look(run);
  for (let step = 1; step <= STEPS; step++) {
    await crowds.arrive(Math.ceil(scenario.people / STEPS));
    const open = [...(await crowds.counts()).servers.values()].reduce((sum, { connections }) => sum + connections, 0);
    show(`${name}: ${open.toLocaleString("en-GB")} of ${scenario.people.toLocaleString("en-GB")} sockets`);
    await memory(open);
  }
  const opened = await look(run);
  await wait(1_000 * scenario.seconds, undefined, { signal });
  const to = await look(run);
  const servers = serversOf(run, to.counts);
  const open = servers.reduce((sum, { connections }) => sum + connections, 0);
  const idleMs = to.cpu.chatServers === undefined ? undefined : to.cpu.chatServers - opened.cpu.chatServers!;
  const perConnection = steps.length < 2 ? undefined : slope(steps);
  const remarks: string[] = [];
  if (perConnection !== undefined && perConnection <= 0)
    remarks.push("the servers' memory fell while sockets came: only a FastChat without a load before tells what they take");
  if (idleMs !== undefined)
    remarks.push(`idle, the chat servers need ${((idleMs * 1_000) / (to.at - opened.at)).toFixed(0)} ms of CPU time a second`);
  const faults = [...to.counts.faults];
  if (open < scenario.people) faults.push(`only ${open} of ${scenario.people} sockets stayed open`);
  return [
    {
      name,
      scenario,
      seconds: (to.at - opened.at) / 1_000,
      sent: 0,
      acknowledged: 0,
      delivered: 0,
      rate: 0,
      cpu: cpuPer(from, opened, open),
      per: "connection",
      memory: perConnection !== undefined && perConnection > 0 ? { perConnection, steps } : undefined,
      servers,
      timeline: [],
      lost: to.counts.lost,
      remarks,
      faults,
    },
  ];
}

/** Of the line through the points with the least squares: what is needed for nobody is no part of it. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: 0 | 1) => points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const over = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return over / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}
