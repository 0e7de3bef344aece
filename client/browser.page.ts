import { openClient, openQuick, signUp } from "./browser.ts";
import type { Client } from "./api.ts";

// Runs in a page; browser.test.ts calls these from outside.
let client: Client | undefined;
const place = { profile: "page" };

Object.assign(globalThis, {
  async signUpHere(gateway: string, name: string, password: string): Promise<string> {
    const result = await signUp(place, { gateway, name, password });
    return result.kind;
  },
  async openHere(): Promise<string> {
    client = await openClient(place);
    await client?.caughtUp();
    return client?.connection.kind ?? "nobody";
  },
  roleHere(): string {
    return client?.role ?? "nobody";
  },
  async openQuickHere(gateway: string, name: string, password: string): Promise<string> {
    const result = await openQuick({ gateway, name, password }, { deviceName: () => "QuickChat in a browser" });
    if (result.kind !== "open") return result.kind;
    ({ client } = result);
    await client.caughtUp();
    return client.connection.kind;
  },
  /** All that the page's origin keeps. */
  async keptHere(): Promise<string[]> {
    const databases = await indexedDB.databases();
    const { held = [] } = await navigator.locks.query();
    return [...databases, ...held].map(({ name = "" }) => name).concat(Object.keys(localStorage), Object.keys(sessionStorage));
  },
  async sayHere(to: string, text: string): Promise<void> {
    const conversation = await client!.openDirect(to);
    await client!.send(conversation, text);
    await client!.sent(conversation);
  },
  async textsHere(from: string): Promise<string[]> {
    const found = (await client!.conversations()).find(({ peer }) => peer?.name === from);
    if (found === undefined) return [];
    const { items } = await client!.items(found.id, { limit: 100 });
    return items.flatMap((item) => (item.kind === "message" ? [item.text] : []));
  },
  async exportHere(): Promise<[bytes: number, messages: number]> {
    const result = await client!.export({ lock: { kind: "plain" } });
    if (result.kind !== "archive") throw new Error(result.kind);
    const archive = await new Response(result.stream).blob();
    return [archive.size, (await result.summary).messages];
  },
  async closeHere(): Promise<void> {
    await client?.close();
  },
  async signOutHere(): Promise<string> {
    const { server } = await client!.signOut();
    return server;
  },
});
