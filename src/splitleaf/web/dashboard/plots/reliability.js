// Is a confidence of 90 % right nine times out of ten?

import { count, number, percent } from "../elements/format.js";
import { colour, plotFigure } from "./figure.js";

const LABEL_SOURCES = {
  census: "labels of all images",
  audit: "a random audit",
  feedback: "user feedback, which is biased",
};

/** Return the reliability curves of the report, all arms in one plot; null while there are none. */
export function reliabilityPlot(reliability, arms) {
  const curves = reliability
    .filter((one) => one.bins.length)
    .map((one) => ({ ...one, index: arms.findIndex((arm) => arm.name === one.arm) }));
  if (!curves.length) return null;
  const rows = curves.flatMap((curve) => curve.bins.map((bin) => ({ ...bin, arm: curve.arm, index: curve.index })));
  const least = Math.min(...rows.map((row) => Math.min(row.confidence, row.accuracy)));
  const low = Math.floor(least * 10) / 10;
  return plotFigure({
    title: "Confidence and accuracy",
    note: `On the diagonal, confidence equals accuracy. Below it, a version is overconfident. Labels: ${[...new Set(curves.map((one) => LABEL_SOURCES[one.truth]))].join(", ")}.`,
    summary: curves.map((one) => `${one.arm}: calibration error ${number(one.calibration_error, 3)}`).join("; "),
    legend: curves.map(({ arm, index, calibration_error: error }) => ({
      name: `${arm} (error ${number(error, 3)})`,
      index,
    })),
    height: 280,
    draw: (Plot) => ({
      marginTop: 28,
      marginRight: 22,
      marginBottom: 40,
      x: {
        label: "mean confidence →",
        domain: [low, 1],
        tickFormat: (value) => percent(value, 0),
        grid: true,
        ticks: 5,
      },
      y: {
        label: "↑ accuracy",
        domain: [low, 1],
        tickFormat: (value) => percent(value, 0),
        grid: true,
        ticks: 5,
      },
      r: { range: [2, 9] },
      marks: [
        Plot.line(
          [
            [low, low],
            [1, 1],
          ],
          { stroke: "var(--edge)", strokeDasharray: "5,4" },
        ),
        curves.map(({ arm, index }) =>
          Plot.line(
            rows.filter((row) => row.arm === arm),
            { x: "confidence", y: "accuracy", stroke: colour(index), strokeWidth: 2 },
          ),
        ),
        Plot.dot(rows, {
          x: "confidence",
          y: "accuracy",
          r: "images",
          fill: (row) => colour(row.index),
          stroke: "var(--card)",
        }),
        Plot.tip(
          rows,
          Plot.pointer({
            x: "confidence",
            y: "accuracy",
            title: (row) =>
              `${row.arm}\nconfidence ${percent(row.confidence)}\naccuracy ${percent(row.accuracy)}\n${count(row.images)} images`,
          }),
        ),
      ].flat(),
    }),
    columns: [
      { name: "Arm", value: (row) => row.arm },
      { name: "Confidence", value: (row) => `${percent(row.low, 0)} to ${percent(row.high, 0)}`, number: true },
      { name: "Mean", value: (row) => percent(row.confidence), number: true },
      { name: "Accuracy", value: (row) => percent(row.accuracy), number: true },
      { name: "Images", value: (row) => count(row.images), number: true },
    ],
    rows,
  });
}
