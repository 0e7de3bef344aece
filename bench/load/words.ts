import type { Cpu, Environment, RunResult } from "./result.ts";

// Figures put into words, the same for the terminal and the report.

export const count = (value: number): string => Math.round(value).toLocaleString("en-GB");

/** Three digits or so: "0.12", "3.4", "56", "1,234". */
export function figure(value: number): string {
  const size = Math.abs(value);
  return value.toLocaleString("en-GB", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : 2 });
}

export function bytes(value: number): string {
  if (value < 1_024) return `${figure(value)} B`;
  return value < 1_048_576 ? `${figure(value / 1_024)} KiB` : `${figure(value / 1_048_576)} MiB`;
}

/** Of servers and database together; undefined where one of them cannot be seen. */
export const serverCpu = ({ chatServers, gateway, postgres }: Cpu): number | undefined =>
  chatServers === undefined || postgres === undefined ? undefined : chatServers + (gateway ?? 0) + postgres;

export const perWords: Readonly<Record<RunResult["per"], string>> = {
  delivery: "per delivery",
  "message sent": "per message sent",
  "sign-in": "per sign-in",
  connection: "per connection",
};

/** The machine and what it needs for nothing. */
export function environmentWords({
  cpu,
  cores,
  memoryBytes,
  system,
  node,
  postgres,
  fsync,
  servers,
  storage,
  target,
  load,
  noise,
}: Environment): string[] {
  const machine = `${cpu}, ${cores} cores, ${figure(memoryBytes / 2 ** 30)} GiB, ${system}, Node ${node}`;
  const database =
    postgres === undefined
      ? ""
      : `PostgreSQL ${postgres}, fsync ${fsync}${storage === "memory" ? ", in memory: syncing costs nothing here" : ""}`;
  const what = target === "own" ? "its own FastChat, started for this" : "a FastChat that was running";
  const quiet = `load average ${figure(load[0])} before and ${figure(load[1])} after; a process that does nothing ${figure(noise.process)} ms, a round trip over loopback ${figure(noise.roundTrip)} ms, 4 KiB synced ${figure(noise.sync)} ms`;
  return [machine, [what, servers === undefined ? "" : `${servers} chat servers`, database].filter(Boolean).join(", "), quiet];
}

const columns = ["", "a second", "p50", "p99", "max", "CPU", "chat", "gateway", "database", "driver"] as const;

/** A table of all runs for a terminal, and what is to be said of each. */
export function tableOf(runs: readonly RunResult[]): string[] {
  const rows = runs.map((run) => {
    const latency = run.latency ?? run.acknowledgement ?? run.back;
    const ms = (value: number | undefined) => (value === undefined ? "–" : `${figure(value)} ms`);
    const us = (value: number | undefined) => (value === undefined ? "–" : `${figure(value)} µs`);
    const { cpu } = run;
    return [
      run.name,
      run.rate > 0 ? count(run.rate) : "–",
      ms(latency?.p50),
      ms(latency?.p99),
      ms(latency?.max),
      us(serverCpu(cpu)),
      us(cpu.chatServers),
      us(cpu.gateway),
      us(cpu.postgres),
      us(cpu.driver),
    ];
  });
  const widths = columns.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join("  ")
      .trimEnd();
  return [line(columns), ...runs.flatMap((run, index) => [line(rows[index]!), ...detailsOf(run).map((detail) => `    ${detail}`)])];
}

/** What stands in no column. */
export function detailsOf({ memory, back, wire, disk, servers, lost, remarks, faults, per }: RunResult): string[] {
  const parts: string[] = [];
  if (per !== "delivery") parts.push(`CPU ${perWords[per]}`);
  if (wire !== undefined) parts.push(`wire: ${bytes(wire.up)} up, ${bytes(wire.down)} down`);
  if (disk !== undefined) parts.push(`disk: ${bytes(disk.stored)} stored, ${bytes(disk.log)} of log`);
  const details = parts.length === 0 ? [] : [parts.join("; ")];
  if (memory !== undefined) details.push(`${bytes(memory.perConnection)} of the chat servers' memory per connection`);
  if (back !== undefined)
    details.push(
      `back after a lost connection, with all that was missed: p50 ${figure(back.p50)} ms, p99 ${figure(back.p99)} ms, last ${figure(back.max)} ms`,
    );
  if (servers.length > 1)
    details.push(
      `balance: ${servers.map((each) => `${each.name} ${count(each.connections)} people, ${count(each.delivered)} deliveries`).join("; ")}`,
    );
  if (lost > 0) details.push(`${count(lost)} connections ended unasked`);
  return [...details, ...remarks, ...faults.map((fault) => `BROKEN: ${fault}`)];
}
