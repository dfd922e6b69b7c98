// Building elements without markup strings: nothing that a server or a file name says is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Create an element; `attributes` with a leading "on" are listeners, `true`/`false` set or omit an attribute.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes]
 * @param {...any} children elements, text, and lists of them; null, undefined and false are left out
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** @param {string} name @param {string} [className] */
export function icon(name, className = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * @param {string} label
 * @param {{onclick: (event: any) => unknown, className?: string, iconName?: string | null, [attribute: string]: any}} options
 */
export function button(label, { onclick, className = "button", iconName = null, ...attributes }) {
  return h("button", { type: "button", class: className, onclick, ...attributes }, iconName && icon(iconName), label);
}

/**
 * Return the element of the page with this id, which must be there.
 *
 * @param {string} id
 * @returns {any} what kind of element it is stands in the HTML
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element "${id}"`);
  return found;
}

let counter = 0;

/** Return an id that no other element of this page has. @param {string} prefix */
export function freshId(prefix) {
  counter += 1;
  return `${prefix}-${counter}`;
}

/** @param {Element} element */
export function calmScroll(element) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "nearest" });
}
