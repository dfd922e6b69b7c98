// The answers of this browser. They never leave it; without storage they last as long as the page.

const KEY = "splitleaf.history.v1";
const KEPT = 60;

let fallback = [];

/** Return the remembered answers, newest first: `{id, at, keepsake, result, feedback}`. */
export function recall() {
  try {
    const list = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(list) ? list.filter(isSound) : [];
  } catch {
    return fallback;
  }
}

export function remember(record) {
  keep([record, ...recall().filter((each) => each.id !== record.id)].slice(0, KEPT));
}

export function amend(id, changes) {
  keep(recall().map((each) => (each.id === id ? { ...each, ...changes } : each)));
}

export function forget(id) {
  keep(recall().filter((each) => each.id !== id));
}

export function forgetAll() {
  keep([]);
}

/** Call back when another tab of this browser changes the list. */
export function onElsewhere(callback) {
  addEventListener("storage", (event) => event.key === KEY && callback());
}

function keep(list) {
  fallback = list;
  // When the quota is used up, the oldest go first.
  for (let length = list.length; length >= 0; length -= 5) {
    try {
      localStorage.setItem(KEY, JSON.stringify(list.slice(0, length)));
      return;
    } catch {
      // Too much, or storage is switched off: then this ends with the fallback alone.
    }
  }
}

function isSound(record) {
  return typeof record?.id === "string" && Array.isArray(record.result?.top) && typeof record.at === "string";
}
