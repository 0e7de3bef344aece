import { getHeapStatistics, setFlagsFromString } from "node:v8";

/** From here on, which is some hundred messages a second, memory is better spent on fewer collections. */
const BUSY_BYTES_PER_SECOND = 131_072;
/** Allocated between two full collections, at least, while it is busy. */
const BETWEEN_COLLECTIONS_BYTES = 67_108_864;

/**
 * Compiled early: after so many calls by the quick and the best compiler, and so soon after a call that was unlike those before. V8's own numbers (400, 3,000,
 * 500) are those of a page that is left again. A server that gets 250 messages a second takes minutes to reach them, and needs a sixth more CPU time until then.
 */
const COMPILE_EARLY = "--invocation-count-for-maglev=40 --invocation-count-for-turbofan=250 --minimum-invocations-after-ic-update=40";

/**
 * Tells V8 when it should compile, and with each heartbeat how it may use memory. V8 reads these flags whenever it decides that, and nothing but speed and size
 * depends on them.
 *
 * - The young generation grows with whatever lives at the same time, up to 64 MiB, and is seldom given back: a storm of sockets would make each of them look
 *   some 15 KiB larger than it is. It may grow under load, where it saves a tenth of a message's CPU time.
 * - The bytes of messages lie outside of a heap that is itself small, so that V8 thinks its limit reached with every 10 MiB of them: two full collections a
 *   second with 2,500 messages, a quarter of all CPU time, each a pause of 5 to 10 ms; with 250, a tenth.
 */
export function v8ByLoad(): (bytesPerSecond: number) => void {
  setFlags(COMPILE_EARLY);
  let said = "";
  return (bytesPerSecond) => {
    const isBusy = bytesPerSecond > BUSY_BYTES_PER_SECOND;
    // 0: as V8 thinks best. In steps, since the heap is never twice of one size.
    const growth = isBusy ? Math.round((10 * BETWEEN_COLLECTIONS_BYTES) / getHeapStatistics().used_heap_size) * 10 : 0;
    const flags = `--semi-space-growth-factor=${isBusy ? 2 : 1} --heap-growing-percent=${growth > 100 ? growth : 0}`;
    if (flags === said) return;
    said = flags;
    setFlags(flags);
  };
}

function setFlags(flags: string): void {
  for (const flag of flags.split(" ")) setFlagsFromString(flag);
}
