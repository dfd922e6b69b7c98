// The groups of fields in which an experiment is planned.

import { check, choiceCards, numberField, selectField, textField } from "../elements/fields.js";
import { h } from "../js/dom.js";
import { metricsFor } from "../service/metrics.js";

const KINDS = [
  {
    value: "shadow",
    title: "Shadow",
    text: "The candidate classifies the same images, and its answers are not returned. Needs the fewest images and labels. Start here.",
  },
  {
    value: "ab",
    title: "Live A/B",
    text: "The candidate answers a share of users. Shows how users respond.",
  },
  { value: "aa", title: "A/A", text: "Runs the same version twice to validate the setup." },
];

export function about() {
  return h(
    "div",
    { class: "form" },
    textField({
      name: "key",
      label: "Key",
      required: true,
      pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,63}",
      hint: "A permanent name, for example v2-against-v1.",
    }),
    textField({
      name: "hypothesis",
      label: "Hypothesis",
      rows: 2,
      required: true,
      maxlength: 2000,
      hint: "What you expect, in one sentence.",
    }),
  );
}

export function kind(versions, champion) {
  const other = versions.find((one) => one !== champion) ?? champion;
  return h(
    "div",
    { class: "form" },
    choiceCards({ name: "mode", legend: "Design", options: KINDS, value: "shadow" }),
    h(
      "div",
      { class: "row" },
      selectField({ name: "control", label: "Control", options: versions, value: champion }),
      h(
        "div",
        { class: "not-aa" },
        selectField({ name: "candidate", label: "Candidate", options: versions, value: other }),
      ),
    ),
    h(
      "div",
      { class: "not-shadow form" },
      h(
        "div",
        { class: "row" },
        numberField({
          name: "share",
          label: "Candidate's final share",
          unit: "%",
          value: 50,
          min: 0.01,
          max: 99.99,
          step: 0.01,
        }),
        textField({ name: "stages", label: "Earlier stages (%, optional)", value: "1, 5, 25" }),
        numberField({ name: "min_minutes", label: "Minimum stage duration", unit: "min", value: 60, min: 0 }),
        numberField({ name: "min_n", label: "Minimum images per stage", unit: "", value: 200, min: 0 }),
      ),
      h(
        "div",
        { class: "only-ab" },
        check({
          name: "paired",
          label: "Also run the other version in shadow on each image, so that one label counts for both",
          checked: true,
        }),
      ),
    ),
    h(
      "div",
      { class: "only-shadow" },
      numberField({
        name: "sampling",
        label: "Images classified in shadow",
        unit: "%",
        value: 100,
        min: 0.01,
        max: 100,
        step: 0.01,
      }),
    ),
  );
}

export function decision() {
  const metrics = metricsFor("primary");
  const names = Object.fromEntries(metrics.map(({ name, description }) => [name, description]));
  return h(
    "div",
    { class: "form" },
    h(
      "div",
      { class: "row" },
      selectField({
        name: "metric",
        label: "Metric",
        options: Object.keys(names),
        names,
        value: metrics[0].name,
      }),
      numberField({
        name: "margin",
        label: "Non-inferiority margin",
        unit: "%",
        value: 1,
        min: 0,
        max: 100,
        step: 0.1,
      }),
      h(
        "div",
        { class: "only-threshold" },
        numberField({ name: "slow_primary", label: "Latency threshold", unit: "ms", value: 250, min: 1 }),
      ),
    ),
    h(
      "div",
      { class: "row" },
      numberField({
        name: "baseline",
        label: "Expected value of control",
        unit: "%",
        value: 90,
        min: 0.1,
        max: 99.9,
        step: 0.1,
      }),
      numberField({
        name: "mistaken",
        label: "Expected label errors",
        unit: "%",
        value: 0,
        min: 0,
        max: 40,
        step: 0.5,
      }),
      numberField({
        name: "mde",
        label: "Minimum detectable effect",
        unit: "pp",
        value: 2,
        min: 0.1,
        max: 99,
        step: 0.1,
      }),
      numberField({
        name: "alpha",
        label: "Significance level",
        unit: "%",
        value: 5,
        min: 0.1,
        max: 50,
        step: 0.1,
      }),
    ),
    plannedImages(),
  );
}

function plannedImages() {
  const field = numberField({
    name: "planned_n",
    label: "Planned images",
    unit: "",
    value: 1000,
    min: 1,
    hint: "Set by the calculator until you enter a value.",
  });
  const input = /** @type {HTMLInputElement} */ (field.querySelector("input"));
  input.addEventListener("input", () => {
    input.dataset.typed = "yes";
  });
  return field;
}

export function guards() {
  return h(
    "div",
    { class: "form guards" },
    h(
      "p",
      { class: "hint" },
      "If an exact test finds that the candidate is worse on one of these metrics, the experiment ends automatically.",
    ),
    metricsFor("guardrail").map(guardChoice),
  );
}

function guardChoice({ name, description, is_vital: isVital, needs_threshold: needsThreshold }) {
  const label = description.charAt(0).toUpperCase() + description.slice(1);
  return h(
    "div",
    { class: "guard-choice" },
    check({ name: `guard_${name}`, label, checked: isVital }),
    needsThreshold &&
      h(
        "div",
        { class: "only-guarded" },
        numberField({ name: `threshold_${name}`, label: "Latency threshold", unit: "ms", value: 250, min: 1 }),
      ),
  );
}

export function who() {
  return h(
    "div",
    { class: "form" },
    h(
      "div",
      { class: "row" },
      selectField({
        name: "unit",
        label: "Randomisation unit",
        options: ["visitor", "device", "person"],
        value: "visitor",
      }),
      numberField({
        name: "traffic",
        label: "Share of traffic",
        unit: "%",
        value: 100,
        min: 0.01,
        max: 100,
        step: 0.01,
      }),
      textField({ name: "layer", label: "Layer", value: "main", required: true }),
    ),
    h("p", { class: "hint" }, "Experiments in the same layer never share a unit."),
  );
}
