// Dead letters: images that crashed workers.

import { ask } from "../elements/dialog.js";
import { call } from "../shell/api.js";

export function askRetry(letter) {
  return ask({
    title: "Retry this image?",
    text: "The image returns to the queue as a new prediction. If it crashes a worker again, it returns to this list.",
    confirm: "Retry",
    done: "The image is back in the queue.",
    action: ({ reason }) => call(`${path(letter)}/retry`, { method: "POST", body: { reason } }),
  });
}

export function askDiscard(letter) {
  return ask({
    title: "Discard this image?",
    text: "The image is deleted permanently. Its prediction has already failed.",
    confirm: "Discard",
    isDangerous: true,
    done: "The image is discarded.",
    action: ({ reason }) => call(path(letter), { method: "DELETE", query: { reason } }),
  });
}

function path({ version, token }) {
  return `dead-letters/${encodeURIComponent(version)}/${encodeURIComponent(token)}`;
}
