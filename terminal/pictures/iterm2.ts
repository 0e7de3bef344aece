import type { Cells, Pixels } from "./pixels.ts";
import { pngOf } from "./png.ts";

/** Draws the picture where the cursor is, over so many cells: iTerm2's inline images, https://iterm2.com/documentation-images.html. */
export function iterm2Picture(pixels: Pixels, { columns, rows }: Cells): string {
  const png = pngOf(pixels);
  const options = `inline=1;size=${png.length};width=${columns};height=${rows};preserveAspectRatio=1`;
  return `\u001b]1337;File=${options}:${png.toString("base64")}\u0007`;
}
