// A plan in words.

import { count, percent } from "../elements/format.js";
import { facts } from "../elements/panel.js";
import { h } from "../js/dom.js";
import { metricDescription } from "../service/metrics.js";

const MODES = {
  ab: "Live A/B: variants answer different units",
  aa: "A/A: the same version twice, to validate the setup",
  shadow: "Shadow: other versions classify the same images, and their answers are not returned",
};

export function planFacts(plan) {
  const variants = Object.entries(plan.variants).map(([name, { version, share }]) => `${name}: ${version}, ${share} %`);
  const { primary, shadows = [], guardrails = [], ramp = [] } = plan;
  return facts([
    ["Design", MODES[plan.mode]],
    ["Variants", lines(variants)],
    shadows.length > 0 && ["Shadows", lines(shadows.map(shadowWord))],
    ["Primary metric", `${metricDescription(primary.metric)}, better when it ${primary.direction}s`],
    primary.margin > 0 && ["Non-inferiority margin", percent(primary.margin)],
    plan.mde && ["Minimum detectable effect", percent(plan.mde)],
    ["Planned images", count(plan.planned_n)],
    ["Significance level (alpha)", `${percent(plan.alpha ?? 0.05, 0)}, valid at any number of looks`],
    guardrails.length > 0 && ["Guardrails", lines(guardrails.map(guardrailWord))],
    ramp.length > 0 && ["Ramp", lines(ramp.map(stageWord))],
    ["Randomisation", `${plan.unit ?? "visitor"}, ${plan.traffic ?? 100} % of layer ${plan.layer ?? "main"}`],
  ]);
}

function shadowWord({ version, sampling = 100 }) {
  return `${version}, ${sampling} % of the images`;
}

function guardrailWord({ metric, alpha = 0.01, threshold_ms: slow }) {
  return `${metricDescription(metric)}${slow ? ` over ${slow} ms` : ""} (alpha ${alpha})`;
}

function stageWord({ share, min_minutes: minutes, min_n: images }, index) {
  const least = [minutes ? `${minutes} min` : "", images ? `${count(images)} images` : ""]
    .filter(Boolean)
    .join(" and ");
  return `${index + 1}: ${share} %${least ? `, at least ${least}` : ""}`;
}

function lines(texts) {
  return h(
    "ul",
    {},
    texts.map((text) => h("li", {}, text)),
  );
}
