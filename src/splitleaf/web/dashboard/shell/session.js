// Who is logged in, and what they may do.

import { problemText } from "../elements/errors.js";
import { announce } from "../js/announcer.js";
import { byId, freshId, h } from "../js/dom.js";
import { Problem } from "../js/problems.js";
import { call, whenSessionEnds } from "./api.js";

/** @type {{scope: string} | null} */
let present = null;
/** @type {Promise<void> | null} */
let asking = null;

/** Tell whether this session's key may change things. */
export function mayWrite() {
  return present !== null && present.scope !== "read";
}

/** Resolve when somebody is logged in; true when they had to. */
export async function openSession() {
  whenSessionEnds(logInAgain);
  try {
    begin(await call("session", { isLogin: true }));
    return false;
  } catch (problem) {
    await showLogin(problem instanceof Problem && problem.status === 401 ? null : problem);
    return true;
  }
}

export async function logOut() {
  await call("session", { method: "DELETE", isLogin: true }).catch(() => null); // over is over
}

function begin(session) {
  present = session;
  byId("who").textContent = mayWrite() ? "" : "read only";
}

/** @returns {Promise<void>} */
function showLogin(problem) {
  return new Promise((resolve) => {
    const form = loginForm((session) => {
      begin(session);
      resolve();
    }, problem);
    byId("main").replaceChildren(
      h(
        "div",
        { class: "login" },
        h("h1", {}, "Log in"),
        h("p", { class: "lede" }, "Use a key of the admin API."),
        form,
        h(
          "p",
          { class: "aside" },
          "On the machine that runs ",
          h("code", {}, "splitleaf up"),
          ", the first key is in the file ",
          h("code", {}, "admin.key"),
          " in the data folder.",
        ),
      ),
    );
    form.querySelector("input")?.focus();
    document.documentElement.dataset.ready = "";
  });
}

/** Ask for a key on top of the page, which stays as it is; one question however many calls wait for it. */
function logInAgain() {
  asking ??= new Promise((resolve) => {
    const title = freshId("title");
    const dialog = h("dialog", { class: "question", "aria-labelledby": title });
    const form = loginForm((session) => {
      begin(session);
      dialog.close();
      dialog.remove();
      asking = null;
      resolve();
    });
    dialog.append(
      h("h2", { id: title }, "Log in again"),
      h("p", {}, "Your session has ended. Your work is still on this page and continues after you log in."),
      form,
    );
    dialog.addEventListener("cancel", (event) => event.preventDefault()); // there is nothing to go back to
    document.body.append(dialog);
    dialog.showModal();
    announce("Your session has ended. Log in again.");
  });
  return asking;
}

function loginForm(done, problem = null) {
  const id = freshId("key");
  const error = h("p", { class: "problem", role: "alert", hidden: true });
  const field = h("input", {
    id,
    name: "key",
    type: "password",
    required: true,
    maxlength: 500,
    autocomplete: "current-password",
    autocapitalize: "off",
    spellcheck: "false",
  });
  const submit = h("button", { class: "button primary", type: "submit" }, "Log in");
  const say = (refusal) => {
    error.hidden = false;
    error.textContent = refusal.status === 401 ? "This key is unknown or no longer valid." : problemText(refusal);
  };
  if (problem) say(problem);
  const form = h("form", { class: "login-form" }, h("label", { for: id }, "Key"), field, error, submit);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      done(await call("session", { method: "POST", body: { key: field.value.trim() }, isLogin: true }));
    } catch (refusal) {
      say(refusal);
      field.select();
    } finally {
      submit.disabled = false;
    }
  });
  return form;
}
