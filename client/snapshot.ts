import { fromHex, toHex } from "@fastchat/protocol/seal";
import { breathe } from "./breathe.ts";

/**
 * Plain data (objects, arrays, maps, sets, bytes, text, numbers, booleans) to bytes and back: for states that were verified
 * once and are computed again from their links whenever the version of this encoding, or of what computes them, is another.
 */
const version = 1;

/** Entries of the maps of what is encoded, between two pauses. */
const ENTRIES_AT_ONCE = 256;
const LARGE_BYTES = 65_536;

type Tagged = { readonly $: "map" | "set" | "bytes"; readonly of: unknown };

export function encodeSnapshot(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([version, toTree(value)]));
}

/**
 * The same of a record, with pauses in the maps that are its fields: the state of a group of 1,000 has a megabyte. Nothing of it may be changed
 * in place meanwhile.
 */
export async function encodeLargeSnapshot(value: Readonly<Record<string, unknown>>): Promise<Uint8Array> {
  const fields: [string, unknown][] = [];
  let entries = 0;
  for (const [key, inner] of Object.entries(value)) {
    if (!(inner instanceof Map)) {
      fields.push([key, toTree(inner)]);
      continue;
    }
    const of: unknown[] = [];
    for (const [name, each] of inner) {
      of.push([toTree(name), toTree(each)]);
      if (++entries % ENTRIES_AT_ONCE === 0) await breathe();
    }
    fields.push([key, { $: "map", of } satisfies Tagged]);
  }
  if (entries >= ENTRIES_AT_ONCE) await breathe();
  const bytes = new TextEncoder().encode(JSON.stringify([version, Object.fromEntries(fields)]));
  if (entries >= ENTRIES_AT_ONCE) await breathe();
  return bytes;
}

/** Undefined for bytes of another version. The caller knows what it stored. */
export function decodeSnapshot<T>(bytes: Uint8Array): T | undefined {
  if (bytes.length === 0) return undefined;
  const [itsVersion, tree] = JSON.parse(new TextDecoder().decode(bytes)) as [number, unknown];
  return itsVersion === version ? (fromTree(tree) as T) : undefined;
}

/** The same of a record, with pauses in the maps that are its fields. */
export async function decodeLargeSnapshot<T extends object>(bytes: Uint8Array): Promise<T | undefined> {
  if (bytes.length === 0) return undefined;
  if (bytes.length > LARGE_BYTES) await breathe();
  const [itsVersion, tree] = JSON.parse(new TextDecoder().decode(bytes)) as [number, object];
  if (itsVersion !== version) return undefined;
  const fields: [string, unknown][] = [];
  let entries = 0;
  for (const [key, inner] of Object.entries(tree) as [string, Tagged | undefined][]) {
    if (inner?.$ !== "map") {
      fields.push([key, fromTree(inner)]);
      continue;
    }
    const map = new Map<unknown, unknown>();
    for (const [name, each] of inner.of as [unknown, unknown][]) {
      map.set(fromTree(name), fromTree(each));
      if (++entries % ENTRIES_AT_ONCE === 0) await breathe();
    }
    fields.push([key, map]);
  }
  return Object.fromEntries(fields) as T;
}

function toTree(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $: "bytes", of: toHex(value) };
  if (value instanceof Map) return { $: "map", of: Array.from(value, ([key, inner]) => [toTree(key), toTree(inner)]) };
  if (value instanceof Set) return { $: "set", of: Array.from(value, toTree) };
  if (Array.isArray(value)) return value.map(toTree);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toTree(inner)]));
  }
  return value;
}

function fromTree(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(fromTree);
  if (typeof tree !== "object" || tree === null) return tree;
  const { $: tag, of } = tree as Tagged;
  switch (tag) {
    case "bytes":
      return fromHex(of as string);
    case "map":
      return new Map((of as [unknown, unknown][]).map(([key, inner]) => [fromTree(key), fromTree(inner)]));
    case "set":
      return new Set((of as unknown[]).map(fromTree));
    case undefined:
      return Object.fromEntries(Object.entries(tree).map(([key, inner]) => [key, fromTree(inner)]));
    default:
      return tag satisfies never;
  }
}
