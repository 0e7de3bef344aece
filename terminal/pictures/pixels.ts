// What the drawing of pictures has in common: pixels, how many cells they take, and how they are made fewer.

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A decoded picture: red, green, blue and alpha of each pixel, a byte each, row by row; colours are not multiplied by alpha. */
export interface Pixels extends Size {
  readonly rgba: Uint8Array;
}

export type Colour = readonly [red: number, green: number, blue: number];

/** What a message says of its picture, before any pixel of it is here. Whoever sent it may have written anything. */
export interface PictureInfo extends Size {
  /** The same picture has the same key, and other pictures have others. */
  readonly key: string;
  /** Shown until the pixels are here, as from a thumbhash. */
  readonly average: Colour | undefined;
}

export interface Cells {
  readonly columns: number;
  readonly rows: number;
}

const atLeastOne = (number: number): number => (Number.isFinite(number) ? Math.max(1, number) : 1);

/**
 * The cells that a picture takes: as many as the room has for it, in its own aspect ratio, and none more than it has pixels for.
 * `cell` is the size of a cell in pixels; `pixelColumns`: how many pixels of a picture in its natural size stand beside each other in one.
 */
export function cellsOf(picture: Size, room: Cells, cell: Size, pixelColumns: number): Cells {
  const columns = atLeastOne(picture.width) / pixelColumns;
  const rows = ((atLeastOne(picture.height) / pixelColumns) * cell.width) / cell.height;
  const scale = Math.min(1, room.columns / columns, room.rows / rows);
  const inRoom = (wanted: number, most: number): number => Math.max(1, Math.min(Math.round(wanted * scale), most));
  return { columns: inRoom(columns, room.columns), rows: inRoom(rows, room.rows) };
}

const LINEAR_STEPS = 4095;
/** Light is added up, not the numbers that stand for it: IEC 61966-2-1. */
export const linearOf = Float64Array.from({ length: 256 }, (_, value) => {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
});
const valueOf = Uint8Array.from({ length: LINEAR_STEPS + 1 }, (_, step) => {
  const part = step / LINEAR_STEPS;
  return Math.round(255 * (part <= 0.0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - 0.055));
});

/** Exactly of this size: each new pixel is the mean of the area that it covers, also where that is less than one pixel. */
export function resampled(pixels: Pixels, { width, height }: Size): Pixels {
  if (pixels.width === width && pixels.height === height) return pixels;
  const rgba = new Uint8Array(width * height * 4);
  const columns = spansOf(pixels.width, width);
  const rows = spansOf(pixels.height, height);
  for (const [y, down] of rows.entries()) {
    for (const [x, across] of columns.entries()) mean(pixels, across, down, rgba, (y * width + x) * 4);
  }
  return { width, height, rgba };
}

/** Old places, and how much of each a new place covers. */
type Cover = readonly (readonly [index: number, part: number])[];

function spansOf(from: number, to: number): readonly Cover[] {
  return Array.from({ length: to }, (_, place) => {
    const start = (place * from) / to;
    const end = ((place + 1) * from) / to;
    const cover: (readonly [number, number])[] = [];
    for (let index = Math.floor(start); index < end && index < from; index++) {
      const part = Math.min(end, index + 1) - Math.max(start, index);
      if (part > 0) cover.push([index, part]);
    }
    return cover;
  });
}

function mean({ width, rgba: from }: Pixels, across: Cover, down: Cover, to: Uint8Array, at: number): void {
  let [red, green, blue, alpha, whole] = [0, 0, 0, 0, 0];
  for (const [y, high] of down) {
    for (const [x, wide] of across) {
      const pixel = (y * width + x) * 4;
      const part = high * wide;
      const seen = part * from[pixel + 3]!;
      whole += part;
      alpha += seen;
      red += seen * linearOf[from[pixel]!]!;
      green += seen * linearOf[from[pixel + 1]!]!;
      blue += seen * linearOf[from[pixel + 2]!]!;
    }
  }
  if (alpha === 0) return;
  const value = (sum: number): number => valueOf[Math.round((sum / alpha) * LINEAR_STEPS)]!;
  to[at] = value(red);
  to[at + 1] = value(green);
  to[at + 2] = value(blue);
  to[at + 3] = Math.round(alpha / whole);
}
