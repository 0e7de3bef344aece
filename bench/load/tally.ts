import { Histogram } from "./histogram.ts";
import type { CrowdReport } from "./plan.ts";

/** Broken promises beyond these are of the same kind. */
const FAULTS_KEPT = 20;

/** What the people of one process did, and what was wrong. */
export class Tally {
  readonly latency = new Histogram();
  readonly ackLatency = new Histogram();
  readonly backLatency = new Histogram();
  sent = 0;
  acked = 0;
  delivered = 0;
  bytesUp = 0;
  bytesDown = 0;
  lost = 0;
  readonly faults: string[] = [];
  /** Acknowledged messages by conversation. */
  readonly ackedIn = new Map<string, number>();
  readonly servers = new Map<string, { connections: number; delivered: number }>();

  fault(sentence: string): void {
    if (this.faults.length < FAULTS_KEPT && !this.faults.includes(sentence)) this.faults.push(sentence);
  }

  server(url: string): { connections: number; delivered: number } {
    let found = this.servers.get(url);
    if (found === undefined) this.servers.set(url, (found = { connections: 0, delivered: 0 }));
    return found;
  }

  report(): CrowdReport {
    const { sent, acked, delivered, bytesUp, bytesDown, lost, faults } = this;
    const { user, system } = process.cpuUsage();
    return {
      kind: "report",
      sent,
      acked,
      delivered,
      bytesUp,
      bytesDown,
      lost,
      faults,
      latency: this.latency.taken(),
      ackLatency: this.ackLatency.taken(),
      backLatency: this.backLatency.taken(),
      ackedIn: [...this.ackedIn],
      servers: [...this.servers],
      cpuMs: (user + system) / 1_000,
    };
  }
}
