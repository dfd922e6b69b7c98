// The groups of fields in which an experiment is planned.

import { check, choiceCards, numberField, selectField, textField } from "../elements/fields.js";
import { h } from "../js/dom.js";
import { metricsFor } from "../service/metrics.js";

const KINDS = [
  {
    value: "shadow",
    title: "Shadow",
    text: "The other version scores the same images unseen. Fewest images and labels; nobody notices anything. Begin here.",
  },
  {
    value: "ab",
    title: "Live A/B",
    text: "A part of the visitors is answered by the candidate. Tells what users make of it.",
  },
  { value: "aa", title: "A/A", text: "Twice the same version: shows that the test itself is sound." },
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
      hint: "Its name for ever, for example v2-against-v1.",
    }),
    textField({
      name: "hypothesis",
      label: "Hypothesis",
      rows: 2,
      required: true,
      maxlength: 2000,
      hint: "What you believe, in a sentence.",
    }),
  );
}

export function kind(versions, champion) {
  const other = versions.find((one) => one !== champion) ?? champion;
  return h(
    "div",
    { class: "form" },
    choiceCards({ name: "mode", legend: "Kind", options: KINDS, value: "shadow" }),
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
          label: "Candidate's share at the end",
          unit: "%",
          value: 50,
          min: 0.01,
          max: 99.99,
          step: 0.01,
        }),
        textField({ name: "stages", label: "Stages before (%; empty: none)", value: "1, 5, 25" }),
        numberField({ name: "min_minutes", label: "Least time of a stage", unit: "min", value: 60, min: 0 }),
        numberField({ name: "min_n", label: "Least images of a stage", unit: "", value: 200, min: 0 }),
      ),
      h(
        "div",
        { class: "only-ab" },
        check({
          name: "paired",
          label: "Let each image also be scored unseen by the other version: a label then counts for both",
          checked: true,
        }),
      ),
    ),
    h(
      "div",
      { class: "only-shadow" },
      numberField({
        name: "sampling",
        label: "Images that are scored unseen",
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
        label: "The one measure that decides",
        options: Object.keys(names),
        names,
        value: metrics[0].name,
      }),
      numberField({
        name: "margin",
        label: "“Not worse” may be worse by",
        unit: "%",
        value: 1,
        min: 0,
        max: 100,
        step: 0.1,
      }),
      h(
        "div",
        { class: "only-threshold" },
        numberField({ name: "slow_primary", label: "Slow is above", unit: "ms", value: 250, min: 1 }),
      ),
    ),
    h(
      "div",
      { class: "row" },
      numberField({
        name: "baseline",
        label: "What control achieves, about",
        unit: "%",
        value: 90,
        min: 0.1,
        max: 99.9,
        step: 0.1,
      }),
      numberField({
        name: "mistaken",
        label: "Labels that are mistaken, about",
        unit: "%",
        value: 0,
        min: 0,
        max: 40,
        step: 0.5,
      }),
      numberField({
        name: "mde",
        label: "Smallest difference that matters",
        unit: "pp",
        value: 2,
        min: 0.1,
        max: 99,
        step: 0.1,
      }),
      numberField({
        name: "alpha",
        label: "Chance of a false verdict",
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
    hint: "From the calculator, unless you say otherwise.",
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
      "Exact evidence that the candidate is worse in one of these ends the experiment by itself.",
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
        numberField({ name: `threshold_${name}`, label: "Slow is above", unit: "ms", value: 250, min: 1 }),
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
        label: "Who is randomised",
        options: ["visitor", "device", "person"],
        value: "visitor",
      }),
      numberField({ name: "traffic", label: "Of all units", unit: "%", value: 100, min: 0.01, max: 100, step: 0.01 }),
      textField({ name: "layer", label: "Layer", value: "main", required: true }),
    ),
    h(
      "p",
      { class: "hint" },
      "Experiments of one layer never meet the same visitor: what one takes, another cannot have.",
    ),
  );
}
