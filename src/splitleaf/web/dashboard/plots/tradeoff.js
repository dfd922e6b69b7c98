// Accuracy and latency, with intervals on both axes.

import { milliseconds, percent } from "../elements/format.js";
import { colour, plotFigure } from "./figure.js";

const LABEL_SOURCES = {
  census: "labels of all images",
  audit: "random audit",
  paired: "paired labels",
  feedback: "user feedback, biased",
};

/** Return the plot of the report's `tradeoff`; null while no arm has both. */
export function tradeoffPlot(tradeoff, arms) {
  const rows = tradeoff
    .filter((one) => one.accuracy && one.latency_ms)
    .map((one) => ({ ...one, index: arms.findIndex((arm) => arm.name === one.arm) }));
  if (!rows.length) return null;
  const lows = rows.map((row) => row.latency_ms.low);
  const highs = rows.map((row) => row.latency_ms.high);
  const room = Math.max(1, (Math.max(...highs) - Math.min(...lows)) * 0.25);
  return plotFigure({
    title: "Accuracy and latency",
    note: "Higher is more accurate, further left is faster. Where the crosses overlap, nothing is decided.",
    summary: rows
      .map((row) => `${row.arm}: ${percent(row.accuracy.value)} in ${milliseconds(row.latency_ms.value)}`)
      .join("; "),
    height: 280,
    draw: (Plot) => ({
      marginTop: 28,
      marginBottom: 40,
      x: {
        label: "median latency, ms →",
        domain: [Math.max(0, Math.min(...lows) - room), Math.max(...highs) + room * 1.6],
        grid: true,
        ticks: 5,
      },
      y: { label: "↑ accuracy", grid: true, nice: true, ticks: 5, tickFormat: (value) => percent(value, 0) },
      marks: [
        Plot.ruleX(rows, {
          x: (row) => row.latency_ms.value,
          y1: (row) => row.accuracy.low,
          y2: (row) => row.accuracy.high,
          stroke: (row) => colour(row.index),
          strokeWidth: 2,
        }),
        Plot.ruleY(rows, {
          y: (row) => row.accuracy.value,
          x1: (row) => row.latency_ms.low,
          x2: (row) => row.latency_ms.high,
          stroke: (row) => colour(row.index),
          strokeWidth: 2,
        }),
        Plot.dot(rows, {
          x: (row) => row.latency_ms.value,
          y: (row) => row.accuracy.value,
          fill: (row) => colour(row.index),
          r: 5.5,
        }),
        Plot.text(rows, {
          x: (row) => row.latency_ms.value,
          y: (row) => row.accuracy.value,
          text: (row) => row.arm,
          dx: 9,
          dy: -9,
          textAnchor: "start",
          fill: "var(--ink)",
          fontWeight: 600,
          fontSize: 13,
          stroke: "var(--card)",
          strokeWidth: 4,
        }),
      ],
    }),
    columns: [
      { name: "Arm", value: (row) => `${row.arm} (${row.version})` },
      { name: "Accuracy", value: (row) => percent(row.accuracy.value), number: true },
      {
        name: "Interval",
        value: (row) => `${percent(row.accuracy.low)} to ${percent(row.accuracy.high)}`,
        number: true,
      },
      { name: "Latency", value: (row) => milliseconds(row.latency_ms.value), number: true },
      {
        name: "Interval",
        value: (row) => `${milliseconds(row.latency_ms.low)} to ${milliseconds(row.latency_ms.high)}`,
        number: true,
      },
      { name: "Labels", value: (row) => LABEL_SOURCES[row.truth] ?? "–" },
    ],
    rows,
  });
}
