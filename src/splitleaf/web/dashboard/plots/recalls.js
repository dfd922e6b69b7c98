// Which conditions one version finds better than the other.

import { count, percent, plain, points, range, signed } from "../elements/format.js";
import { table } from "../elements/table.js";
import { h } from "../js/dom.js";
import { colour, plotFigure } from "./figure.js";

const ROW = 30;
const COLUMNS = [
  { name: "Condition", value: (row) => plain(row.label) },
  { name: "Images", value: (row) => count(row.images), number: true },
  { name: "Control", value: (row) => percent(row.control?.value), number: true },
  { name: "Candidate", value: (row) => percent(row.other?.value), number: true },
  { name: "Difference", value: (row) => points(row.difference?.value), number: true },
  {
    name: "Interval",
    value: ({ difference }) =>
      difference ? range(points(difference.low), points(difference.high)) : "not enough labels",
    number: true,
  },
];

/** Return the differences of recall for one candidate; only what is known while they cannot be told. */
export function recallPlot(recalls, arm, index) {
  const all = recalls.filter((one) => one.arm === arm);
  const rows = all.filter((one) => one.difference);
  if (!rows.length) return all.length ? recallTable(all, arm) : null;
  const best = rows.reduce((one, other) => (other.difference.value > one.difference.value ? other : one));
  return plotFigure({
    title: `Difference in recall by condition: ${arm}`,
    note: "To the right of zero, the candidate has the higher recall. The intervals hold for all conditions together.",
    summary: `The largest difference is ${points(best.difference.value)} for ${plain(best.label)}.`,
    height: 60 + rows.length * ROW,
    draw: (Plot, { isNarrow }) => ({
      marginLeft: isNarrow ? 104 : 170,
      marginBottom: 40,
      x: {
        label: "percentage points →",
        grid: true,
        nice: true,
        zero: true,
        ticks: isNarrow ? 4 : 7,
        tickFormat: (value) => signed(value, 0),
      },
      y: {
        label: null,
        domain: rows.map((row) => row.label),
        tickFormat: (label) => shortened(plain(label), isNarrow ? 15 : 26),
        tickSize: 0,
      },
      marks: [
        Plot.ruleX([0], { stroke: "var(--ink)", strokeWidth: 1.5 }),
        Plot.ruleY(rows, {
          y: "label",
          x1: (row) => row.difference.low * 100,
          x2: (row) => row.difference.high * 100,
          stroke: colour(index),
          strokeWidth: 2.5,
        }),
        Plot.dot(rows, { y: "label", x: (row) => row.difference.value * 100, fill: colour(index), r: 5 }),
        Plot.tip(
          rows,
          Plot.pointer({
            y: "label",
            x: (row) => row.difference.value * 100,
            title: (row) =>
              `${plain(row.label)}\n${points(row.difference.value)}\n${count(row.images)} labelled images`,
          }),
        ),
      ],
    }),
    columns: COLUMNS,
    rows,
  });
}

function recallTable(rows, arm) {
  return h(
    "figure",
    { class: "plot" },
    h(
      "figcaption",
      {},
      h("h3", {}, `Recall by condition: ${arm}`),
      h("p", {}, "There are not enough labels yet to compare the arms."),
    ),
    table({ caption: `Recall by condition: ${arm}`, columns: COLUMNS, rows, isDense: true }),
  );
}

function shortened(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
