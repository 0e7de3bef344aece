import type { Colour, Pixels } from "./pixels.ts";

/** Colours in fewer: `colours`, and for each pixel the index of its own; -1: it is transparent. */
export interface Quantized {
  readonly colours: readonly Colour[];
  readonly indices: Int16Array;
}

const OPAQUE_FROM = 128;
/** Eyes tell greens apart best, then reds. */
const WEIGHTS = [3, 4, 2] as const;
/** A colour is looked at with five bits of each part: 32,768 boxes are sorted instead of a million pixels. */
const BITS = 5;
const SHIFT = 8 - BITS;

/** All pixels of one box of the colours that are looked at, added up. */
interface Bin {
  readonly key: number;
  count: number;
  readonly sum: [number, number, number];
}

const keyOf = (red: number, green: number, blue: number): number =>
  ((red >> SHIFT) << (2 * BITS)) | ((green >> SHIFT) << BITS) | (blue >> SHIFT);

const part = (bin: Bin, axis: number): number => bin.sum[axis]! / bin.count;

/** Median cut (Heckbert, 1982): the box of colours that is spread most is cut where half of its pixels are on either side. */
export function quantized({ width, height, rgba }: Pixels, most: number): Quantized {
  const bins = new Map<number, Bin>();
  for (let at = 0; at < rgba.length; at += 4) {
    if (rgba[at + 3]! < OPAQUE_FROM) continue;
    const key = keyOf(rgba[at]!, rgba[at + 1]!, rgba[at + 2]!);
    const bin = bins.get(key) ?? { key, count: 0, sum: [0, 0, 0] };
    bins.set(key, bin);
    bin.count++;
    for (let axis = 0; axis < 3; axis++) bin.sum[axis]! += rgba[at + axis]!;
  }
  const boxes = bins.size === 0 ? [] : cut([...bins.values()], most);
  const indexOf = new Map(boxes.flatMap((box, index) => box.map(({ key }) => [key, index] as const)));
  const indices = Int16Array.from({ length: width * height }, (_, pixel) => {
    const at = pixel * 4;
    return rgba[at + 3]! < OPAQUE_FROM ? -1 : indexOf.get(keyOf(rgba[at]!, rgba[at + 1]!, rgba[at + 2]!))!;
  });
  return { colours: boxes.map(meanOf), indices };
}

function meanOf(box: readonly Bin[]): Colour {
  const count = box.reduce((sum, bin) => sum + bin.count, 0);
  const mean = (axis: number): number => Math.round(box.reduce((sum, bin) => sum + bin.sum[axis]!, 0) / count);
  return [mean(0), mean(1), mean(2)];
}

interface Spread {
  readonly axis: number;
  /** How far apart its colours are, times how often they are there. */
  readonly weight: number;
}

function spreadOf(box: readonly Bin[]): Spread {
  const count = box.reduce((sum, bin) => sum + bin.count, 0);
  const widths = WEIGHTS.map((weight, axis) => {
    const parts = box.map((bin) => part(bin, axis));
    return weight * (Math.max(...parts) - Math.min(...parts));
  });
  const widest = Math.max(...widths);
  return { axis: widths.indexOf(widest), weight: box.length === 1 ? 0 : widest * Math.sqrt(count) };
}

function cut(all: readonly Bin[], most: number): readonly (readonly Bin[])[] {
  const boxes = [{ box: all, spread: spreadOf(all) }];
  while (boxes.length < most) {
    const index = boxes.reduce((best, { spread }, at) => (spread.weight > boxes[best]!.spread.weight ? at : best), 0);
    const { box, spread } = boxes[index]!;
    if (spread.weight === 0) break;
    const halves = halved(box.toSorted((a, b) => part(a, spread.axis) - part(b, spread.axis)));
    boxes.splice(index, 1, ...halves.map((half) => ({ box: half, spread: spreadOf(half) })));
  }
  return boxes.map(({ box }) => box);
}

/** Neither half is empty. */
function halved(sorted: readonly Bin[]): readonly (readonly Bin[])[] {
  const half = sorted.reduce((sum, bin) => sum + bin.count, 0) / 2;
  let seen = 0;
  let at = 0;
  while (at < sorted.length - 1 && seen + sorted[at]!.count <= half) seen += sorted[at++]!.count;
  const middle = Math.max(1, at);
  return [sorted.slice(0, middle), sorted.slice(middle)];
}
