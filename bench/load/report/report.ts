import type { BenchResult, RunResult } from "../result.ts";
import { bytes, count, detailsOf, environmentWords, figure, perWords, serverCpu } from "../words.ts";
import { usual } from "../workloads.ts";
import { escaped } from "./escaped.ts";
import { type Bar, barPlot, colourOf, linePlot, percentilePlot, type Series } from "./plots.ts";
import { style } from "./style.ts";

/** One page that needs nothing beside it: no script, no network. All that stands in it are our own names and numbers. */
export function reportOf({ environment, runs, started }: BenchResult): string {
  const broken = runs.filter(({ faults }) => faults.length > 0);
  const verdict =
    broken.length === 0
      ? `<div class="verdict whole">Every message came exactly once, in order</div>`
      : `<div class="verdict broken">Broken in ${broken.length === 1 ? "one run" : `${broken.length} runs`}: see the notes</div>`;
  const sections = [
    section("Runs", "A row is one run; the sections below show the same as pictures.", card(tableOf(runs))),
    cpuSection(runs),
    rateSection(runs),
    latencySection(runs),
    timeSection(runs),
    memorySection(runs),
    balanceSection(runs),
    section("Notes", "", card(notesOf(runs))),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>FastChat bench</title><style>${style}</style></head>
<body><main>
<h1>FastChat bench</h1>
<p>${escaped(new Date(started).toUTCString())}</p>
${verdict}
<ul class="environment">${environmentWords(environment)
    .map((line) => `<li>${escaped(line)}</li>`)
    .join("")}</ul>
${sections.join("\n")}
<footer>Latency counts from when a message was meant to be sent, so that a wait before it counts as well. CPU is user and system time. Made by “fastchat bench”.</footer>
</main></body></html>
`;
}

const card = (content: string, title = ""): string =>
  `<div class="card">${title === "" ? "" : `<h3>${escaped(title)}</h3>`}${content}</div>`;
const section = (title: string, words: string, content: string): string =>
  content === "" ? "" : `<section><h2>${escaped(title)}</h2>${words === "" ? "" : `<p>${escaped(words)}</p>`}${content}</section>`;
const keys = (names: readonly (readonly [name: string, colour: number])[]): string =>
  `<div class="keys">${names.map(([name, colour]) => `<span><i class="key ${colourOf(colour)}"></i>${escaped(name)}</span>`).join("")}</div>`;

function tableOf(runs: readonly RunResult[]): string {
  const heads = [
    ["run", ""],
    ["a second", "deliveries"],
    ["p50", "ms"],
    ["p90", "ms"],
    ["p95", "ms"],
    ["p99", "ms"],
    ["max", "ms"],
    ["CPU", "µs, servers and database"],
    ["wire", "up / down"],
    ["disk", "stored / log"],
  ];
  const rows = runs.map((run) => {
    const latency = run.latency ?? run.acknowledgement ?? run.back;
    const ms = (value: number | undefined) => (value === undefined ? "–" : figure(value));
    const whole = serverCpu(run.cpu);
    return [
      run.name,
      run.rate > 0 ? count(run.rate) : "–",
      ...[latency?.p50, latency?.p90, latency?.p95, latency?.p99, latency?.max].map(ms),
      whole === undefined ? "–" : figure(whole),
      run.wire === undefined ? "–" : `${bytes(run.wire.up)} / ${bytes(run.wire.down)}`,
      run.disk === undefined ? "–" : `${bytes(run.disk.stored)} / ${bytes(run.disk.log)}`,
    ];
  });
  const head = heads.map(([title, unit]) => `<th>${title}<small>${unit}</small></th>`).join("");
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`)
    .join("")}</tbody></table></div>`;
}

const cpuParts = ["chat servers", "gateway", "database"] as const;

function cpuSection(runs: readonly RunResult[]): string {
  const plots = (["delivery", "message sent", "sign-in", "connection"] as const).flatMap((per) => {
    const bars = runs
      .filter((run) => run.per === per && serverCpu(run.cpu) !== undefined)
      .map(({ name, cpu }): Bar => {
        const values = [cpu.chatServers!, cpu.gateway ?? 0, cpu.postgres!];
        return { name, parts: cpuParts.map((part, colour) => ({ name: part, value: values[colour]!, colour })) };
      });
    const title = `CPU time ${perWords[per]}`;
    return bars.length === 0
      ? []
      : [card(barPlot(title, "microseconds", bars) + keys(cpuParts.map((name, colour) => [name, colour])), title)];
  });
  return section(
    "What it costs",
    "User and system time of the servers and the database, without the processes that play the people.",
    plots.join(""),
  );
}

function rateSection(runs: readonly RunResult[]): string {
  const bars = runs
    .filter(({ rate }) => rate > 0)
    .map(({ name, rate, per }): Bar => ({ name, parts: [{ name: per, value: rate, colour: 2 }] }));
  return section(
    "How much goes through",
    "In a closed loop as much as there is; in an open one what was asked for, unless it was too much. The people who write take their share of the same processors.",
    bars.length === 0 ? "" : card(barPlot("Throughput", "a second", bars)),
  );
}

/** So many lines can be told apart in one picture. */
const LINES = 8;

function latencySection(runs: readonly RunResult[]): string {
  const series = runs.flatMap(({ name, latency }): Series[] => (latency === undefined ? [] : [{ name, points: latency.curve }]));
  const back = runs.flatMap(({ name, back: latency }): Series[] => (latency === undefined ? [] : [{ name, points: latency.curve }]));
  const plot = (some: readonly Series[], title: string): string =>
    card(percentilePlot(title, some) + keys(some.map(({ name }, place) => [name, place])), title);
  const groups: string[] = [];
  for (let from = 0; from < series.length; from += LINES) groups.push(plot(series.slice(from, from + LINES), "From one person to another"));
  if (back.length > 0) groups.push(plot(back, "From a lost connection until everything missed is there"));
  return section(
    "How long it takes",
    "Read it as: so large a share of all took at most so long. The axis across stretches what is rare.",
    groups.join(""),
  );
}

const pairs = (cards: readonly string[]): string => (cards.length === 0 ? "" : `<div class="pair">${cards.join("")}</div>`);

function timeSection(runs: readonly RunResult[]): string {
  const cards = runs
    .filter(({ timeline }) => timeline.length > 1)
    .map(({ name, timeline }) => {
      const of = (what: "rate" | "p50" | "p99") =>
        timeline.filter((each) => Number.isFinite(each[what])).map((each) => [each.at, each[what]] as const);
      const latency: Series[] = [
        { name: "p50", points: of("p50"), colour: 0 },
        { name: "p99", points: of("p99"), colour: 1 },
      ];
      if (latency[0]!.points.length === 0) return "";
      return card(
        linePlot(`${name}: rate`, "deliveries/s", [{ name: "rate", points: of("rate"), colour: 2 }]) +
          linePlot(`${name}: latency`, "ms", latency) +
          keys([
            ["deliveries a second", 2],
            ["latency p50", 0],
            ["p99", 1],
          ]),
        name,
      );
    })
    .filter((each) => each !== "");
  return section("Over time", "", pairs(cards));
}

function memorySection(runs: readonly RunResult[]): string {
  const cards = runs.flatMap(({ name, memory }) => {
    if (memory === undefined) return [];
    const least = memory.steps[0]![1];
    const points = memory.steps.map(([open, size]) => [open, Math.max(0, (size - least) / 1_048_576)] as const);
    const plot = linePlot(`${name}: memory`, "MiB more than with the first of them", [{ name: "chat servers", points }], {
      across: "open connections",
    });
    return [card(plot, `${name}: ${bytes(memory.perConnection)} for each connection`)];
  });
  return section("Memory", "Resident memory of the chat servers together, while sockets are opened in steps.", pairs(cards));
}

function balanceSection(runs: readonly RunResult[]): string {
  const several = runs.filter(({ servers, scenario }) => servers.length > 1 && !scenario.isBaseline);
  const names = [...new Set(several.flatMap(({ servers }) => servers.map(({ name }) => name)))].sort();
  const bars = (of: "connections" | "delivered"): Bar[] =>
    several
      .filter(({ servers }) => servers.some((each) => each[of] > 0))
      .map(({ name, servers }) => ({
        name,
        parts: servers.map((each) => ({ name: each.name, value: each[of], colour: names.indexOf(each.name) })),
      }));
  const cards = (
    [
      ["connections", "people"],
      ["delivered", "deliveries"],
    ] as const
  ).flatMap(([of, unit]) => {
    const all = bars(of);
    const shares = all.map(({ name, parts }): Bar => {
      const whole = parts.reduce((sum, { value }) => sum + value, 0);
      return { name, parts: parts.map((part) => ({ ...part, value: (100 * part.value) / whole })) };
    });
    return shares.length === 0
      ? []
      : [card(barPlot(unit, `% of all ${unit}`, shares, "half") + keys(names.map((name, place) => [name, place])), `Share of ${unit}`)];
  });
  return section("Balance between servers", "", pairs(cards));
}

function notesOf(runs: readonly RunResult[]): string {
  const items = runs.map((run) => {
    const details = detailsOf(run).map((detail) =>
      detail.startsWith("BROKEN") ? `<span class="broken">${escaped(detail)}</span>` : escaped(detail),
    );
    const { description } = usual(run.scenario.workload);
    return `<li><b>${escaped(run.name)}</b> (${escaped(description)}): ${details.join("; ") || "–"}</li>`;
  });
  return `<ul class="notes">${items.join("")}</ul>`;
}
