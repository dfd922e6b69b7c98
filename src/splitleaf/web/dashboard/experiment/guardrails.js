// What the leading controller sees: how far the stage is, and how close each guardrail is to firing.

import { chip, count, number, when } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { h } from "../js/dom.js";
import { metricDescription } from "../service/metrics.js";

const STATES = {
  watching: ["Watching", "good"],
  learning: ["Learning the latency threshold", "calm"],
  resting: ["Nothing to compare", "calm"],
  fired: ["Fired", "bad"],
};

export function guardrailPanel(control) {
  const { watch, summary, checked_at: checked } = control;
  const isEmpty = watch && !watch.stage.stages && !watch.guardrails.length && Object.keys(watch.split.units).length < 2;
  if (!watch || isEmpty) return null;
  return panel(
    "Ramp and guardrails",
    h(
      "div",
      { class: "stack" },
      h(
        "p",
        {},
        `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`.replace("..", "."),
        checked && h("span", { class: "soft small" }, " Checked ", when(checked), "."),
      ),
      watch.held_by.map((reason) => h("p", { class: "problem" }, reason)),
      stageMeters(watch.stage),
      watch.guardrails.map(guardMeter),
      splitMeter(watch.split),
    ),
  );
}

function stageMeters(stage) {
  if (!stage.stages) return null;
  return h(
    "div",
    { class: "meters" },
    stage.min_minutes > 0 &&
      meter(
        `Duration of stage ${stage.stage + 1}`,
        stage.minutes,
        stage.min_minutes,
        `${number(stage.minutes, 0)} of ${number(stage.min_minutes, 0)} min`,
      ),
    stage.min_images > 0 &&
      meter(
        `Images of stage ${stage.stage + 1}`,
        stage.images,
        stage.min_images,
        `${count(stage.images)} of ${count(stage.min_images)}`,
      ),
  );
}

function guardMeter(guard) {
  const [word, tone] = STATES[guard.state] ?? [guard.state, "calm"];
  const rates = `${count(guard.candidate_bad)} of ${count(guard.candidate_units)} units, control ${count(guard.control_bad)} of ${count(guard.control_units)}`;
  const name = `Guardrail: ${metricDescription(guard.metric)}, ${guard.candidate}`;
  const level = meter(
    name,
    Math.max(0, guard.log_peak),
    guard.log_limit,
    `evidence ${evidenceWord(guard.log_peak)} of ${evidenceWord(guard.log_limit)}`,
    guard.state === "fired" ? "bad" : "warn",
  );
  return h("div", { class: "guard" }, level, h("p", { class: "small soft" }, rates, " ", chip(word, tone)));
}

function splitMeter(split) {
  const level = meter(
    "Evidence of a wrong split",
    Math.max(0, split.log_e),
    split.log_limit,
    `${evidenceWord(split.log_e)} of ${evidenceWord(split.log_limit)}`,
    split.is_off ? "bad" : "warn",
  );
  return h("div", { class: "guard" }, level);
}

function meter(name, value, limit, word, tone = "good") {
  const share = limit > 0 ? Math.min(1, value / limit) : 0;
  return h(
    "div",
    { class: `meter meter-${tone}` },
    h("span", { class: "meter-name" }, name),
    h("span", { class: "meter-word small" }, word),
    h("progress", { value: share, max: 1, "aria-label": `${name}: ${word}` }),
  );
}

function evidenceWord(ln) {
  const value = Math.exp(Math.max(0, ln));
  return value >= 1e6 ? "over a million" : number(value, value < 10 ? 1 : 0);
}
