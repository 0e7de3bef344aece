import type { Client } from "@fastchat/client";
import { progressLine } from "./progress-line.ts";

/** While a new key is sealed to the members of a large group: how far that is. */
export function showSealing(client: Client): Disposable {
  const line = progressLine();
  const unsubscribe = client.subscribe((event) => {
    if (event.kind !== "sealing") return;
    const { done, total } = event;
    line.show(done >= total ? "" : `Sealing a new key for the group: ${done.toLocaleString("en")} of ${total.toLocaleString("en")}`);
  });
  return {
    [Symbol.dispose]: () => {
      unsubscribe();
      line[Symbol.dispose]();
    },
  };
}
