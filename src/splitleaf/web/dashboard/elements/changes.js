// What was before and is after, as a list of what differs.

import { h, icon } from "../js/dom.js";
import { chip } from "./format.js";

const MAX_INLINE = 6;
const ACTIONS = {
  create: ["Created", "calm"],
  edit: ["Edited the plan", "calm"],
  start: ["Started", "good"],
  pause: ["Paused", "warn"],
  resume: ["Resumed", "good"],
  ramp: ["Ramped", "good"],
  stop: ["Stopped", "warn"],
  promote: ["Promoted", "good"],
  reject: ["Rejected", "warn"],
  roll_back: ["Rolled back", "bad"],
  move: ["Moved", "calm"],
  split: ["Split", "calm"],
  revoke: ["Revoked", "warn"],
  retry: ["Retried", "calm"],
  discard: ["Discarded", "warn"],
  end_split: ["Ended the split", "calm"],
};

/** Return what was done as a chip. */
export function actionChip(action) {
  const [word, tone] = ACTIONS[action] ?? [action.replaceAll("_", " "), "calm"];
  return chip(word, tone);
}

/** Return the differences of two JSON objects (either may be null); null where there are none. */
export function changeOf(before, after) {
  const rows = differences(before, after);
  if (!rows.length) return null;
  const list = h(
    "dl",
    { class: "changes" },
    rows.map(([path, old, fresh]) =>
      h(
        "div",
        {},
        h("dt", {}, path),
        h(
          "dd",
          {},
          old !== undefined && h("del", {}, old),
          old !== undefined && " → ",
          h("ins", {}, fresh ?? "nothing"),
        ),
      ),
    ),
  );
  if (rows.length <= MAX_INLINE) return list;
  return h("details", { class: "more" }, h("summary", {}, icon("chevron"), `${rows.length} changes`), list);
}

function differences(before, after) {
  const old = flat(before);
  const fresh = flat(after);
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])]
    .filter((path) => old[path] !== fresh[path])
    .map((path) => [path, old[path], fresh[path]]);
}

/** Return path -> text for every leaf: {"shares.control": "50"}. */
function flat(value, path = "", found = {}) {
  const entries = value !== null && typeof value === "object" ? Object.entries(value) : [];
  for (const [name, one] of entries) flat(one, path ? `${path}.${name}` : name, found);
  if (!entries.length && path) found[path] = textOf(value);
  return found;
}

function textOf(value) {
  if (value === null || value === "") return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}
