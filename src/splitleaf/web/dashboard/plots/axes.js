// Axes that several plots have alike.

import { clock, clockSeconds, weekday } from "../elements/format.js";

const DAY_MS = 86_400_000;
const BRIEF_MS = 600_000; // within which several ticks would say the same minute

/** Return options for an axis of time between two moments: seconds of some minutes, hours of one day, else days. */
export function timeAxis(start, end, { isNarrow }) {
  const isLong = end - start > 2.5 * DAY_MS;
  const time = end - start < BRIEF_MS ? clockSeconds : clock;
  return {
    type: "time",
    label: null,
    domain: [new Date(start), new Date(end)],
    ticks: isNarrow ? 3 : 6,
    tickFormat: (date) => (isLong || isMidnight(date) ? weekday(date) : time(date)),
  };
}

function isMidnight(date) {
  return date.getHours() === 0 && date.getMinutes() === 0;
}

/** Return a rule with a word at its end, for limits and thresholds. */
export function limit(Plot, { y, word, tone = "var(--ink-soft)", below = false }) {
  return [
    Plot.ruleY([y], { stroke: tone, strokeDasharray: "5,4", strokeWidth: 1.5 }),
    Plot.text([word], {
      y,
      text: (one) => one,
      frameAnchor: "right",
      textAnchor: "end",
      dy: below ? 9 : -9,
      fill: tone,
      stroke: "var(--card)",
      strokeWidth: 4,
    }),
  ];
}
