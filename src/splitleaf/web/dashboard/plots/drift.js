// Do the images still look as they did at the beginning?

import { count, moment, number } from "../elements/format.js";
import { timeAxis } from "./axes.js";
import { colour, plotFigure } from "./figure.js";

const MEASURES = { answers: ["Predicted conditions", 5], confidence: ["Confidence", 3] };

/** Return the drift strip of the report; null while there is no second window. */
export function driftPlot(drift) {
  if (!drift.length) return null;
  const rows = drift.map((one) => ({
    ...one,
    start: new Date(one.start_ms),
    end: new Date(one.end_ms),
    at: new Date((one.start_ms + one.end_ms) / 2),
  }));
  const measures = Object.keys(MEASURES).filter((measure) => rows.some((row) => row.measure === measure));
  const drifted = rows.filter((row) => row.is_drift).length;
  const highest = Math.max(...rows.map((row) => Math.max(row.index, row.threshold))) * 1.15;
  return plotFigure({
    title: "Traffic drift",
    note: "The population stability index of each window against the first one. By chance, one window in a hundred exceeds the short line.",
    summary: drifted
      ? `${count(drifted)} of ${count(rows.length)} windows differ more than chance explains.`
      : "No window differs more than chance explains.",
    legend: measures.map((measure) => ({ name: MEASURES[measure][0], index: MEASURES[measure][1] })),
    height: 200,
    draw: (Plot, space) => ({
      x: timeAxis(rows[0].start, rows.at(-1).end, space),
      y: { label: "↑ index", domain: [0, highest], grid: true, ticks: 4 },
      marks: [
        Plot.ruleY(rows, { y: "threshold", x1: "start", x2: "end", stroke: "var(--ink-soft)", strokeWidth: 1.5 }),
        measures.map((measure) =>
          Plot.lineY(
            rows.filter((row) => row.measure === measure),
            { x: "at", y: "index", stroke: colour(MEASURES[measure][1]), strokeWidth: 2 },
          ),
        ),
        Plot.dot(rows, {
          x: "at",
          y: "index",
          r: (row) => (row.is_drift ? 5 : 3),
          fill: (row) => (row.is_drift ? "var(--series-4)" : colour(MEASURES[row.measure][1])),
        }),
        Plot.ruleY([0], { stroke: "var(--edge)" }),
        Plot.tip(
          rows,
          Plot.pointerX({
            x: "at",
            y: "index",
            title: (row) =>
              `${MEASURES[row.measure][0]}\n${moment(row.start)}\nindex ${number(row.index, 3)}, chance threshold ${number(row.threshold, 3)}\n${count(row.images)} images`,
          }),
        ),
      ].flat(),
    }),
    columns: [
      { name: "From", value: (row) => moment(row.start) },
      { name: "What", value: (row) => MEASURES[row.measure][0] },
      { name: "Index", value: (row) => number(row.index, 3), number: true },
      { name: "Chance threshold", value: (row) => number(row.threshold, 3), number: true },
      { name: "Drifted", value: (row) => (row.is_drift ? "yes" : "no") },
    ],
    rows,
  });
}
