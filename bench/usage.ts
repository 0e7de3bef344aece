import type { System } from "@fastchat/testing";
import { processTree } from "../testing/canary/memory.ts";
import { cpuOf, cpuOfEndedChildren } from "./measure.ts";

/** User and system time so far, in milliseconds. */
export interface Usage {
  readonly chatServers: number;
  readonly postgres: number;
}

/** Of a system with a PostgreSQL of its own, also of backends that ended meanwhile. */
export async function usageOf(system: System): Promise<Usage> {
  const root = system.postgres!.processId!;
  return {
    chatServers: system.servers.reduce((sum, { process }) => sum + cpuOf(process.pid!), 0),
    postgres: (await processTree(root)).reduce((sum, pid) => sum + cpuOf(pid), cpuOfEndedChildren(root)),
  };
}

export const usageSince = (before: Usage, after: Usage): Usage => ({
  chatServers: after.chatServers - before.chatServers,
  postgres: after.postgres - before.postgres,
});
