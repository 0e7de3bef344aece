import type { Client } from "@fastchat/client";
import { openClient, signIn } from "@fastchat/client/browser";
import { lastPages, type Listed, readAll, untilListed } from "../fresh-device.ts";
import { countTraffic, traffic } from "../traffic.ts";

// A fresh device in a browser's page, which measures itself; fresh.ts calls these from outside.

countTraffic();
const place = { profile: "fresh" };
let client: Client;

const SAMPLE_MS = 4;
let blockedMs = 0;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  blockedMs = Math.max(blockedMs, now - last - SAMPLE_MS);
  last = now;
}, SAMPLE_MS);

async function metered<Value>(work: () => Promise<Value>) {
  const before = { ...traffic };
  blockedMs = 0;
  const since = performance.now();
  const value = await work();
  const ms = performance.now() - since;
  return { value, ms, blockedMs, bytesUp: traffic.bytesUp - before.bytesUp, bytesDown: traffic.bytesDown - before.bytesDown };
}

const calls = {
  signIn: (gateway: string, name: string, password: string) =>
    metered(async () => {
      const result = await signIn(place, { gateway, name, password });
      if (result.kind !== "signed-in") throw new Error(`${name} could not sign in: ${result.kind}`);
    }),
  list: (expected: readonly Listed[]) =>
    metered(async () => {
      const since = performance.now();
      client = (await openClient(place))!;
      const opened = performance.now() - since;
      let pages: number[] = [];
      const { usableMs, exactMs } = await untilListed(client, expected, async () => {
        pages = await lastPages(client, expected);
      });
      return { pages, usableMs: opened + usableMs, exactMs: opened + exactMs };
    }),
  readAll: (ids: readonly Listed["id"][], total: number) => metered(() => readAll(client, ids, total)),
  close: () => client.close(),
};

Object.assign(globalThis, { calls });
export type PageCalls = typeof calls;
