// Following a prediction until it is final: by events, or by asking where events do not come through.

import { isFinal, openEvents, read } from "./api.js";
import { aborted, pause } from "./concurrency.js";
import { Problem } from "./problems.js";

const SILENCE_MS = 12_000; // a proxy that holds events back looks like this
const BROKEN_STREAMS = 3;
const WAIT_S = 20;
const BREATH_MS = 700; // against a server that answers a long-poll at once
const FAILED_READS = 4;

/** Return the final prediction; `onUpdate` gets each state on the way. */
export async function follow(id, { signal, onUpdate }) {
  return (await listen(id, { signal, onUpdate })) ?? (await ask(id, { signal, onUpdate }));
}

/** Resolve with the final prediction, or with null when events do not arrive. */
function listen(id, { signal, onUpdate }) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(aborted());
      return;
    }
    const source = openEvents(id);
    let breaks = 0;
    let silence = setTimeout(finish, SILENCE_MS, null);

    function close() {
      clearTimeout(silence);
      source.close();
      signal.removeEventListener("abort", stop);
    }
    function finish(prediction) {
      close();
      resolve(prediction);
    }
    function stop() {
      close();
      reject(aborted());
    }
    function hear(event) {
      const prediction = parsed(event.data);
      if (!prediction) return;
      breaks = 0;
      clearTimeout(silence);
      silence = setTimeout(finish, SILENCE_MS, null);
      if (isFinal(prediction)) finish(prediction);
      else onUpdate(prediction);
    }

    signal.addEventListener("abort", stop, { once: true });
    for (const name of ["queued", "running", "done"]) source.addEventListener(name, hear);
    source.onerror = () => {
      breaks += 1;
      if (source.readyState === EventSource.CLOSED || breaks >= BROKEN_STREAMS) finish(null);
    };
  });
}

async function ask(id, { signal, onUpdate }) {
  let failures = 0;
  for (;;) {
    try {
      const prediction = await read(id, { waitS: WAIT_S, signal });
      if (isFinal(prediction)) return prediction;
      failures = 0;
      onUpdate(prediction);
      await pause(BREATH_MS, signal);
    } catch (problem) {
      failures += 1;
      if (!(problem instanceof Problem) || !problem.retryAfterS || failures >= FAILED_READS) throw problem;
      await pause(Math.max(problem.retryAfterS, 2 ** failures) * 1000, signal);
    }
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
