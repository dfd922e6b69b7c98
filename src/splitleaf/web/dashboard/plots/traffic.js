// What came in, and how long it took.

import { clock, count, counted, day, milliseconds, short } from "../elements/format.js";
import { timeAxis } from "./axes.js";
import { colour, plotFigure } from "./figure.js";

const ANSWERED = "answered";
const NOT_ANSWERED = "not answered";

/** Return the two plots for an answer of `GET /traffic`. */
export function trafficPlots(traffic) {
  const rows = traffic.periods.map((tally, index) => periodOf(traffic, tally, index));
  return [arrivals(rows, traffic), latencies(rows, traffic)];
}

function periodOf(traffic, tally, index) {
  const all = Object.values(tally.outcomes).reduce((sum, one) => sum + one, 0);
  const answered = tally.outcomes.succeeded ?? 0;
  const start = new Date(traffic.since_ms + index * traffic.period_ms);
  return {
    start,
    end: new Date(start.getTime() + traffic.period_ms),
    answered,
    missed: all - answered,
    latency: tally.latency,
  };
}

function arrivals(rows, traffic) {
  const stacked = rows.flatMap((row) => [
    { ...row, kind: ANSWERED, from: 0, to: row.answered },
    { ...row, kind: NOT_ANSWERED, from: row.answered, to: row.answered + row.missed },
  ]);
  const total = rows.reduce((sum, row) => sum + row.answered + row.missed, 0);
  const missed = rows.reduce((sum, row) => sum + row.missed, 0);
  return plotFigure({
    title: "Predictions",
    summary: `${counted(total, "prediction")}, ${count(missed)} of them not answered.`,
    legend: [
      { name: ANSWERED, index: 1 },
      { name: NOT_ANSWERED, index: 4 },
    ],
    draw: (Plot, space) => ({
      x: timeAxis(rows[0].start, rows.at(-1).end, space),
      y: {
        label: `per ${lengthOf(traffic)}`,
        grid: true,
        domain: [0, Math.max(1, ...rows.map((row) => row.answered + row.missed))],
        ticks: 4,
        tickFormat: short,
      },
      marks: [
        Plot.rectY(
          stacked.filter((row) => row.to > row.from),
          {
            x1: "start",
            x2: "end",
            y1: "from",
            y2: "to",
            fill: (row) => colour(row.kind === ANSWERED ? 1 : 4),
            insetLeft: 0.5,
            insetRight: 0.5,
          },
        ),
        Plot.ruleY([0], { stroke: "var(--edge)" }),
        Plot.tip(rows, Plot.pointerX({ x: (row) => middle(row), y: (row) => row.answered + row.missed, title: said })),
      ],
    }),
    columns: [
      { name: "From", value: (row) => `${day(row.start)} ${clock(row.start)}` },
      { name: "Answered", value: (row) => count(row.answered), number: true },
      { name: "Not answered", value: (row) => count(row.missed), number: true },
    ],
    rows,
  });
}

function latencies(rows, traffic) {
  const lines = [
    { name: "p50 (median)", key: "p50_ms", index: 1 },
    { name: "p95", key: "p95_ms", index: 2 },
    { name: "p99", key: "p99_ms", index: 4 },
  ];
  const answered = rows.filter((row) => row.latency);
  const last = traffic.total.latency;
  const highest = Math.max(1, ...answered.map((row) => row.latency.p99_ms));
  return plotFigure({
    title: "Latency",
    summary: last
      ? `The median is ${milliseconds(last.p50_ms)}, and the 95th percentile is ${milliseconds(last.p95_ms)}.`
      : "There are no answers.",
    legend: lines,
    draw: (Plot, space) => ({
      x: timeAxis(rows[0].start, rows.at(-1).end, space),
      y: { label: "ms", grid: true, domain: [0, highest], ticks: 4, tickFormat: short },
      marks: [
        lines.map(({ key, index }) =>
          Plot.lineY(rows, {
            x: (row) => middle(row),
            y: (row) => row.latency?.[key] ?? Number.NaN,
            stroke: colour(index),
            strokeWidth: 2,
            marker: answered.length < 4 ? "dot" : null,
          }),
        ),
        Plot.ruleY([0], { stroke: "var(--edge)" }),
        Plot.tip(answered, Plot.pointerX({ x: (row) => middle(row), y: (row) => row.latency.p95_ms, title: timed })),
      ],
    }),
    columns: [
      { name: "From", value: (row) => `${day(row.start)} ${clock(row.start)}` },
      ...lines.map(({ name, key }) => ({ name, value: (row) => milliseconds(row.latency[key]), number: true })),
    ],
    rows: answered,
  });
}

function middle(row) {
  return new Date((row.start.getTime() + row.end.getTime()) / 2);
}

function said(row) {
  return `${clock(row.start)} to ${clock(row.end)}\n${count(row.answered)} answered\n${count(row.missed)} not answered`;
}

function timed(row) {
  const { p50_ms: half, p95_ms: most, p99_ms: nearlyAll } = row.latency;
  return `${clock(row.start)} to ${clock(row.end)}\np50 ${milliseconds(half)}\np95 ${milliseconds(most)}\np99 ${milliseconds(nearlyAll)}`;
}

function lengthOf(traffic) {
  const minutes = traffic.period_ms / 60_000;
  if (minutes === 1) return "minute";
  return minutes < 60 ? `${minutes} minutes` : `${minutes / 60} hours`;
}
