// A plan in words.

import { count, percent } from "../elements/format.js";
import { facts } from "../elements/panel.js";
import { h } from "../js/dom.js";
import { metricWord } from "../service/metrics.js";

const MODES = {
  ab: "live A/B: variants answer different visitors",
  aa: "A/A: twice the same version, to test the test",
  shadow: "shadow: other versions score the same images unseen",
};

export function planFacts(plan) {
  const variants = Object.entries(plan.variants).map(([name, { version, share }]) => `${name}: ${version}, ${share} %`);
  const { primary, shadows = [], guardrails = [], ramp = [] } = plan;
  return facts([
    ["Kind", MODES[plan.mode]],
    ["Variants", lines(variants)],
    shadows.length > 0 && ["Shadows", lines(shadows.map(shadowWord))],
    ["Decided by", `${metricWord(primary.metric)}, better when it ${primary.direction}s`],
    primary.margin > 0 && ["“Not worse” means", `at most ${percent(primary.margin)} worse`],
    plan.mde && ["Smallest difference that matters", percent(plan.mde)],
    ["Planned images", count(plan.planned_n)],
    ["Chance of a false verdict", `at most ${percent(plan.alpha ?? 0.05, 0)}, however often one looks`],
    guardrails.length > 0 && ["Guardrails", lines(guardrails.map(guardrailWord))],
    ramp.length > 0 && ["Ramp", lines(ramp.map(stageWord))],
    ["Who is randomised", `${plan.unit ?? "visitor"}, ${plan.traffic ?? 100} % of layer ${plan.layer ?? "main"}`],
  ]);
}

function shadowWord({ version, sampling = 100 }) {
  return `${version}, ${sampling} % of the images`;
}

function guardrailWord({ metric, alpha = 0.01, threshold_ms: slow }) {
  return `${metricWord(metric)}${slow ? ` over ${slow} ms` : ""} (alpha ${alpha})`;
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
