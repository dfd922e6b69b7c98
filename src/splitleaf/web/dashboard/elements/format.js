// Numbers, times and states as people read them.

import { h } from "../js/dom.js";

const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const RELATIVE = new Intl.RelativeTimeFormat("en-GB", { numeric: "auto" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const SHORT = new Intl.NumberFormat("en-GB", { notation: "compact" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
const NOTHING = "–";

export function count(value) {
  return value === null || value === undefined ? NOTHING : WHOLE.format(value);
}

/** Return a number for an axis: 200, 9,500, 12K. */
export function short(value) {
  return value < 10_000 ? WHOLE.format(value) : SHORT.format(value);
}

/** Return "1 image", "2 images". */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Return a share as percent: 0.9667 -> "96.7 %". */
export function percent(share, digits = 1) {
  return share === null || share === undefined ? NOTHING : `${number(share * 100, digits)} %`;
}

/** Return a difference of shares in percentage points, with its sign. */
export function points(difference, digits = 1) {
  if (difference === null || difference === undefined) return NOTHING;
  return `${signed(difference * 100, digits)} pp`;
}

/** Return "1.2 to 3.4 %": two formatted numbers with their common unit once. */
export function range(low, high) {
  const unit = high.slice(high.lastIndexOf(" "));
  return `${unit.startsWith(" ") && low.endsWith(unit) ? low.slice(0, -unit.length) : low} to ${high}`;
}

export function signed(value, digits = 1) {
  const text = number(Math.abs(value), digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}

export function number(value, digits = 1) {
  return value === null || value === undefined ? NOTHING : value.toFixed(digits).replace("-", "−");
}

export function milliseconds(value) {
  if (value === null || value === undefined) return NOTHING;
  if (value >= 10_000) return `${number(value / 1000, 1)} s`;
  return `${number(value, value < 10 ? 1 : 0)} ms`;
}

export function bytes(value) {
  if (value === null || value === undefined) return NOTHING;
  const units = ["B", "kB", "MB", "GB"];
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(value) / 3));
  return `${number(value / 1000 ** power, power === 0 ? 0 : 1)} ${units[power]}`;
}

function ago(milliseconds_) {
  const seconds = (milliseconds_ - Date.now()) / 1000;
  /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
  const steps = [
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ];
  for (const [unit, length] of steps) {
    if (Math.abs(seconds) >= length) return RELATIVE.format(Math.round(seconds / length), unit);
  }
  return "just now";
}

/** Return a `<time>` that says how long ago, and when exactly on demand. */
export function when(moment) {
  if (moment === null || moment === undefined) return NOTHING;
  const date = new Date(moment);
  return h("time", { datetime: date.toISOString(), title: MOMENT.format(date) }, ago(date.getTime()));
}

export function moment(value) {
  return value === null || value === undefined ? NOTHING : MOMENT.format(new Date(value));
}

export function clock(value) {
  return CLOCK.format(new Date(value));
}

/** Return the time of day with its seconds, for what lasts minutes. */
export function clockSeconds(value) {
  return SECONDS.format(new Date(value));
}

export function day(value) {
  return DAY.format(new Date(value));
}

export function weekday(value) {
  return WEEKDAY.format(new Date(value));
}

/** Return "3 days", "2 h 10 min" for a length of time. */
export function duration(milliseconds_) {
  const minutes = Math.floor(milliseconds_ / 60_000);
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return counted(minutes, "minute");
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : counted(hours, "hour");
  return counted(Math.floor(hours / 24), "day");
}

/** Return the first characters of a digest; the whole of it on demand. */
export function digest(value) {
  return value ? h("code", { class: "digest", title: value }, value.slice(0, 12)) : NOTHING;
}

const STATES = {
  draft: ["Draft", "calm"],
  running: ["Running", "good"],
  paused: ["Paused", "warn"],
  stopped: ["Stopped", "warn"],
  promoted: ["Promoted", "good"],
  rejected: ["Rejected", "calm"],
  rolled_back: ["Rolled back", "bad"],
};

/** Return the state of an experiment as a chip. */
export function stateChip(state) {
  const [word, tone] = STATES[state] ?? [state, "calm"];
  return chip(word, tone);
}

/** Return a short word on a coloured ground; `tone` is good, warn, bad or calm. The word alone says it all. */
export function chip(word, tone = "calm") {
  return h("span", { class: `chip chip-${tone}` }, word);
}

/** Return a label as words: "Late_blight" -> "Late blight". */
export function plain(label) {
  return label.replaceAll("_", " ");
}
