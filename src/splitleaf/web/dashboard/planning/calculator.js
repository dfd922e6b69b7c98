// How many images, labels and days? Asked again while somebody plans.

import { problemText } from "../elements/errors.js";
import { count, counted, percent } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { isAbort, pause } from "../js/concurrency.js";
import { h } from "../js/dom.js";
import { metricNamed } from "../service/metrics.js";
import { call } from "../shell/api.js";

const REST_MS = 250;
const LIVE = "live";
const SHADOW = "shadow";

/**
 * Return `{element, ask}`. `read` returns what the form holds; `onAnswer` gets the images for the chosen kind.
 * Only the newest question is answered.
 */
export function powerCalculator(read, onAnswer, signal) {
  const answer = h("div", { class: "stack", "aria-live": "polite", "aria-busy": "true" });
  let newest = new AbortController();

  async function ask() {
    newest.abort();
    newest = new AbortController();
    const either = AbortSignal.any([signal, newest.signal]);
    try {
      await pause(REST_MS, either);
      const data = read();
      const sizing = await call("power", { method: "POST", body: questionOf(data), signal: either });
      const chosen = data.get("mode") === "shadow" || data.get("paired") ? SHADOW : LIVE;
      answer.replaceChildren(...answerOf(sizing, chosen));
      onAnswer(sizing[chosen].images);
    } catch (problem) {
      if (isAbort(problem)) return;
      answer.replaceChildren(h("p", { class: "soft" }, problemText(problem)));
    }
    answer.setAttribute("aria-busy", "false");
  }
  return { element: panel("Sample size", answer, { className: "calculator" }), ask };
}

function questionOf(data) {
  const difference = Number(data.get("mde")) / 100;
  return {
    baseline: Number(data.get("baseline")) / 100,
    mde: metricNamed(data.get("metric")).better === "higher" ? difference : -difference,
    share: Math.min(0.99, Math.max(0.01, Number(data.get("share")) / 100)),
    alpha: Number(data.get("alpha")) / 100,
    mistaken: Number(data.get("mistaken")) / 100,
  };
}

function answerOf(sizing, chosen) {
  const traffic = Math.round(sizing.images_per_day);
  return [
    h(
      "p",
      {},
      traffic
        ? `At the current traffic of ${counted(traffic, "image")} a day:`
        : "There was no traffic in the last 24 hours, so the duration is unknown.",
    ),
    h(
      "div",
      { class: "sizes" },
      sizeOf("Shadow or paired", sizing.shadow, chosen === SHADOW),
      sizeOf("Live, not paired", sizing.live, chosen === LIVE),
      sizing.alike && sizeOf("Shadow, similar versions", sizing.alike, false),
    ),
    sizing.alike &&
      h(
        "p",
        { class: "small soft" },
        `Similar versions, for example a quantised one, disagree on ${percent(sizing.disagreement)} of the images. Their accuracies can't differ by more than that, so no labels are needed.`,
      ),
    h(
      "p",
      { class: "small soft" },
      "The interval is tuned to the planned images. If you plan ten times too many, you need up to 1.8 times the labels.",
    ),
    h(
      "p",
      { class: "small soft" },
      "An effect of this size is found with 80 % power, at any number of looks. In shadow, only images on which the versions disagree need a label.",
    ),
  ];
}

function sizeOf(name, size, isChosen) {
  return h(
    "div",
    { class: isChosen ? "size chosen" : "size" },
    h("h3", {}, name),
    h("p", { class: "size-figure" }, counted(size.images, "image")),
    h("p", {}, `${counted(size.labels, "label")}${size.days === null ? "" : ` · ${days(size.days)}`}`),
  );
}

function days(number) {
  return number > 3650 ? "more than ten years" : `${count(number)} ${number === 1 ? "day" : "days"}`;
}
