import { figure } from "../words.ts";
import { escaped } from "./escaped.ts";
import { linear, logarithmic, percentiles, type Scale } from "./scale.ts";

// Plots as SVG. Colours are those of the page, by class, so that they follow its light and dark.

/** Of a whole card and of one of two beside each other, in pixels at which text has its size. */
export const sizes = { whole: { width: 1_040, height: 320 }, half: { width: 480, height: 190 } } as const;

export type Size = keyof typeof sizes;

const LEFT = 64;
const RIGHT = 16;
const TOP = 26;
const COLOURS = 8;

/** Class of the colour of the series at this place. */
export const colourOf = (place: number): string => `c${place % COLOURS}`;

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Place of its colour; default its own. */
  readonly colour?: number;
}

interface Axis {
  readonly scale: Scale;
  readonly title: string;
  readonly words: (value: number) => string;
}

const svg = (width: number, height: number, label: string, content: string): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">${content}</svg>`;
const text = (x: number, y: number, words: string, anchor: "start" | "middle" | "end", kind = "tick"): string =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" class="${kind}">${escaped(words)}</text>`;
const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${kind}"/>`;
const round = (value: number): number => Math.round(value * 10) / 10;

interface Plot {
  readonly label: string;
  readonly size: Size;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

function lines({ label, size, x, y, series }: Plot): string {
  const { width, height } = sizes[size];
  const [right, bottom] = [width - RIGHT, height - 40];
  const at = {
    x: (value: number) => LEFT + x.scale.place(value) * (right - LEFT),
    y: (value: number) => bottom - y.scale.place(value) * (bottom - TOP),
  };
  const grid = [
    ...y.scale.ticks.map(
      (tick) => line(LEFT, at.y(tick), right, at.y(tick), "grid") + text(LEFT - 8, at.y(tick) + 4, y.words(tick), "end"),
    ),
    ...x.scale.ticks.map((tick) => text(at.x(tick), bottom + 18, x.words(tick), "middle")),
    text((LEFT + right) / 2, height - 4, x.title, "middle", "axis"),
    text(0, 11, y.title, "start", "axis"),
  ];
  const drawn = series.map(({ points, name, colour }, place) => {
    const kind = colourOf(colour ?? place);
    const path = points.map(([px, py], index) => `${index === 0 ? "M" : "L"}${round(at.x(px))} ${round(at.y(py))}`).join("");
    const marks = points.map(
      ([px, py]) =>
        `<circle cx="${round(at.x(px))}" cy="${round(at.y(py))}" r="2.5" class="dot ${kind}"><title>${escaped(`${name}: ${x.words(px)}, ${y.words(py)}`)}</title></circle>`,
    );
    return `<path d="${path}" class="curve ${kind}"/>${marks.join("")}`;
  });
  return svg(width, height, label, grid.join("") + drawn.join(""));
}

/** Above the highest point. */
const ROOM = 1.02;
const ofAll = (series: readonly Series[], coordinate: 0 | 1): number[] =>
  series.flatMap(({ points }) => points.map((point) => point[coordinate]));

const percentWords = (share: number): string => `${(share * 100).toLocaleString("en-GB", { maximumFractionDigits: 3 })} %`;

/** How long which share of all took at most. */
export function percentilePlot(label: string, all: readonly Series[]): string {
  const series = all.map((each) => ({ ...each, points: each.points.filter(([, ms]) => ms > 0) }));
  const times = ofAll(series, 1);
  const nines = Math.max(2, ...series.map(({ points }) => -Math.log10(1 - (points.findLast(([share]) => share < 1)?.[0] ?? 0.9))));
  const x: Axis = { scale: percentiles(nines + 0.3), title: "share of all", words: percentWords };
  const y: Axis = { scale: logarithmic(Math.min(...times), Math.max(...times)), title: "milliseconds at most", words: figure };
  return lines({ label, size: "whole", x, y, series });
}

/** Over seconds, or whatever `across` says. */
export function linePlot(
  label: string,
  unit: string,
  series: readonly Series[],
  { across = "seconds", isLogarithmic = false }: { readonly across?: string; readonly isLogarithmic?: boolean } = {},
): string {
  const values = ofAll(series, 0);
  const scale = isLogarithmic ? logarithmic(Math.min(...values), Math.max(...values)) : linear(Math.max(...values));
  const x: Axis = { scale, title: across, words: figure };
  const y: Axis = { scale: linear(Math.max(...ofAll(series, 1)) * ROOM), title: unit, words: figure };
  return lines({ label, size: "half", x, y, series });
}

export interface Bar {
  readonly name: string;
  /** What it is made of, one behind the other. */
  readonly parts: readonly { readonly name: string; readonly value: number; readonly colour: number }[];
}

const BAR = 18;
const ROW = 28;
const NAMES = { whole: 250, half: 170 } as const;
const FIGURES = 64;

/** Lying bars, each with its whole figure behind it. */
export function barPlot(label: string, unit: string, bars: readonly Bar[], size: Size = "whole"): string {
  const { width } = sizes[size];
  const height = bars.length * ROW + 40;
  const totals = bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const scale = linear(Math.max(...totals));
  const [left, right] = [NAMES[size], width - FIGURES];
  const at = (value: number) => left + scale.place(value) * (right - left);
  const grid = scale.ticks.map(
    (tick) => line(at(tick), 0, at(tick), height - 40, "grid") + text(at(tick), height - 23, figure(tick), "middle"),
  );
  const rows = bars.map(({ name, parts }, row) => {
    const y = row * ROW + (ROW - BAR) / 2;
    let from = 0;
    const drawn = parts.map((part) => {
      const [x, long] = [at(from), at(from + part.value) - at(from)];
      from += part.value;
      const told = `<title>${escaped(`${name}, ${part.name}: ${figure(part.value)} ${unit}`)}</title>`;
      return `<rect x="${round(x)}" y="${y}" width="${round(Math.max(0, long))}" height="${BAR}" class="bar ${colourOf(part.colour)}">${told}</rect>`;
    });
    const whole = text(at(totals[row]!) + 6, y + 13, figure(totals[row]!), "start", "value");
    return `${text(left - 10, y + 13, name, "end", "name")}${drawn.join("")}${whole}`;
  });
  return svg(width, height, label, grid.join("") + rows.join("") + text((left + right) / 2, height - 4, unit, "middle", "axis"));
}
