// What happened to an experiment, newest first.

import { actionChip, changeOf } from "../elements/changes.js";
import { moment, when } from "../elements/format.js";
import { panel } from "../elements/panel.js";
import { h } from "../js/dom.js";

const SHOWN = 8;

export function historyPanel(audit, key) {
  const rows = audit.slice(0, SHOWN);
  const more = h("a", { href: `/admin/audit?subject=${encodeURIComponent(`experiment/${key}`)}` }, "Full history");
  return panel(
    "History",
    h(
      "ol",
      { class: "entries" },
      rows.map((entry) =>
        h(
          "li",
          { class: "entry" },
          h(
            "p",
            { class: "entry-head" },
            actionChip(entry.action),
            h(
              "span",
              { class: "soft small" },
              when(entry.created_at),
              " · ",
              moment(entry.created_at),
              " · ",
              h("code", {}, entry.actor),
            ),
          ),
          h("p", { class: "entry-why" }, entry.reason),
          entry.action === "create" ? null : changeOf(entry.before, entry.after),
        ),
      ),
    ),
    { tools: audit.length > SHOWN ? [more] : [] },
  );
}
