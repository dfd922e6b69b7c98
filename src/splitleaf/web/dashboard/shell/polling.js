// Keeping a page up to date.

import { problemNote } from "../elements/errors.js";
import { isAbort, pause } from "../js/concurrency.js";

/**
 * Do `task` now and again each `everyMs`, for as long as the signal has not fired. A hidden page rests. The first
 * failure is thrown; a later one is told to `onProblem` (null once it is over), and what is shown stays.
 */
export async function poll(task, { everyMs, signal, onProblem }) {
  await task();
  repeat(task, everyMs, signal, onProblem).catch((error) => {
    if (!isAbort(error)) throw error;
  });
}

async function repeat(task, everyMs, signal, onProblem) {
  let failures = 0;
  for (;;) {
    await pause(everyMs * Math.min(8, 2 ** failures), signal);
    await visible(signal);
    try {
      await task();
      if (failures) onProblem(null);
      failures = 0;
    } catch (error) {
      if (isAbort(error) || signal.aborted) throw error;
      failures += 1;
      onProblem(error);
    }
  }
}

/** @param {AbortSignal} signal @returns {Promise<void>} */
function visible(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => !document.hidden && resolve();
    document.addEventListener("visibilitychange", look, { signal });
  });
}

/** Return an `onProblem` that says in `place` that what is shown is old. */
export function problemIn(place) {
  return (problem) => place.replaceChildren(...(problem ? [problemNote(problem)] : []));
}

const shown = new WeakMap();

/**
 * Fill `place` with what `build` makes of `data`, unless it shows that already. Focus and open details stay.
 *
 * @param {any} place
 * @param {any} data
 * @param {(data: any) => any} build
 */
export function fill(place, data, build) {
  const text = JSON.stringify(data);
  if (shown.get(place) === text) return;
  shown.set(place, text);
  const open = new Set([...place.querySelectorAll("details[open][data-key]")].map((one) => one.dataset.key));
  const focused = place.querySelector(":focus")?.dataset.key;
  place.replaceChildren(...[build(data)].flat().filter(Boolean));
  for (const one of place.querySelectorAll("details[data-key]")) if (open.has(one.dataset.key)) one.open = true;
  if (focused) [...place.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused)?.focus();
}
