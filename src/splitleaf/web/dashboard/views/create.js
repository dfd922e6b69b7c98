// Planning an experiment: what is to be found out, and how many images that takes.

import { problemText } from "../elements/errors.js";
import { textField } from "../elements/fields.js";
import { pageHead, panel } from "../elements/panel.js";
import { h, icon } from "../js/dom.js";
import { powerCalculator } from "../planning/calculator.js";
import { showEditor } from "../planning/editor.js";
import { about, decision, guards, kind, who } from "../planning/form.js";
import { planOf } from "../planning/plan.js";
import { loadMetrics, metricNamed } from "../service/metrics.js";
import { call } from "../shell/api.js";
import { goTo } from "../shell/router.js";
import { mayWrite } from "../shell/session.js";

export async function show(main, { signal }) {
  if (!mayWrite()) {
    main.append(pageHead("New experiment"), h("p", {}, "This key has read-only access."));
    return;
  }
  const edited = new URLSearchParams(location.search).get("edit");
  if (edited) {
    await showEditor(main, edited, signal);
    return;
  }
  const [{ models }, { aliases }] = await Promise.all([
    call("models", { signal }),
    call("aliases", { signal }),
    loadMetrics(signal),
  ]);
  const versions = models.filter((one) => one.state === "imported").map((one) => one.version);
  main.append(
    pageHead("New experiment", {
      back: ["/admin/experiments", "Experiments"],
      lede: "Write the plan before you see any results. It is saved as a draft, which you start when you are ready.",
    }),
    planForm(versions, aliases.champion, signal),
  );
}

function planForm(versions, champion, signal) {
  const error = h("p", { class: "problem", role: "alert", hidden: true });
  const submit = h("button", { class: "button primary", type: "submit" }, "Save as draft");
  const preview = h("pre", { class: "scroll", tabindex: "0" });
  const form = h("form", { class: "plan-form" });
  const calculator = powerCalculator(
    () => new FormData(form),
    (images) => suggest(form, images),
    signal,
  );
  form.append(
    h(
      "div",
      { class: "plan-fields" },
      panel("Question", about()),
      panel("Design", kind(versions, champion)),
      panel("Primary metric", decision()),
      panel("Guardrails", guards()),
      panel("Traffic", who()),
    ),
    h(
      "div",
      { class: "plan-side" },
      calculator.element,
      panel(
        "Save",
        h(
          "div",
          { class: "form" },
          textField({
            name: "reason",
            label: "Reason",
            rows: 2,
            required: true,
            maxlength: 500,
            hint: "Recorded in the audit log.",
          }),
          error,
          submit,
          h("details", { class: "more" }, h("summary", {}, icon("chevron"), "Plan as JSON"), preview),
        ),
      ),
    ),
  );
  const changed = () => {
    const data = new FormData(form);
    form.dataset.kind = String(data.get("mode"));
    form.dataset.threshold = metricNamed(data.get("metric")).needs_threshold ? "yes" : "no";
    preview.textContent = JSON.stringify(planOf(data), null, 2);
    calculator.ask();
  };
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keep(form, submit, error);
  });
  changed();
  return form;
}

async function keep(form, submit, error) {
  const data = new FormData(form);
  const plan = planOf(data);
  submit.disabled = true;
  try {
    await call("experiments", { method: "POST", body: { plan, reason: data.get("reason") } });
    await goTo(`/admin/experiments/${encodeURIComponent(plan.key)}`);
  } catch (problem) {
    error.hidden = false;
    error.textContent = problemText(problem);
    error.scrollIntoView({ block: "nearest" });
  } finally {
    submit.disabled = false;
  }
}

/** Take the calculator's number unless somebody typed one. */
function suggest(form, images) {
  const input = form.elements.planned_n;
  if (input.dataset.typed) return;
  input.value = images;
  input.dispatchEvent(new Event("suggested", { bubbles: true }));
}
