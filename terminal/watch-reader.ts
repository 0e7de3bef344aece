import { lstatSync, readdirSync, readlinkSync } from "node:fs";

const LOOK_EVERY_MS = 250;
const OWN_STDOUT = "/proc/self/fd/1";
const READABLE = 0o400;

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // The process has ended, or is not ours to look at.
    return [];
  }
}

function isReadEnd(descriptor: string, pipe: string): boolean {
  try {
    return readlinkSync(descriptor) === pipe && (lstatSync(descriptor).mode & READABLE) !== 0;
  } catch {
    return false;
  }
}

/** The descriptor of another process that reads this pipe, as a path; undefined: none that can be seen. */
function findReader(pipe: string): string | undefined {
  for (const id of entriesOf("/proc")) {
    if (!/^\d+$/u.test(id) || Number(id) === process.pid) continue;
    for (const number of entriesOf(`/proc/${id}/fd`)) {
      const descriptor = `/proc/${id}/fd/${number}`;
      if (isReadEnd(descriptor, pipe)) return descriptor;
    }
  }
  return undefined;
}

/**
 * Calls back when nobody reads our piped output any more, also while there is nothing to write, so that `tail | head -1` ends with
 * its reader. Node offers no poll(2) for the writing end of a pipe; so on Linux the reader is looked up in /proc once, then only its one
 * descriptor is looked at, and the search is made again when that is gone. Where no reader was ever seen (another system, another
 * container), the next write tells it.
 */
export function watchReader(onGone: () => void): Disposable {
  let reader: string | undefined;
  let pipe = "";
  try {
    pipe = readlinkSync(OWN_STDOUT);
    reader = pipe.startsWith("pipe:") ? findReader(pipe) : undefined;
  } catch {
    // No /proc here.
  }
  const look = (): void => {
    if (reader !== undefined && isReadEnd(reader, pipe)) return;
    reader = findReader(pipe);
    if (reader !== undefined) return;
    clearInterval(timer);
    onGone();
  };
  const timer = reader === undefined ? undefined : setInterval(look, LOOK_EVERY_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
