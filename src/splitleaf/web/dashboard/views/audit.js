// Who changed what, from what to what, and why.

import { actionChip, changeOf } from "../elements/changes.js";
import { problemNote } from "../elements/errors.js";
import { moment, when } from "../elements/format.js";
import { pageHead, panel } from "../elements/panel.js";
import { button, freshId, h } from "../js/dom.js";
import { call } from "../shell/api.js";

const PAGE = 50;
const ALL = "*";

export async function show(main, { signal }) {
  const list = h("ol", { class: "entries" });
  const foot = h("div", { class: "buttons" });
  const filter = subjectFilter(location.search, (subject) => {
    history.replaceState(null, "", subject ? `/admin/audit?subject=${encodeURIComponent(subject)}` : "/admin/audit");
    return load(null);
  });
  let turn = 0;

  async function load(before) {
    turn += 1;
    const mine = turn;
    const { entries } = await call("audit", { query: { ...filter.query(), before, limit: PAGE }, signal });
    if (mine !== turn) return; // another filter was chosen meanwhile
    if (before === null) list.replaceChildren();
    list.append(...entries.map(entryOf));
    if (!list.hasChildNodes()) list.append(h("li", { class: "nothing" }, "No changes yet."));
    foot.replaceChildren(...(entries.length === PAGE ? [moreButton(entries.at(-1).number)] : []));
  }

  function moreButton(number) {
    const more = button("Show older entries", {
      onclick: () => load(number).catch((problem) => foot.append(problemNote(problem))),
    });
    return more;
  }

  main.append(
    pageHead("Audit log", { lede: "All changes, newest first. Entries are never edited or deleted." }),
    filter.element,
    panel("Changes", [list, foot]),
  );
  await Promise.all([filter.fill(signal), load(null)]);
}

function subjectFilter(search, onChange) {
  const id = freshId("subject");
  const wanted = new URLSearchParams(search).get("subject") ?? "";
  // An expert labels hundreds of images, and among them nobody would find the steps of an experiment.
  const select = h(
    "select",
    { id, onchange: () => onChange(select.value) },
    h("option", { value: "" }, "All except labels"),
    h("option", { value: ALL, selected: wanted === ALL }, "All"),
  );
  if (wanted && wanted !== ALL) select.append(h("option", { value: wanted, selected: true }, wanted));
  return {
    element: h("div", { class: "filters" }, h("div", { class: "field" }, h("label", { for: id }, "Subject"), select)),
    query: () => (select.value && select.value !== ALL ? { subject: select.value } : { labels: select.value === ALL }),
    async fill(signal) {
      const [{ experiments }, { aliases }] = await Promise.all([
        call("experiments", { signal }),
        call("aliases", { signal }),
      ]);
      const subjects = [
        ...experiments.map(({ key }) => `experiment/${key}`).reverse(),
        ...Object.keys(aliases).map((alias) => `alias/${alias}`),
        "routing",
      ];
      select.append(...subjects.filter((one) => one !== wanted).map((one) => h("option", { value: one }, one)));
    },
  };
}

function entryOf(entry) {
  return h(
    "li",
    { class: "entry" },
    h(
      "p",
      { class: "entry-head" },
      actionChip(entry.action),
      h("strong", {}, subjectOf(entry.subject)),
      h("span", { class: "soft small" }, when(entry.created_at), " · ", moment(entry.created_at)),
    ),
    h("p", { class: "entry-why" }, entry.reason),
    h("p", { class: "soft small" }, "by ", h("code", {}, entry.actor)),
    changeOf(entry.before, entry.after),
  );
}

function subjectOf(subject) {
  const [kind, name] = subject.split(/\/(.*)/s);
  if (kind === "experiment") return h("a", { href: `/admin/experiments/${encodeURIComponent(name)}` }, name);
  if (kind === "alias") return h("span", {}, "alias ", h("a", { href: "/admin/models" }, name));
  return subject;
}
