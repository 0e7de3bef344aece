import type { Client } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import type { Output } from "../output.ts";

// Strangers wait quietly: beside the output it is said how many, and no more of them.

const QUIET_MS = 10_000;

export const waitWords = (count: number): string => (count === 1 ? "1 request waits" : `${count.toLocaleString("en")} requests wait`);

export function remarkRequests(output: Output, count: number): void {
  output.remark(`${waitWords(count)} for you to accept or decline: see "${ourCommand} requests".`);
}

/** Says it once, and when there are more; however fast they come, not more often than every ten seconds. */
export async function watchRequests(client: Client, output: Output): Promise<Disposable> {
  let count = 0;
  let said = 0;
  let quiet: NodeJS.Timeout | undefined;
  const say = (): void => {
    quiet = undefined;
    if (count > said) {
      remarkRequests(output, count);
      quiet = setTimeout(say, QUIET_MS);
    }
    said = count;
  };
  const hear = (now: number): void => {
    count = now;
    said = Math.min(said, count);
    if (quiet === undefined) say();
  };
  const unsubscribe = client.subscribe((event) => {
    if (event.kind === "requests") hear(event.count);
  });
  hear((await client.requests()).count);
  return {
    [Symbol.dispose]: () => {
      unsubscribe();
      clearTimeout(quiet);
    },
  };
}
