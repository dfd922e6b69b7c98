// Tables that become lists of cards where the window is narrow.

import { h } from "../js/dom.js";

// More do not fit everywhere: such a table can be scrolled sideways by itself. A dense one never becomes cards.
const MOST_COLUMNS = 6;
const MOST_DENSE_COLUMNS = 3;

/**
 * Return a table. A column is `{name, value, number, says}`: `value(row)` is text or an element, `number` aligns it
 * to the right, `long` may break anywhere, `says` is heard in place of a name that is not shown.
 * `isFramed`: what it stands in can be scrolled already. Roles are written out because a style that lays a table out as cards takes them away.
 *
 * @typedef {{name: string, value: (row: any) => any, number?: boolean, long?: boolean, says?: string}} Column
 *
 * @param {{caption: string, columns: Column[], rows: any[], empty?: string, isDense?: boolean, isFramed?: boolean}} options
 */
export function table({ caption, columns, rows, empty = "Nothing yet.", isDense = false, isFramed = false }) {
  if (rows.length === 0) return h("p", { class: "nothing" }, empty);
  const head = columns.map((column) =>
    h(
      "th",
      { scope: "col", role: "columnheader", class: column.number ? "number" : null },
      column.name || h("span", { class: "visually-hidden" }, column.says),
    ),
  );
  const element = h(
    "table",
    { class: isDense ? "table dense" : "table", role: "table" },
    h("caption", { class: "visually-hidden" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h(
      "tbody",
      { role: "rowgroup" },
      rows.map((row) =>
        h(
          "tr",
          { role: "row" },
          columns.map((column, index) => cell(column, row, index === 0)),
        ),
      ),
    ),
  );
  if (isFramed || columns.length <= (isDense ? MOST_DENSE_COLUMNS : MOST_COLUMNS)) return element;
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, element);
}

function cell(column, row, isFirst) {
  const attributes = {
    class: [column.number && "number", column.long && "long"].filter(Boolean).join(" ") || null,
    "data-name": column.name || null,
  };
  const content = [column.value(row)].flat();
  return isFirst
    ? h("th", { ...attributes, scope: "row", role: "rowheader" }, ...content)
    : h("td", { ...attributes, role: "cell" }, h("span", { class: "cell" }, ...content));
}
