// The metrics as the service declares them: what can decide, what can be guarded, and how to speak of each.

import { call } from "../shell/api.js";

let declared = new Map();

/** Ask for the metrics, once; whatever speaks of metrics is shown afterwards. */
export async function loadMetrics(signal) {
  if (declared.size) return;
  const { metrics } = await call("metrics", { signal });
  declared = new Map(metrics.map((one) => [one.name, one]));
}

/** Return the metrics that may be `primary`, `secondary` or `guardrail`. */
export function metricsFor(role) {
  return [...declared.values()].filter(({ roles }) => roles.includes(role));
}

export function metricNamed(name) {
  return declared.get(name);
}

export function metricDescription(name) {
  return declared.get(name)?.description ?? name.replaceAll("_", " ");
}
