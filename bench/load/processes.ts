import { readdirSync, readFileSync, readlinkSync } from "node:fs";

// What Linux says of processes in /proc. Elsewhere, and of processes that are another's, it says nothing.

/** Clock ticks of /proc/PID/stat: 100 a second on every Linux that Node runs on (sysconf(_SC_CLK_TCK)). */
const TICK_MS = 10;

/** Fields of /proc/PID/stat behind the command's name, which may hold spaces; none when the process is gone. */
function processFields(pid: number | "self"): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
  } catch {
    return undefined;
  }
}

/** User and system time of a process so far, in milliseconds; 0 when it is gone. */
export function cpuOf(pid: number): number {
  const fields = processFields(pid);
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** User and system time of all child processes that have ended, in milliseconds. */
export function cpuOfEndedChildren(pid: number | "self" = "self"): number {
  const fields = processFields(pid)!;
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}

/** The same of a process with all its descendants, those that ended included. */
export const cpuOfTree = (root: number): number => treeOf(root).reduce((sum, pid) => sum + cpuOf(pid), cpuOfEndedChildren(root));

/** Resident memory in bytes; 0 when it is gone. */
export const memoryOf = (pid: number): number => statusOf(pid, "VmRSS");

function statusOf(pid: number, field: "VmRSS" | "RssAnon"): number {
  try {
    const [, kilobytes = 0] = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return 1_024 * Number(kilobytes);
  } catch {
    return 0;
  }
}

/** Resident bytes of a process and all its descendants that no file and no other process has, too. */
export const ownMemoryOfTree = (root: number): number => treeOf(root).reduce((sum, pid) => sum + statusOf(pid, "RssAnon"), 0);

/** Undefined: there is none, or this is no Linux. */
export function parentOf(pid: number): number | undefined {
  const fields = processFields(pid);
  return fields === undefined ? undefined : Number(fields[1]);
}

function treeOf(root: number): number[] {
  const found = [root];
  for (let index = 0; index < found.length; index++) {
    try {
      const children = readFileSync(`/proc/${found[index]}/task/${found[index]}/children`, "utf8");
      found.push(...children.split(" ").filter(Boolean).map(Number));
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

const LISTENS = "0A";

/** The process that listens on this port of this machine, if it is one that may be looked at. */
export function listenerOn(port: number): number | undefined {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const sockets = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of linesOf(table)) {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === LISTENS && local.endsWith(`:${wanted}`)) sockets.add(`socket:[${inode}]`);
    }
  }
  if (sockets.size === 0) return undefined;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      for (const file of readdirSync(`/proc/${name}/fd`)) if (sockets.has(readlinkSync(`/proc/${name}/fd/${file}`))) return Number(name);
    } catch {
      // It ended meanwhile, or is another's.
    }
  }
  return undefined;
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}

/** Files that a process may have open, sockets among them; undefined: nobody says. */
export function mostOpenFiles(): number | undefined {
  const [, most] = linesOf("/proc/self/limits").flatMap((line) => /^Max open files\s+(\d+)/.exec(line) ?? []);
  return most === undefined ? undefined : Number(most);
}
