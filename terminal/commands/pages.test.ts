import type { ChatItem, Client } from "@fastchat/client";
import { expect, test } from "vitest";
import { message, withBob } from "../ui/test-state.ts";
import { itemsAfter } from "./pages.ts";

test("what is fetched while the pages are read is in them, whenever that is", async () => {
  const all = Array.from({ length: 40 }, (_, index): ChatItem => message(withBob, index + 1, `number ${index + 1}`));
  // Only the newest are here, until the connection is: the first reading finds no older ones.
  let oldest = 31;
  let readings = 0;
  const client = {
    conversation: async () => ({ ...withBob, head: 40, oldest }),
    items: async (_: unknown, { before, limit }: { before: number; limit: number }) => {
      const items = all.filter(({ sequence }) => sequence! >= oldest && sequence! < before).slice(-limit);
      if (++readings === 1) oldest = 1;
      return { items, more: oldest > 1 };
    },
  } as unknown as Client;
  const missing: unknown[] = [];
  const found: number[] = [];
  for await (const page of itemsAfter(client, withBob.id, 0, () => missing.push(1))) found.push(...page.map(({ sequence }) => sequence!));
  expect(missing).toEqual([]);
  expect(found).toEqual(all.map(({ sequence }) => sequence));
});
