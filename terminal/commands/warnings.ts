import type { Client, Warning } from "@fastchat/client";
import { ourCommand } from "../config.ts";
import type { Output } from "../output.ts";
import { within } from "../patience.ts";
import { shortIdOf } from "./devices/named.ts";

/** Another process of the profile may be about to end: nobody waits longer for it. */
const SHOW_MS = 2_000;

/** Says on standard error what people have to know of the account, once: what waits, what comes, and when it is disposed what came last. */
export async function showWarnings(client: Client, output: Output): Promise<AsyncDisposable> {
  let showing = Promise.resolve();
  const show = async (): Promise<void> => {
    while (await client.showWarning((warning) => output.remark(wordsOf(warning))));
  };
  const look = (): Promise<void> => {
    // What cannot be had now waits on.
    showing = showing.then(show).catch(() => undefined);
    return within(SHOW_MS, showing);
  };
  const unsubscribe = client.subscribe(({ kind }) => {
    if (kind === "warning") void look();
  });
  await look();
  return {
    [Symbol.asyncDispose]: () => {
      unsubscribe();
      return look();
    },
  };
}

/** With what to do, where a device is named. */
function wordsOf({ text, device }: Warning): string {
  if (device === undefined) return text;
  const id = shortIdOf({ device });
  return `${text} It is ${id}: "${ourCommand} devices revoke ${id}" takes its rights.`;
}
