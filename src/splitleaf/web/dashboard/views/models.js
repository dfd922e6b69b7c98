// The versions beside each other, and the names that point at them.

import { ask } from "../elements/dialog.js";
import { bytes, chip, count, digest, milliseconds, percent, when } from "../elements/format.js";
import { pageHead, panel } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { button, freshId, h } from "../js/dom.js";
import { versionPlot } from "../plots/versions.js";
import { isReady, readinessOf } from "../service/status.js";
import { call } from "../shell/api.js";
import { fill, poll, problemIn } from "../shell/polling.js";
import { mayWrite } from "../shell/session.js";

const EVERY_MS = 5_000;

export async function show(main, { signal }) {
  const [trouble, list, plot, names] = [h("div"), h("div"), h("div"), h("div")];
  main.append(
    pageHead("Models", {
      lede: "All versions in the models folder, with their measurements at import and in use.",
    }),
    trouble,
    panel("Versions", list),
    plot,
    panel("Aliases", names, {
      hint: "An alias is a name that points to a version. The champion answers all requests outside experiments and splits.",
    }),
  );
  const refresh = async () => {
    const [{ models }, { aliases }, traffic] = await Promise.all([
      call("models", { signal }),
      call("aliases", { signal }),
      call("traffic", { query: { window: "day" }, signal }),
    ]);
    const histories = await Promise.all(
      Object.keys(aliases).map((alias) => call(`aliases/${encodeURIComponent(alias)}/history`, { signal })),
    );
    const live = Object.fromEntries(Object.entries(traffic.versions).map(([name, tally]) => [name, tally]));
    fill(list, [models, aliases, live], () => versionTable(models, aliases, live));
    fill(plot, models, () => plotOf(models));
    fill(names, [models.map((one) => [one.version, isReady(one)]), aliases, histories], () =>
      Object.entries(aliases).map(([alias, version], index) =>
        aliasOf(alias, version, histories[index].history, models, refresh),
      ),
    );
  };
  await poll(refresh, { everyMs: EVERY_MS, signal, onProblem: problemIn(trouble) });
}

function versionTable(models, aliases, live) {
  const aliasesOf = (version) => Object.keys(aliases).filter((alias) => aliases[alias] === version);
  return table({
    caption: "Versions",
    empty: "The models folder contains no version. To import one, run: splitleaf models import FILE --version v1",
    columns: [
      {
        name: "Version",
        value: ({ version, title }) =>
          [
            h("a", { href: `/admin/models/${encodeURIComponent(version)}` }, version),
            ...aliasesOf(version).flatMap((alias) => [" ", chip(alias)]),
            title && h("div", { class: "small soft" }, title),
          ].filter(Boolean),
      },
      {
        name: "State",
        value: (model) => {
          const { tone, word, reason } = readinessOf(model);
          return [chip(word, tone), reason && h("p", { class: "small long" }, reason)].filter(Boolean);
        },
      },
      { name: "Accuracy at import", value: ({ evaluation }) => accuracy(evaluation), number: true },
      { name: "Inference", value: ({ evaluation }) => milliseconds(evaluation?.latency_ms), number: true },
      {
        name: "Answers, last 24 h",
        value: ({ version }) => count(live[version]?.outcomes.succeeded ?? 0),
        number: true,
      },
      { name: "Live p95", value: ({ version }) => milliseconds(live[version]?.latency?.p95_ms), number: true },
      { name: "Size", value: ({ size_bytes: size }) => bytes(size), number: true },
      { name: "Digest", value: (model) => digest(model.digest) },
    ],
    rows: models,
  });
}

function accuracy(evaluation) {
  if (!evaluation) return "–";
  const interval = `${percent(evaluation.accuracy_low)} to ${percent(evaluation.accuracy_high)}`;
  return [percent(evaluation.accuracy), h("div", { class: "small soft" }, interval)];
}

function plotOf(models) {
  const measured = models.filter((one) => one.evaluation);
  return measured.length < 2 ? null : panel("Accuracy and inference time", versionPlot(measured));
}

function aliasOf(alias, version, history, models, refresh) {
  const tools = mayWrite()
    ? [
        button("Move…", {
          onclick: () => askMove(alias, version, models).then(refresh),
          "data-key": `move ${alias}`,
          className: "button compact",
        }),
        history.length > 0 &&
          button("Roll back…", {
            onclick: () => askRollBack(alias, history).then(refresh),
            "data-key": `back ${alias}`,
            className: "button compact",
          }),
      ].filter(Boolean)
    : [];
  return h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "panel-head" },
      h("h3", {}, alias, " → ", h("a", { href: `/admin/models/${encodeURIComponent(version)}` }, version)),
      h("div", { class: "buttons" }, tools),
    ),
    table({
      caption: `History of ${alias}`,
      empty: "Never moved. It points to the version in repository.toml.",
      columns: [
        { name: "When", value: ({ created_ms: at }) => when(at) },
        { name: "From", value: ({ previous }) => previous ?? "–" },
        { name: "To", value: ({ version: target }) => target },
        { name: "Changed by", value: ({ actor }) => h("code", {}, actor) },
        { name: "Reason", value: ({ reason }) => reason, long: true },
      ],
      rows: history,
    }),
  );
}

function askMove(alias, present, models) {
  const id = freshId("version");
  const targets = models.filter((one) => isReady(one) && one.version !== present);
  if (!targets.length) {
    return ask({
      title: `Move ${alias}`,
      text: "No other version is ready.",
      confirm: "Close",
      wantsReason: false,
      action: () => true,
    });
  }
  return ask({
    title: `Move ${alias}`,
    text: `The alias points to ${present}. The version that you choose answers all requests from now on.`,
    confirm: "Move",
    fields: [
      h(
        "div",
        { class: "field" },
        h("label", { for: id }, "To version"),
        h(
          "select",
          { id, name: "version" },
          targets.map(({ version }) => h("option", { value: version }, version)),
        ),
      ),
    ],
    done: `${alias} was moved.`,
    action: ({ version, reason }) =>
      call(`aliases/${encodeURIComponent(alias)}`, { method: "PUT", body: { version, reason, expected: present } }),
  });
}

function askRollBack(alias, [last]) {
  const before = last.previous ?? "the version in repository.toml";
  return ask({
    title: `Roll ${alias} back?`,
    text: `The alias points to ${last.version}. After the rollback, it points to ${before} again.`,
    confirm: "Roll back",
    isDangerous: true,
    done: `${alias} was rolled back.`,
    action: ({ reason }) => call(`aliases/${encodeURIComponent(alias)}/rollback`, { method: "POST", body: { reason } }),
  });
}
