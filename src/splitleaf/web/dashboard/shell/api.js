// The admin API. Every call goes with the session's cookie, which no script can read.

import { isAbort } from "../js/concurrency.js";
import { Problem, problemFrom } from "../js/problems.js";

const ROOT = "/admin/api/";

/** @type {() => Promise<void>} */
let logInAgain = () => Promise.reject(new Problem("unauthorized", { status: 401 }));

/**
 * Name what asks for a key when the session has ended; it resolves when there is a session again.
 *
 * @param {() => Promise<void>} ask
 */
export function whenSessionEnds(ask) {
  logInAgain = ask;
}

/**
 * Ask the API and return what it answers, parsed. Rejects with Problem, or with AbortError when the signal fires.
 * A session that has ended is opened anew, and the call made again: nothing that was typed in is lost.
 *
 * @typedef {{method?: string, body?: unknown, query?: Record<string, any>, signal?: AbortSignal, isLogin?: boolean}} Options
 *
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any>}
 */
export async function call(path, options = {}) {
  const response = await send(path, options);
  if (response.status !== 401 || options.isLogin) return settle(response);
  await logInAgain();
  return settle(await send(path, options));
}

/** Return the address of something that the browser itself loads. */
export function addressOf(path) {
  return ROOT + path;
}

/** @param {string} path @param {Options} options */
async function send(path, { method = "GET", body, query, signal } = {}) {
  const parameters = new URLSearchParams(
    Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== ""),
  );
  const search = parameters.size ? `?${parameters}` : "";
  const headers = { "Splitleaf-Session": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(addressOf(path) + search, {
      method,
      signal,
      headers,
      cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem("unreachable", {
      detail: "The service does not respond. Check that it is running and that you are online.",
    });
  }
}

async function settle(response) {
  const text = await response.text();
  if (!response.ok) throw problemFrom(response.status, text, response.headers.get("Retry-After"));
  return text ? JSON.parse(text) : null;
}
