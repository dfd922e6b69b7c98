// Fields of forms, each with its label and, where it helps, a hint.

import { freshId, h } from "../js/dom.js";

export function textField({ name, label, hint = "", rows = 0, value = "", ...attributes }) {
  const id = freshId(name);
  const common = { id, name, "aria-describedby": hint ? `${id}-hint` : null, ...attributes };
  const control = rows
    ? h("textarea", { ...common, rows }, value)
    : h("input", { ...common, type: "text", value, autocapitalize: "off", spellcheck: "false" });
  return wrapped(id, label, control, hint);
}

export function numberField({ name, label, unit, value, hint = "", step = 1, ...attributes }) {
  const id = freshId(name);
  const control = h("input", {
    id,
    name,
    type: "number",
    value,
    step,
    required: true,
    inputmode: "decimal",
    "aria-describedby": hint ? `${id}-hint` : null,
    ...attributes,
  });
  return wrapped(id, unit ? `${label} (${unit})` : label, control, hint);
}

export function selectField({ name, label, options, names = {}, value }) {
  const id = freshId(name);
  const control = h(
    "select",
    { id, name },
    options.map((one) => h("option", { value: one, selected: one === value }, names[one] ?? one)),
  );
  return wrapped(id, label, control, "");
}

export function check({ name, label, checked }) {
  const id = freshId(name);
  return h(
    "div",
    { class: "choice" },
    h("input", { id, name, type: "checkbox", checked }),
    h("label", { for: id }, label),
  );
}

export function choiceCards({ name, legend, options, value }) {
  return h(
    "fieldset",
    {},
    h("legend", { class: "visually-hidden" }, legend),
    h(
      "div",
      { class: "choices" },
      options.map((one) =>
        h(
          "label",
          { class: "choice-card" },
          h("input", { type: "radio", name, value: one.value, checked: one.value === value }),
          h("strong", {}, one.title),
          h("span", { class: "small" }, one.text),
        ),
      ),
    ),
  );
}

function wrapped(id, label, control, hint) {
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    control,
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}
