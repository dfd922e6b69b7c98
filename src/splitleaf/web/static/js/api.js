// The public interface of the service, as far as this page needs it.

import { aborted, isAbort } from "./concurrency.js";
import { Problem, problemFrom } from "./problems.js";

const ROOT = new URL("v1/", document.baseURI);
const USUAL_LIMIT = 10_000_000; // a proxy that refuses more may cut the connection instead of answering
const FINAL = new Set(["succeeded", "failed", "canceled", "expired"]);

export function isFinal(prediction) {
  return FINAL.has(prediction.status);
}

/** Return a fresh key under which repeated sending of one photo counts once. */
export function newSendingKey() {
  // Not randomUUID: that exists on https alone, and a farm's own server may speak plain http.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Send an image and return the prediction as accepted. `onProgress` gets fractions from 0 to 1.
 * Rejects with Problem, or with AbortError when the signal fires.
 */
export function submit(image, { key, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    // XMLHttpRequest because fetch cannot tell how much of an upload has gone out.
    const request = new XMLHttpRequest();
    request.open("POST", address("predictions"));
    request.setRequestHeader("Prefer", "respond-async");
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => settle(request, resolve, reject);
    request.onerror = () => reject(image.size > USUAL_LIMIT ? new Problem("payload_too_large") : unreachable());
    request.onabort = () => reject(aborted());
    signal.addEventListener("abort", () => request.abort(), { once: true });
    const form = new FormData();
    form.append("file", image, "photo"); // the file's own name is nobody's business
    request.send(form);
  });
}

function settle(request, resolve, reject) {
  if (request.status >= 200 && request.status < 300) {
    try {
      resolve(JSON.parse(request.responseText));
    } catch {
      reject(new Problem("unexpected", { status: request.status }));
    }
  } else {
    reject(problemFrom(request.status, request.responseText, request.getResponseHeader("Retry-After")));
  }
}

/** Return the prediction; the server holds the answer back for up to `waitS` seconds while nothing changes. */
export function read(id, { waitS, signal }) {
  return call(`predictions/${encodeURIComponent(id)}?wait=${waitS}`, { signal });
}

export function openEvents(id) {
  return new EventSource(address(`predictions/${encodeURIComponent(id)}/events`));
}

export function cancel(id) {
  return call(`predictions/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: true });
}

/** Return `{heat}`: rows of cells over the whole image, in percent of the hottest; null where none is offered. */
export function explanation(id) {
  return call(`predictions/${encodeURIComponent(id)}/explanation`);
}

/** Send `{correct: true}` or `{label}`; may be sent again, the last one counts. */
export function sendFeedback(id, answer) {
  return call(`predictions/${encodeURIComponent(id)}/feedback`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(answer),
  });
}

/** @type {Promise<{label: string, display_name: string}[]> | null} */
let labelList = null;

/** Return `[{label, display_name}]`; asked for once, again only after a failure. */
export function labels() {
  labelList ??= call("labels").then(
    (body) => body.labels,
    (error) => {
      labelList = null;
      throw error;
    },
  );
  return labelList;
}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(address(path), { cache: "no-store", ...options });
  } catch (error) {
    throw isAbort(error) ? error : unreachable();
  }
  const text = await response.text().catch(() => "");
  if (!response.ok) throw problemFrom(response.status, text, response.headers.get("Retry-After"));
  return text ? JSON.parse(text) : null;
}

function address(path) {
  return new URL(path, ROOT).href;
}

function unreachable() {
  return new Problem(navigator.onLine ? "unreachable" : "offline", { retryAfterS: 2 });
}
