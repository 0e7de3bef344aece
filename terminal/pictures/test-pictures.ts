import type { Pixels } from "./pixels.ts";

// Small pictures, for tests.

export type Paint = (x: number, y: number) => readonly [red: number, green: number, blue: number, alpha?: number];

export function painted(width: number, height: number, paint: Paint): Pixels {
  const rgba = new Uint8Array(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [red, green, blue, alpha = 255] = paint(x, y);
      rgba.set([red, green, blue, alpha], (y * width + x) * 4);
    }
  }
  return { width, height, rgba };
}

export const plain = (width: number, height: number, colour: readonly [number, number, number]): Pixels =>
  painted(width, height, () => colour);

/** Red to the right, green downwards, with a transparent corner. */
export const corner = painted(4, 2, (x, y) => [x * 85, y * 255, 64, x === 3 && y === 1 ? 0 : 255]);

/** As a photograph has it: no two pixels the same, in every hue. */
export const rainbow = (width: number, height: number): Pixels =>
  painted(width, height, (x, y) => {
    const wave = (phase: number): number => Math.round(127.5 + 127.5 * Math.sin((x / width) * 6.28 + phase) * (1 - y / height));
    return [wave(0), wave(2.1), wave(4.2)];
  });
