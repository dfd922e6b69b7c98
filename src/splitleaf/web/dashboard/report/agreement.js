// What two versions said of the same images, and the images on which they differ.

import { count, counted, percent, plain } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { h } from "../js/dom.js";
import { addressOf } from "../shell/api.js";

const LEVELS = 5;
const SHOWN = 12;
const FEW = 6; // conditions, whose cells may be large

export function agreementSection(agreements, imagesAreKept) {
  const parts = agreements.filter((one) => one.images > 0).map((one) => agreementOf(one, imagesAreKept));
  return parts.length ? panel("Where the versions disagree", h("div", { class: "stack" }, parts)) : null;
}

function agreementOf(agreement, imagesAreKept) {
  const { control_version: control, other_version: other, images } = agreement;
  const share = agreement.agreement ? percent(agreement.agreement.value) : "–";
  return h(
    "div",
    { class: "stack" },
    h("p", {}, `${control} and ${other} agree on ${share} of ${counted(images, "image")}.`),
    h("div", { class: "pair plots" }, matrix(agreement), disagreements(agreement)),
    agreement.examples.length > 0 && gallery(agreement, imagesAreKept),
  );
}

function matrix({ labels, matrix: rows, control_version: control, other_version: other }) {
  const most = Math.max(1, ...rows.flatMap((row, from) => row.filter((_, to) => from !== to)));
  return h(
    "div",
    {},
    h("h3", {}, "Answers side by side"),
    h(
      "p",
      { class: "small soft" },
      `Rows: ${control}. Columns: ${other}. Darker cells are more frequent. On the diagonal, the versions agree.`,
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `Answers of ${control} and ${other}` },
      h(
        "table",
        { class: labels.length > FEW ? "matrix" : "matrix few" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("td", {}),
            labels.map((label) => h("th", { scope: "col" }, h("span", {}, plain(label)))),
          ),
        ),
        h(
          "tbody",
          {},
          rows.map((row, from) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, plain(labels[from])),
              row.map((images, to) =>
                h("td", { class: from === to ? "same" : `shade-${shade(images, most)}` }, count(images)),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

function shade(images, most) {
  return images === 0 ? 0 : Math.max(1, Math.round(Math.sqrt(images / most) * LEVELS));
}

function disagreements({ disagreements: rows, control_version: control, other_version: other }) {
  return h(
    "div",
    {},
    h("h3", {}, "Most frequent disagreements"),
    table({
      caption: "Most frequent disagreements",
      isDense: true,
      empty: "The versions never disagree.",
      columns: [
        { name: control, value: (row) => plain(row.control_label) },
        { name: other, value: (row) => plain(row.other_label) },
        { name: "Images", value: (row) => count(row.images), number: true },
        { name: "Labelled", value: (row) => count(row.labelled), number: true },
        { name: `${control} correct`, value: (row) => count(row.control_right), number: true },
        { name: `${other} correct`, value: (row) => count(row.other_right), number: true },
      ],
      rows: rows.slice(0, 10),
    }),
  );
}

function gallery({ examples, control_version: control, other_version: other }, imagesAreKept) {
  return h(
    "div",
    {},
    h("h3", {}, "Latest disagreements"),
    !imagesAreKept &&
      h("p", { class: "small soft" }, "Images are not stored. To store them, set SPLITLEAF_RETENTION__ENABLED."),
    h(
      "ul",
      { class: "gallery" },
      examples
        .slice(0, SHOWN)
        .map((one) =>
          h(
            "li",
            {},
            imagesAreKept && image(one),
            h(
              "p",
              {},
              h("span", { class: "soft" }, `${control}: `),
              plain(one.control_label),
              " ",
              h("span", { class: "soft whole" }, percent(one.control_confidence, 0)),
            ),
            h(
              "p",
              {},
              h("span", { class: "soft" }, `${other}: `),
              plain(one.other_label),
              " ",
              h("span", { class: "soft whole" }, percent(one.other_confidence, 0)),
            ),
            one.truth && h("p", {}, h("span", { class: "soft" }, "label: "), h("strong", {}, plain(one.truth))),
          ),
        ),
    ),
  );
}

function image({ prediction_id: id, control_label: one, other_label: other }) {
  return h("img", {
    src: addressOf(`review/items/${encodeURIComponent(id)}/image`),
    alt: `A leaf: ${plain(one)} or ${plain(other)}?`,
    loading: "lazy",
    width: 160,
    height: 160,
    onerror: (event) => event.target.replaceWith(h("p", { class: "no-image small soft" }, "No longer stored")),
  });
}
