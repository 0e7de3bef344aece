import { setFlagsFromString } from "node:v8";

/** From here on garbage is collected often enough that a larger young generation saves a tenth of a message's CPU time. */
const BUSY_BYTES_PER_SECOND = 1_048_576;

/**
 * Says after each heartbeat whether V8's young generation may grow. It grows with whatever lives at the same time, up to 64 MB, and is seldom given back: a
 * storm of sockets would make each of them look some 15 KiB larger than it is. The flag is read whenever it is about to grow.
 */
export function youngSpaceByLoad(): (bytesPerSecond: number) => void {
  let isBusy: boolean | undefined;
  return (bytesPerSecond) => {
    const isBusyNow = bytesPerSecond > BUSY_BYTES_PER_SECOND;
    if (isBusyNow === isBusy) return;
    isBusy = isBusyNow;
    setFlagsFromString(`--semi-space-growth-factor=${isBusy ? 2 : 1}`);
  };
}
