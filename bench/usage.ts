import type { System } from "@fastchat/testing";
import { cpuOf, cpuOfTree } from "./load/processes.ts";

/** User and system time so far, in milliseconds. */
export interface Usage {
  readonly chatServers: number;
  readonly postgres: number;
}

/** Of a system with a PostgreSQL of its own, also of backends that ended meanwhile. */
export function usageOf(system: System): Usage {
  return {
    chatServers: system.servers.reduce((sum, { process }) => sum + cpuOf(process.pid!), 0),
    postgres: cpuOfTree(system.postgres!.processId!),
  };
}

export const usageSince = (before: Usage, after: Usage): Usage => ({
  chatServers: after.chatServers - before.chatServers,
  postgres: after.postgres - before.postgres,
});
