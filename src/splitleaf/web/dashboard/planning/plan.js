// From what a form holds to a plan, as docs/reference/experiments.md has it.

import { metricNamed, metricsFor } from "../service/metrics.js";

export function planOf(data) {
  const mode = data.get("mode");
  const metric = data.get("metric");
  return {
    key: data.get("key"),
    hypothesis: data.get("hypothesis"),
    mode,
    unit: data.get("unit"),
    layer: data.get("layer"),
    traffic: number(data, "traffic"),
    variants: variantsOf(data, mode),
    ...listUnlessEmpty("shadows", shadowsOf(data, mode)),
    primary: {
      metric,
      direction: metricNamed(metric).direction,
      margin: share(data, "margin"),
      ...(metricNamed(metric).needs_threshold ? { threshold_ms: number(data, "slow_primary") } : {}),
    },
    ...listUnlessEmpty("guardrails", mode === "shadow" ? [] : guardrailsOf(data)),
    alpha: share(data, "alpha"),
    mde: share(data, "mde"),
    planned_n: number(data, "planned_n"),
    ...listUnlessEmpty("ramp", mode === "shadow" ? [] : rampOf(data)),
  };
}

function variantsOf(data, mode) {
  const control = { version: data.get("control"), share: 100 };
  if (mode === "shadow") return { control };
  const candidate = {
    version: mode === "aa" ? data.get("control") : data.get("candidate"),
    share: number(data, "share"),
  };
  control.share = round(100 - candidate.share);
  return { control, candidate };
}

function shadowsOf(data, mode) {
  const version = data.get("candidate");
  if (mode === "shadow") return [{ version, sampling: number(data, "sampling") }];
  if (mode === "aa" || !data.get("paired")) return [];
  return [{ version: data.get("control") }, { version }];
}

function guardrailsOf(data) {
  return metricsFor("guardrail")
    .filter(({ name }) => data.get(`guard_${name}`))
    .map(({ name, needs_threshold: needs }) =>
      needs ? { metric: name, threshold_ms: number(data, `threshold_${name}`) } : { metric: name },
    );
}

function rampOf(data) {
  const steps = data
    .get("stages")
    .split(/[\s,;]+/)
    .filter(Boolean)
    .map(Number);
  if (!steps.length) return [];
  const least = { min_minutes: number(data, "min_minutes"), min_n: number(data, "min_n") };
  return [...steps.map((one) => ({ share: one, ...least })), { share: number(data, "share") }];
}

function listUnlessEmpty(name, list) {
  return list.length ? { [name]: list } : {};
}

function share(data, name) {
  return round(number(data, name) / 100);
}

function number(data, name) {
  return Number(data.get(name));
}

function round(value) {
  return Number(value.toFixed(6)); // 0.07 and not 0.07000000000000001
}
