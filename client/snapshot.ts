import { fromHex, toHex } from "@fastchat/protocol/seal";

/**
 * Plain data (objects, arrays, maps, sets, bytes, text, numbers, booleans) to bytes and back: for states that were verified
 * once and are computed again from their links whenever the version of this encoding, or of what computes them, is another.
 */
const version = 1;

type Tagged = { readonly $: "map" | "set" | "bytes"; readonly of: unknown };

export function encodeSnapshot(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([version, toTree(value)]));
}

/** Undefined for bytes of another version. The caller knows what it stored. */
export function decodeSnapshot<T>(bytes: Uint8Array): T | undefined {
  if (bytes.length === 0) return undefined;
  const [itsVersion, tree] = JSON.parse(new TextDecoder().decode(bytes)) as [number, unknown];
  return itsVersion === version ? (fromTree(tree) as T) : undefined;
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
