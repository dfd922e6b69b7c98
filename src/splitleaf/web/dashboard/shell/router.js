// From an address to what is shown. The server answers all of these with the same document.

import { problemNote } from "../elements/errors.js";
import { announce } from "../js/announcer.js";
import { isAbort } from "../js/concurrency.js";
import { byId, h } from "../js/dom.js";

const NAME = "([^/]+)";
/** @type {[pattern: RegExp, view: string][]} */
const ROUTES = [
  ["", "overview"],
  ["/models", "models"],
  [`/models/${NAME}`, "model"],
  ["/experiments", "experiments"],
  ["/new-experiment", "create"],
  [`/experiments/${NAME}`, "experiment"],
  ["/review", "review"],
  ["/audit", "audit"],
].map(([path, view]) => [new RegExp(`^/admin${path}/?$`), view]);

let leaving = new AbortController();

/** Show what the address names, now and whenever it changes. `isArrival`: something else was shown before. */
export async function openRouter({ isArrival }) {
  document.addEventListener("click", follow);
  addEventListener("popstate", () => show());
  await show({ isArrival });
}

/** Go to an address of the dashboard. */
export function goTo(path) {
  history.pushState(null, "", path);
  scrollTo(0, 0);
  return show();
}

function follow(event) {
  const link = event.target.closest?.("a[href]");
  const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  if (!link || !isPlain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  const isOurs = link.origin === location.origin && ROUTES.some(([pattern]) => pattern.test(link.pathname));
  if (!isOurs || link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  goTo(link.pathname + link.search);
}

async function show({ isArrival = true } = {}) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  markPresentPage();
  const main = byId("main");
  try {
    const [view, parameters] = find();
    const { show: showView } = await import(`../views/${view}.js`);
    if (signal.aborted) return;
    main.replaceChildren();
    await showView(main, { signal, parameters });
  } catch (problem) {
    if (isAbort(problem) || signal.aborted) return;
    main.replaceChildren(
      h("h1", {}, "This page can't be shown"),
      problemNote(problem, () => show()),
    );
  }
  if (!signal.aborted) present(main, isArrival);
}

function find() {
  for (const [pattern, view] of ROUTES) {
    const match = pattern.exec(location.pathname);
    if (match) return [view, match.slice(1).map(decodeURIComponent)];
  }
  return ["overview", []];
}

function present(main, isArrival) {
  const title = main.querySelector("h1")?.textContent ?? "Dashboard";
  document.title = `${title} · Splitleaf dashboard`;
  if (!isArrival) return;
  main.focus({ preventScroll: true });
  announce(title);
}

function markPresentPage() {
  for (const link of byId("pages").querySelectorAll("a")) {
    const isExact = link.pathname === "/admin";
    const section = location.pathname.replace("/new-experiment", "/experiments");
    const isHere = isExact ? /^\/admin\/?$/.test(section) : section.startsWith(link.pathname);
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
