// Dead letters: images that took workers down.

import { ask } from "../elements/dialog.js";
import { call } from "../shell/api.js";

export function askRetry(letter) {
  return ask({
    title: "Try this image again?",
    text: "It goes back into the queue as a new prediction. If it takes a worker down again, it comes back here.",
    confirm: "Try again",
    done: "The image is in the queue again.",
    action: ({ reason }) => call(`${path(letter)}/retry`, { method: "POST", body: { reason } }),
  });
}

export function askDiscard(letter) {
  return ask({
    title: "Discard this image?",
    text: "It is removed for good. Its prediction has failed already.",
    confirm: "Discard",
    isDangerous: true,
    done: "The image is discarded.",
    action: ({ reason }) => call(path(letter), { method: "DELETE", query: { reason } }),
  });
}

function path({ version, token }) {
  return `dead-letters/${encodeURIComponent(version)}/${encodeURIComponent(token)}`;
}
