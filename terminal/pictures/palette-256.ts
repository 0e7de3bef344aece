import { type Colour, linearOf } from "./pixels.ts";

/** The colours of a terminal that do not depend on its theme: xterm's cube of six levels from 16 on, then 24 greys. */
const FIRST = 16;
const LEVELS = [0, 95, 135, 175, 215, 255];
const palette: readonly Colour[] = [
  ...LEVELS.flatMap((red) => LEVELS.flatMap((green) => LEVELS.map((blue): Colour => [red, green, blue]))),
  ...Array.from({ length: 24 }, (_, step): Colour => [8 + 10 * step, 8 + 10 * step, 8 + 10 * step]),
];

/** In Oklab (Ottosson, 2020) colours that look as different are as far apart. */
function oklab([red, green, blue]: Colour): Colour {
  const [r, g, b] = [linearOf[red]!, linearOf[green]!, linearOf[blue]!];
  const long = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const medium = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const short = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * long + 0.793617785 * medium - 0.0040720468 * short,
    1.9779984951 * long - 2.428592205 * medium + 0.4505937099 * short,
    0.0259040371 * long + 0.7827717662 * medium - 0.808675766 * short,
  ];
}

const looks = palette.map(oklab);

/** The cube has few dark colours, and greys lie nearer to most of them: a hue that is a little off says more than none. */
const HUE_COUNTS = 3;

/** By six bits of red, green and blue; 0: not looked for yet. */
const known = new Uint8Array(1 << 18);
const sixBits = (value: number): number => value >> 2;
const eightBits = (value: number): number => ((value & 63) << 2) | ((value & 63) >> 4);

/** Number of the colour that looks most like this one. */
export function nearest256(red: number, green: number, blue: number): number {
  const key = (sixBits(red) << 12) | (sixBits(green) << 6) | sixBits(blue);
  if (known[key] === 0) known[key] = FIRST + nearest(oklab([eightBits(key >> 12), eightBits(key >> 6), eightBits(key)]));
  return known[key]!;
}

function nearest([light, a, b]: Colour): number {
  let best = 0;
  let least = Infinity;
  for (const [index, [otherLight, otherA, otherB]] of looks.entries()) {
    const distance = (light - otherLight) ** 2 + HUE_COUNTS * ((a - otherA) ** 2 + (b - otherB) ** 2);
    if (distance < least) [least, best] = [distance, index];
  }
  return best;
}
