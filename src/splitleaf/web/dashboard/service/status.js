// What is known of the whole service, read in one go, and what is wrong with it.

import { counted } from "../elements/format.js";
import { call } from "../shell/api.js";

/** Return models, aliases, workers, queues and experiments. */
export async function readService(signal) {
  const [{ models }, { aliases }, { workers }, { queues }, { experiments }, { routing }] = await Promise.all(
    ["models", "aliases", "workers", "queue", "experiments", "routing"].map((path) => call(path, { signal })),
  );
  return { models, aliases, workers, queues, experiments, routing };
}

/** Return `{tone, text}` of how a version stands, by what its folder and the workers say. */
export function readinessOf(model) {
  const told = Object.values(model.workers);
  const ready = told.filter((one) => one.startsWith("ready")).length;
  const failed = told.find((one) => one.startsWith("failed"));
  if (model.state === "failed") return { tone: "bad", word: "Failed", reason: model.problem };
  if (model.state === "bare") return { tone: "calm", word: "Not imported", reason: "" };
  if (ready && failed) return { tone: "warn", word: `Ready on ${ready} of ${told.length}`, reason: after(failed) };
  if (ready) return { tone: "good", word: "Ready", reason: "" };
  if (failed) return { tone: "bad", word: "Failed", reason: after(failed) };
  return told.length
    ? { tone: "warn", word: "Loading", reason: "" }
    : { tone: "warn", word: "On no worker", reason: "" };
}

export function isReady(model) {
  return Object.values(model.workers).some((one) => one.startsWith("ready"));
}

/** Return what somebody should look at, worst first, as `{tone, text}`. */
export function problemsOf({ models, aliases, workers, queues }) {
  const bad = servingProblems(models, aliases.champion, workers);
  const warnings = [];
  for (const model of models) {
    const { tone, word, reason } = readinessOf(model);
    if (reason) (tone === "bad" ? bad : warnings).push(`${model.version}: ${word.toLowerCase()}: ${reason}`);
  }
  for (const { version, letters } of deadLettersOf(queues)) {
    warnings.push(
      `${counted(letters, "image")} for ${version} crashed workers and ${letters === 1 ? "needs" : "need"} a decision.`,
    );
  }
  return [...bad.map((text) => ({ tone: "bad", text })), ...warnings.map((text) => ({ tone: "warn", text }))];
}

function servingProblems(models, champion, workers) {
  if (!workers.length) return ["No worker is connected. Images wait in the queue until one starts."];
  const isServed = models.some((one) => one.version === champion && isReady(one));
  return isServed ? [] : [`No worker is ready to serve the champion ${champion}.`];
}

/** Return the versions that have dead letters, with how many. */
export function deadLettersOf(queues) {
  const most = new Map();
  for (const queue of queues) most.set(queue.version, Math.max(most.get(queue.version) ?? 0, queue.dead_letters));
  return [...most].filter(([, letters]) => letters > 0).map(([version, letters]) => ({ version, letters }));
}

function after(status) {
  return status.slice(status.indexOf(":") + 1).trim();
}
