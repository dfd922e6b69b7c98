// The frames in which things stand.

import { freshId, h } from "../js/dom.js";

/**
 * Return a section with a heading; `tools` stand beside it.
 *
 * @param {string} title
 * @param {any} content
 * @param {{tools?: Element[], className?: string, hint?: string}} [options]
 */
export function panel(title, content, { tools = [], className = "", hint = "" } = {}) {
  const id = freshId("panel");
  return h(
    "section",
    { class: `panel ${className}`.trim(), "aria-labelledby": id },
    h(
      "div",
      { class: "panel-head" },
      h("h2", { id }, title),
      tools.length ? h("div", { class: "buttons" }, tools) : null,
    ),
    hint && h("p", { class: "hint" }, hint),
    content,
  );
}

/**
 * Return the head of a page.
 *
 * @param {any} title
 * @param {{lede?: any, tools?: Element[], back?: [address: string, name: string] | null}} [options]
 */
export function pageHead(title, { lede = null, tools = [], back = null } = {}) {
  return h(
    "div",
    { class: "page-head" },
    h(
      "div",
      {},
      back && h("p", { class: "back" }, h("a", { href: back[0] }, `← ${back[1]}`)),
      h("h1", {}, ...[title].flat()),
      lede && h("p", { class: "page-lede" }, ...[lede].flat()),
    ),
    tools.length ? h("div", { class: "buttons" }, tools) : null,
  );
}

/** Return a large figure with its name, for a row of them. */
export function tile(name, value, { note = "", tone = "" } = {}) {
  return h(
    "div",
    { class: `tile ${tone}`.trim() },
    h("dt", {}, name),
    h("dd", {}, h("span", { class: "figure" }, value), note && h("span", { class: "note" }, note)),
  );
}

export function tiles(...all) {
  return h("dl", { class: "tiles" }, all.flat());
}

/** Return names with their values. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.filter(Boolean).map(([name, ...value]) => h("div", {}, h("dt", {}, name), h("dd", {}, ...value))),
  );
}
