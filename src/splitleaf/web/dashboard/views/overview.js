// How the service does: what comes in, how long it takes, who does it, what waits.

import { chip, count, counted, duration, milliseconds, percent, stateChip, when } from "../elements/format.js";
import { pageHead, panel, tile, tiles } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { button, freshId, h, icon } from "../js/dom.js";
import { trafficPlots } from "../plots/traffic.js";
import { askDiscard, askRetry } from "../service/dead-letters.js";
import { lettersOf, readService, standingOf, troublesOf } from "../service/status.js";
import { call } from "../shell/api.js";
import { fill, keepFresh, troubleIn } from "../shell/polling.js";
import { mayWrite } from "../shell/session.js";

const SERVICE_EVERY_MS = 4_000;
const TRAFFIC_EVERY_MS = { hour: 10_000, day: 30_000, week: 120_000 };
const WINDOWS = [
  ["hour", "Hour"],
  ["day", "Day"],
  ["week", "Week"],
];

export async function show(main, { signal }) {
  const places = Object.fromEntries(
    ["trouble", "standing", "tiles", "plots", "versions", "queue", "letters", "workers", "experiments"].map((name) => [
      name,
      h("div"),
    ]),
  );
  let ofWindow = new AbortController();
  const follow = (window) => {
    ofWindow.abort();
    ofWindow = new AbortController();
    return followTraffic(window, places, AbortSignal.any([signal, ofWindow.signal]));
  };
  main.append(
    pageHead("Overview", { tools: [windowChoice(follow)] }),
    places.trouble,
    places.standing,
    places.tiles,
    panel("Traffic", places.plots),
    h("div", { class: "pair" }, panel("Versions", places.versions), panel("Queue", [places.queue, places.letters])),
    h("div", { class: "pair" }, panel("Workers", places.workers), panel("Open experiments", places.experiments)),
  );
  const refresh = async () => fillService(places, await readService(signal), await readLetters(signal), refresh);
  await Promise.all([
    keepFresh(refresh, { everyMs: SERVICE_EVERY_MS, signal, onTrouble: troubleIn(places.trouble) }),
    follow("day"),
  ]);
}

function windowChoice(choose) {
  const name = freshId("window");
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "visually-hidden" }, "How far back"),
    WINDOWS.map(([value, word]) =>
      h(
        "label",
        {},
        h("input", { type: "radio", name, value, checked: value === "day", onchange: () => choose(value) }),
        h("span", {}, word),
      ),
    ),
  );
}

function followTraffic(window, places, signal) {
  const read = async () => {
    const traffic = await call("traffic", { query: { window }, signal });
    fill(places.tiles, [window, traffic.total], () => trafficTiles(window, traffic));
    fill(places.plots, traffic, () => h("div", { class: "pair" }, trafficPlots(traffic)));
  };
  return keepFresh(read, { everyMs: TRAFFIC_EVERY_MS[window], signal, onTrouble: troubleIn(places.trouble) });
}

function trafficTiles(window, { total }) {
  const { succeeded = 0, failed = 0, expired = 0, canceled = 0 } = total.outcomes;
  const all = succeeded + failed + expired + canceled;
  const asked = all - canceled; // who canceled wanted no answer any more
  const missed = failed + expired;
  const last = { hour: "last hour", day: "last 24 hours", week: "last 7 days" }[window];
  return tiles(
    tile("Predictions", count(all), { note: last }),
    tile("Answered", asked ? percent(succeeded / asked, missed ? 2 : 0) : "–", {
      note: missed ? `${count(failed)} failed, ${count(expired)} too late` : "none missed",
      tone: missed / Math.max(1, asked) > 0.01 ? "warn" : "",
    }),
    tile("Half are faster than", milliseconds(total.latency?.p50_ms), { note: "p50 to the answer" }),
    tile("95 % are faster than", milliseconds(total.latency?.p95_ms), {
      note: `p99 ${milliseconds(total.latency?.p99_ms)}`,
    }),
  );
}

function fillService(places, service, letters, refresh) {
  const { models, aliases, workers, queues, experiments, routing } = service;
  const troubles = troublesOf(service);
  fill(places.standing, [troubles, aliases, routing, workers.length], () => standing(troubles, service));
  fill(places.versions, [models, aliases], () => versionTable(models, aliases));
  fill(places.queue, queues, queueTable);
  fill(places.letters, letters, (found) => letterList(found, refresh));
  fill(places.workers, workers, workerTable);
  const open = experiments.filter((one) => one.state === "running" || one.state === "paused");
  fill(places.experiments, open, experimentList);
}

function standing(troubles, { aliases, routing, workers }) {
  const worst = troubles[0]?.tone ?? "good";
  const split =
    routing &&
    Object.entries(routing.shares)
      .map(([version, share]) => `${version} ${share} %`)
      .join(", ");
  const answers = split ? `a static split answers (${split})` : `${aliases.champion} answers`;
  return h(
    "div",
    { class: `standing ${worst}` },
    icon(worst === "good" ? "check" : "alert"),
    troubles.length
      ? h(
          "ul",
          {},
          troubles.map(({ text }) => h("li", {}, text)),
        )
      : h(
          "p",
          {},
          `All is well: ${answers}, ${counted(workers.length, "worker")} ${workers.length === 1 ? "is" : "are"} there.`,
        ),
  );
}

function versionTable(models, aliases) {
  const names = Object.entries(aliases);
  return table({
    caption: "Versions",
    empty: "There is no version in the models folder.",
    columns: [
      {
        name: "Version",
        value: ({ version }) => h("a", { href: `/admin/models/${encodeURIComponent(version)}` }, version),
      },
      {
        name: "Alias",
        value: ({ version }) => names.filter(([, target]) => target === version).map(([alias]) => chip(alias)),
      },
      {
        name: "State",
        value: (model) => {
          const { tone, word, reason } = standingOf(model);
          return [chip(word, tone), reason && h("p", { class: "small long" }, reason)].filter(Boolean);
        },
      },
    ],
    rows: models,
  });
}

function queueTable(queues) {
  const versions = [...new Set(queues.map(({ version }) => version))];
  const rows = versions.map((version) => {
    const own = queues.filter((one) => one.version === version);
    const shadow = own.find(({ priority }) => priority === "shadow");
    const asked = own.filter((one) => one !== shadow);
    const sum = (name) => asked.reduce((total, one) => total + one[name], 0);
    const oldest = Math.max(0, ...asked.map((one) => (one.waiting ? one.oldest_waiting_ms : 0)));
    return {
      version,
      waiting: sum("waiting"),
      running: sum("running"),
      oldest,
      shadow: shadow ? shadow.waiting + shadow.running : 0,
    };
  });
  return table({
    caption: "What waits, by version",
    empty: "Nothing waits.",
    columns: [
      { name: "Version", value: ({ version }) => version },
      { name: "Waiting", value: ({ waiting }) => count(waiting), number: true },
      { name: "Running", value: ({ running }) => count(running), number: true },
      { name: "Longest wait", value: ({ oldest }) => (oldest ? milliseconds(oldest) : "–"), number: true },
      { name: "Shadow work", value: ({ shadow }) => count(shadow), number: true },
    ],
    rows,
  });
}

async function readLetters(signal) {
  const { queues } = await call("queue", { signal });
  const found = await Promise.all(
    lettersOf(queues).map(({ version }) => call("dead-letters", { query: { version, limit: 20 }, signal })),
  );
  return found.flatMap(({ dead_letters: letters }) => letters);
}

function letterList(letters, refresh) {
  if (!letters.length) return null;
  return h(
    "div",
    { class: "stack" },
    h("h3", {}, "Images that took workers down"),
    table({
      caption: "Dead letters",
      columns: [
        { name: "When", value: ({ died_ms: at }) => when(at) },
        { name: "Version", value: ({ version }) => version },
        { name: "Why", value: ({ reason, deliveries }) => `${reason} (tried ${deliveries} times)`, long: true },
        mayWrite() && {
          name: "",
          says: "Actions",
          value: (letter) =>
            h(
              "span",
              { class: "buttons" },
              button("Try again", {
                onclick: () => askRetry(letter).then(refresh),
                "data-key": `retry ${letter.token}`,
              }),
              button("Discard", {
                onclick: () => askDiscard(letter).then(refresh),
                "data-key": `discard ${letter.token}`,
              }),
            ),
        },
      ].filter((one) => one !== false),
      rows: letters,
    }),
  );
}

function workerTable(workers) {
  return table({
    caption: "Workers",
    empty: "No worker is there.",
    columns: [
      { name: "Worker", value: ({ worker }) => h("code", {}, worker) },
      { name: "Versions", value: ({ versions }) => Object.keys(versions).join(", ") || "none yet" },
      { name: "Up for", value: ({ started_ms: at }) => duration(Date.now() - at), number: true },
      { name: "", says: "Remark", value: ({ draining }) => (draining ? chip("Draining", "warn") : "") },
    ],
    rows: workers,
  });
}

function experimentList(experiments) {
  return table({
    caption: "Open experiments",
    empty: "None is running.",
    columns: [
      {
        name: "Experiment",
        value: ({ key }) => h("a", { href: `/admin/experiments/${encodeURIComponent(key)}` }, key),
      },
      { name: "State", value: ({ state }) => stateChip(state) },
      { name: "Since", value: ({ started_at: at }) => when(at), number: true },
    ],
    rows: experiments,
  });
}
