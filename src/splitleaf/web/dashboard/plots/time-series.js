// The difference between candidate and control over time, and the evidence for it.

import { count, moment, number, points, signed } from "../elements/format.js";
import { h } from "../js/dom.js";
import { limit, timeAxis } from "./axes.js";
import { colour, plotFigure } from "./figure.js";

const POWERS = [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6];
const EVIDENCE_SHOWN = 6; // powers of ten; beyond that it makes no difference to anybody

/** Return both plots for the courses of one metric. */
export function timeSeriesPlots(courses, metric, subject, armIndex) {
  const lines = courses.filter((one) => one.looks.length).map((one) => ({ ...one, index: armIndex(one.arm) }));
  if (!lines.length) return [];
  if (lines.every(({ looks }) => looks.every(({ value, log10_e: evidence }) => value === null && !evidence))) {
    return [
      note(`Difference in ${metric.title.toLowerCase()} over time`, "There is not enough data for an interval yet."),
    ];
  }
  return [differencePlot(lines, metric, subject), evidencePlot(lines, metric, subject)];
}

function differencePlot(lines, metric, subject) {
  const isShare = metric.unit === "share";
  const show = isShare ? (value) => points(value) : (value) => `${signed(value)} ms`;
  const scale = isShare ? 100 : 1;
  const rows = rowsOf(lines).filter((row) => row.value !== null);
  const title = `Difference in ${metric.title.toLowerCase()} over time`;
  if (!rows.length) return note(title, "There is not enough data for an interval yet.");
  const last = rows.at(-1);
  const margin = metric.is_primary ? subject.margin * (metric.better === "higher" ? -1 : 1) : 0;
  const [low, high] = frame(rows, margin, scale);
  return plotFigure({
    title,
    note: `Candidate minus control; ${metric.better} is better. The band contains the true difference at all times together, so it is valid at any number of looks.`,
    summary: `At the last look: ${show(last.value)}, between ${show(last.low)} and ${show(last.high)}.`,
    legend: legendOf(lines),
    draw: (Plot, space) => ({
      x: timeAxis(lines[0].looks[0].at_ms, endOf(lines), space),
      y: {
        label: isShare ? "↑ percentage points" : "↑ ms",
        grid: true,
        domain: [low, high],
        ticks: 5,
        tickFormat: (value) => signed(value, 1).replace(".0", ""),
      },
      marks: [
        ...lines.flatMap((line) => bandOf(Plot, line, rows, scale)),
        Plot.ruleY([0], { stroke: "var(--ink)", strokeWidth: 1.5 }),
        margin !== 0 &&
          limit(Plot, {
            y: margin * scale,
            word: "non-inferiority margin",
            tone: "var(--series-2)",
            below: margin < 0,
          }),
        Plot.tip(
          rows,
          Plot.pointerX({
            x: "at",
            y: (row) => row.value * scale,
            title: (row) =>
              `${moment(row.at)}\n${row.arm}: ${show(row.value)}\n${show(row.low)} to ${show(row.high)}\n${count(row.images)} images`,
          }),
        ),
      ].flat(),
    }),
    columns: [
      { name: "Look", value: (row) => moment(row.at) },
      { name: "Arm", value: (row) => row.arm },
      { name: "Images", value: (row) => count(row.images), number: true },
      { name: "Difference", value: (row) => show(row.value), number: true },
      { name: "From", value: (row) => show(row.low), number: true },
      { name: "To", value: (row) => show(row.high), number: true },
    ],
    rows: [...rows].reverse(),
  });
}

function bandOf(Plot, { arm, index }, rows, scale) {
  const own = rows.filter((row) => row.arm === arm);
  return [
    Plot.areaY(own, {
      x: "at",
      y1: (row) => row.low * scale,
      y2: (row) => row.high * scale,
      fill: colour(index),
      fillOpacity: 0.18,
      clip: true,
    }),
    Plot.lineY(own, { x: "at", y: (row) => row.value * scale, stroke: colour(index), strokeWidth: 2.5, clip: true }),
  ];
}

/** Return what of the axis is shown: the first looks, whose intervals are very wide, may extend beyond it. */
function frame(rows, margin, scale) {
  const later = rows.slice(Math.floor(rows.length / 4));
  const values = [0, margin * scale, ...later.flatMap((row) => [row.low * scale, row.high * scale])];
  const room = (Math.max(...values) - Math.min(...values)) * 0.08 || 1;
  return [Math.min(...values) - 2 * room, Math.max(...values) + room];
}

function note(title, text) {
  return h("figure", { class: "plot" }, h("figcaption", {}, h("h3", {}, title), h("p", {}, text)));
}

function evidencePlot(lines, metric, subject) {
  const threshold = Math.log10(1 / subject.alpha);
  const rows = rowsOf(lines);
  const last = rows.at(-1);
  const top = Math.max(threshold * 1.4, ...rows.map((row) => Math.min(row.log10_e, EVIDENCE_SHOWN)));
  const bottom = Math.min(-1, ...rows.map((row) => Math.max(row.log10_e, -3)));
  return plotFigure({
    title: `Evidence of a difference in ${metric.title.toLowerCase()}`,
    note: `The e-value measures the evidence against “no difference”. By chance alone, it exceeds ${number(1 / subject.alpha, 0)} in at most ${number(subject.alpha * 100, 0)} of 100 experiments.`,
    summary: `At the last look, the e-value was ${evidence(last.log10_e)}. The threshold is ${number(1 / subject.alpha, 0)}.`,
    legend: legendOf(lines),
    draw: (Plot, space) => ({
      x: timeAxis(lines[0].looks[0].at_ms, endOf(lines), space),
      y: {
        label: "↑ e-value, logarithmic",
        domain: [bottom, top],
        grid: true,
        ticks: POWERS.filter((one) => one >= bottom && one <= top),
        tickFormat: power,
        clamp: true,
      },
      marks: [
        lines.map(({ arm, index }) =>
          Plot.lineY(
            rows.filter((row) => row.arm === arm),
            { x: "at", y: "log10_e", stroke: colour(index), strokeWidth: 2.5, curve: "step-after" },
          ),
        ),
        limit(Plot, { y: threshold, word: `threshold: ${number(1 / subject.alpha, 0)}`, tone: "var(--series-1)" }),
        Plot.tip(
          rows,
          Plot.pointerX({
            x: "at",
            y: "log10_e",
            title: (row) => `${moment(row.at)}\n${row.arm}: ${evidence(row.log10_e)}\n${count(row.images)} images`,
          }),
        ),
      ],
    }),
    columns: [
      { name: "Look", value: (row) => moment(row.at) },
      { name: "Arm", value: (row) => row.arm },
      { name: "Images", value: (row) => count(row.images), number: true },
      { name: "E-value", value: (row) => evidence(row.log10_e), number: true },
    ],
    rows: [...rows].reverse(),
  });
}

/** Return a power of ten as a number that can be read: 1.92 -> "83", 9 -> "over a million". */
export function evidence(log10) {
  if (log10 === null || log10 === undefined) return "–";
  if (log10 > 6) return "over a million";
  const value = 10 ** log10;
  if (value >= 10) return count(Math.round(value));
  return value < 0.01 ? "under 0.01" : number(value, value < 1 ? 2 : 1).replace(/\.?0+$/, "");
}

function power(exponent) {
  if (exponent < 0) return (10 ** exponent).toFixed(-exponent);
  return ["1", "10", "100", "1k", "10k", "100k", "1M"][exponent];
}

function rowsOf(lines) {
  return lines
    .flatMap(({ arm, looks }) => looks.map((look) => ({ ...look, arm, at: new Date(look.at_ms) })))
    .sort((one, other) => one.at_ms - other.at_ms);
}

function legendOf(lines) {
  return lines.map(({ arm, index }) => ({ name: arm, index }));
}

function endOf(lines) {
  return Math.max(...lines.map(({ looks }) => looks.at(-1).at_ms));
}
