import { openClient, openQuick, signUp } from "./browser.ts";
import type { Client } from "./api.ts";
import { MemorySink } from "./files/memory-sink.ts";

// Runs in a page; browser.test.ts calls these from outside.
let client: Client | undefined;
const place = { profile: "page" };

const MOST_RANDOM = 65_536;

function randomBlob(size: number): Blob {
  const pieces = Array.from({ length: Math.ceil(size / MOST_RANDOM) }, (_, index) =>
    crypto.getRandomValues(new Uint8Array(Math.min(MOST_RANDOM, size - index * MOST_RANDOM))),
  );
  return new Blob(pieces);
}

async function* piecesOf(blob: Blob): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader();
  for (let read = await reader.read(); read.value !== undefined; read = await reader.read()) yield read.value;
}

async function hashOf(bytes: BufferSource): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

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
  /** Resolves when the files stand in the outbox, with the SHA-256 of each. */
  async sendFilesHere(to: string, text: string, sizes: readonly number[]): Promise<string[]> {
    const conversation = await client!.openDirect(to);
    const blobs = sizes.map(randomBlob);
    const files = blobs.map((blob, index) => ({ source: { name: `${index}.bin`, size: blob.size, stream: () => piecesOf(blob) } }));
    await client!.files.send(conversation, files, { text });
    return Promise.all(blobs.map(async (blob) => hashOf(await blob.arrayBuffer())));
  },
  /** SHA-256 of all files that somebody sent, as they are fetched. */
  async filesHere(from: string): Promise<string[]> {
    const { id } = (await client!.conversations()).find(({ peer }) => peer?.name === from)!;
    const { items } = await client!.items(id, { limit: 100 });
    const hashes: string[] = [];
    for (const item of items) {
      if (item.kind !== "message" || item.mine || item.sequence === undefined) continue;
      for (const [at, { bytes }] of item.files.entries()) {
        const sink = new MemorySink(bytes);
        await client!.files.fetch({ conversation: id, sequence: item.sequence, place: at }, sink);
        hashes.push(await hashOf(sink.bytes));
      }
    }
    return hashes;
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
