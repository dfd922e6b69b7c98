// Plots with a word for those who do not see them, and a table of what is drawn.

import { table } from "../elements/table.js";
import { h, icon } from "../js/dom.js";

const HEIGHT = 240;
const NARROW = 520;

/** @type {Promise<typeof import("../vendor/plot.js")> | null} */
let library = null;

/** The colour of the n-th series; the style sheets change them with the theme. */
export function colour(index) {
  return `var(--series-${index % 6})`;
}

/**
 * Return a figure. `summary` says in words what the plot shows. `draw(Plot, space)` returns the options of
 * `Plot.plot` for the width that is there and is called again when that changes. `columns` and `rows` are its table.
 *
 * @param {{title: string, summary: string, note?: string, height?: number, columns?: Column[], rows?: any[],
 *   legend?: {name: string, index: number, isDashed?: boolean}[],
 *   draw: (Plot: any, space: {width: number, height: number, isNarrow: boolean}) => any}} options
 *
 * @typedef {import("../elements/table.js").Column} Column
 */
export function plotFigure({ title, summary, note = "", legend = [], draw, height = HEIGHT, columns, rows }) {
  const drawing = h("div", { class: "drawing", role: "img", "aria-label": `${title}. ${summary}` });
  const figure = h(
    "figure",
    { class: "plot" },
    h("figcaption", {}, h("h3", {}, title), note && h("p", {}, note)),
    legend.length > 1 ? legendOf(legend) : null,
    drawing,
    columns && tableOf(title, columns, rows),
  );
  keepDrawn(drawing, draw, height);
  return figure;
}

function legendOf(entries) {
  return h(
    "ul",
    { class: "legend" },
    entries.map(({ name, index, isDashed }) =>
      h("li", {}, h("span", { class: `swatch colour-${index % 6}${isDashed ? " swatch-line dashed" : ""}` }), name),
    ),
  );
}

function tableOf(title, columns, rows) {
  const body = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table` });
  const details = h(
    "details",
    { class: "more", "data-key": `table of ${title}` },
    h("summary", {}, icon("chevron"), "As a table"),
    body,
  );
  details.addEventListener("toggle", () => {
    if (details.open && !body.hasChildNodes())
      body.append(table({ caption: title, columns, rows, isDense: true, isFramed: true }));
  });
  return details;
}

function keepDrawn(drawing, draw, height) {
  let drawnFor = 0;
  const observer = new ResizeObserver(async ([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width === 0 || width === drawnFor) return;
    drawnFor = width;
    library ??= import("../vendor/plot.js");
    const Plot = await library;
    if (width !== drawnFor) return; // it has changed again meanwhile
    drawing.replaceChildren(paint(Plot, draw, { width, height, isNarrow: width < NARROW }));
  });
  observer.observe(drawing);
}

function paint(Plot, draw, space) {
  const { marks, ...options } = draw(Plot, space);
  const svg = Plot.plot({
    width: space.width,
    height: space.height,
    marginLeft: 48,
    marginRight: 28,
    marginTop: 22,
    className: "plot-svg",
    ...options,
    marks: marks.flat().filter(Boolean),
  });
  // The library brings a style element along, which our content security policy refuses; plots.css says the same.
  for (const style of svg.querySelectorAll("style")) style.remove();
  svg.setAttribute("aria-hidden", "true"); // the figure's own words and table stand for it
  return svg;
}
