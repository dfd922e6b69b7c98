// How the service does: what comes in, how long it takes, who does it, what waits.

import { chip, count, counted, duration, milliseconds, percent, stateChip, when } from "../elements/format.js";
import { pageHead, panel, tile, tiles } from "../elements/panel.js";
import { table } from "../elements/table.js";
import { button, freshId, h, icon } from "../js/dom.js";
import { trafficPlots } from "../plots/traffic.js";
import { askDiscard, askRetry } from "../service/dead-letters.js";
import { deadLettersOf, problemsOf, readinessOf, readService } from "../service/status.js";
import { call } from "../shell/api.js";
import { fill, poll, problemIn } from "../shell/polling.js";
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
    ["trouble", "status", "tiles", "plots", "versions", "queue", "deadLetters", "workers", "experiments"].map(
      (name) => [name, h("div")],
    ),
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
    places.status,
    places.tiles,
    panel("Traffic", places.plots),
    h("div", { class: "pair" }, panel("Versions", places.versions), panel("Queue", [places.queue, places.deadLetters])),
    h("div", { class: "pair" }, panel("Workers", places.workers), panel("Open experiments", places.experiments)),
  );
  const refresh = async () => fillService(places, await readService(signal), await readDeadLetters(signal), refresh);
  await Promise.all([
    poll(refresh, { everyMs: SERVICE_EVERY_MS, signal, onProblem: problemIn(places.trouble) }),
    follow("day"),
  ]);
}

function windowChoice(choose) {
  const name = freshId("window");
  return h(
    "fieldset",
    { class: "segments" },
    h("legend", { class: "visually-hidden" }, "Time range"),
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
  return poll(read, { everyMs: TRAFFIC_EVERY_MS[window], signal, onProblem: problemIn(places.trouble) });
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
      note: missed ? `${count(failed)} failed, ${count(expired)} expired` : "no failures",
      tone: missed / Math.max(1, asked) > 0.01 ? "warn" : "",
    }),
    tile("Median latency", milliseconds(total.latency?.p50_ms), { note: "p50" }),
    tile("95th percentile", milliseconds(total.latency?.p95_ms), {
      note: `p99 ${milliseconds(total.latency?.p99_ms)}`,
    }),
  );
}

function fillService(places, service, deadLetters, refresh) {
  const { models, aliases, workers, queues, experiments, routing } = service;
  const problems = problemsOf(service);
  fill(places.status, [problems, aliases, routing, workers.length], () => statusNotice(problems, service));
  fill(places.versions, [models, aliases], () => versionTable(models, aliases));
  fill(places.queue, queues, queueTable);
  fill(places.deadLetters, deadLetters, (found) => deadLetterList(found, refresh));
  fill(places.workers, workers, workerTable);
  const open = experiments.filter((one) => one.state === "running" || one.state === "paused");
  fill(places.experiments, open, experimentList);
}

function statusNotice(problems, { aliases, routing, workers }) {
  const worst = problems[0]?.tone ?? "good";
  const split =
    routing &&
    Object.entries(routing.shares)
      .map(([version, share]) => `${version} ${share} %`)
      .join(", ");
  const answers = split ? `a static split answers (${split})` : `${aliases.champion} answers`;
  return h(
    "div",
    { class: `notice ${worst}` },
    icon(worst === "good" ? "check" : "alert"),
    problems.length
      ? h(
          "ul",
          {},
          problems.map(({ text }) => h("li", {}, text)),
        )
      : h(
          "p",
          {},
          `The service is healthy: ${answers}, and ${counted(workers.length, "worker")} ${workers.length === 1 ? "is" : "are"} connected.`,
        ),
  );
}

function versionTable(models, aliases) {
  const names = Object.entries(aliases);
  return table({
    caption: "Versions",
    empty: "The models folder contains no version.",
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
          const { tone, word, reason } = readinessOf(model);
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
    caption: "Queue by version",
    empty: "The queue is empty.",
    columns: [
      { name: "Version", value: ({ version }) => version },
      { name: "Waiting", value: ({ waiting }) => count(waiting), number: true },
      { name: "Running", value: ({ running }) => count(running), number: true },
      { name: "Longest wait", value: ({ oldest }) => (oldest ? milliseconds(oldest) : "–"), number: true },
      { name: "Shadow tasks", value: ({ shadow }) => count(shadow), number: true },
    ],
    rows,
  });
}

async function readDeadLetters(signal) {
  const { queues } = await call("queue", { signal });
  const found = await Promise.all(
    deadLettersOf(queues).map(({ version }) => call("dead-letters", { query: { version, limit: 20 }, signal })),
  );
  return found.flatMap(({ dead_letters: deadLetters }) => deadLetters);
}

function deadLetterList(deadLetters, refresh) {
  if (!deadLetters.length) return null;
  return h(
    "div",
    { class: "stack" },
    h("h3", {}, "Images that crashed workers"),
    table({
      caption: "Dead letters",
      columns: [
        { name: "When", value: ({ died_ms: at }) => when(at) },
        { name: "Version", value: ({ version }) => version },
        { name: "Reason", value: ({ reason, deliveries }) => `${reason} (tried ${deliveries} times)`, long: true },
        mayWrite() && {
          name: "",
          says: "Actions",
          value: (letter) =>
            h(
              "span",
              { class: "buttons" },
              button("Retry", {
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
      rows: deadLetters,
    }),
  );
}

function workerTable(workers) {
  return table({
    caption: "Workers",
    empty: "No worker is connected.",
    columns: [
      { name: "Worker", value: ({ worker }) => h("code", {}, worker) },
      { name: "Versions", value: ({ versions }) => Object.keys(versions).join(", ") || "none yet" },
      { name: "Uptime", value: ({ started_ms: at }) => duration(Date.now() - at), number: true },
      { name: "", says: "Remark", value: ({ draining }) => (draining ? chip("Draining", "warn") : "") },
    ],
    rows: workers,
  });
}

function experimentList(experiments) {
  return table({
    caption: "Open experiments",
    empty: "No experiment is running.",
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
