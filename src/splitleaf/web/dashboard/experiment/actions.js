// The steps of an experiment: which are possible, what each does, and asking before it is taken.

import { ask } from "../elements/dialog.js";
import { button, freshId, h } from "../js/dom.js";
import { call } from "../shell/api.js";
import { goTo } from "../shell/router.js";

/** Return the buttons for what can be done in this state; `refresh` follows on each step. */
export function actionButtons(experiment, refresh) {
  return (STEPS[experiment.state] ?? [])
    .filter((step) => !step.when || step.when(experiment))
    .map((step) =>
      button(step.word, {
        className: `button ${step.look ?? ""}`.trim(),
        iconName: step.icon ?? null,
        "data-key": `step ${step.word}`,
        onclick: () => step.ask(experiment).then((done) => done && refresh()),
      }),
    );
}

const hasRamp = ({ plan, stage }) => Boolean(plan.ramp?.length) && stage + 1 < plan.ramp.length;
const hasContenders = ({ plan }) => Object.keys(plan.variants).length + (plan.shadows?.length ?? 0) > 1;
const hasCandidates = ({ plan }) => Object.keys(plan.variants).length > 1;

const start = simple("Start", "start", {
  look: "primary",
  icon: "play",
  title: "Start this experiment?",
  text: ({ plan }) =>
    plan.mode === "shadow"
      ? "The other versions start to classify the same images in shadow. Users get the same answers as before."
      : "The candidate starts to answer its planned share of users. After the start, you can't change the salt, unit, variants or primary metric.",
  done: "The experiment is running.",
});
const pause = simple("Pause", "pause", {
  icon: "pause",
  title: "Pause this experiment?",
  text: "No units are assigned while the experiment is paused. All users are answered as if there were no experiment.",
  done: "The experiment is paused.",
});
const resume = simple("Resume", "resume", {
  look: "primary",
  icon: "play",
  title: "Resume this experiment?",
  text: "The same shares apply again to the same units.",
  done: "The experiment is running.",
});
const stop = simple("Stop", "stop", {
  icon: "stop",
  title: "Stop this experiment?",
  text: "The experiment ends and waits for a decision: promote a variant or reject the candidates. You can't restart it.",
  done: "The experiment is stopped.",
});
const rollBack = simple("Roll back", "rollback", {
  look: "warning",
  icon: "undo",
  isDangerous: true,
  title: "Roll back this experiment?",
  text: "The experiment ends immediately, and the champion answers all users. You can't restart it.",
  done: "The experiment is rolled back.",
});
const undo = simple("Undo the promotion", "rollback", {
  look: "warning",
  icon: "undo",
  isDangerous: true,
  title: "Undo the promotion?",
  text: "The champion returns to its previous version, unless someone has moved it since.",
  done: "The promotion is undone.",
});
const reject = simple("Reject", "reject", {
  look: "warning",
  title: "Reject the candidates?",
  text: "The champion does not change. This decision is final.",
  done: "The candidates are rejected.",
});
const discard = simple("Discard draft", "reject", {
  look: "warning",
  title: "Discard this draft?",
  text: "The draft is stored as rejected, with your reason.",
  done: "The draft is discarded.",
});
const edit = {
  word: "Edit plan",
  ask: ({ key }) => goTo(`/admin/new-experiment?edit=${encodeURIComponent(key)}`).then(() => false),
};
const ramp = { word: "Next stage", look: "primary", when: hasRamp, ask: askRamp };
const shares = { word: "Change shares", when: hasCandidates, ask: askShares };
const promote = { word: "Promote", look: "primary", when: hasContenders, ask: askPromote };

const STEPS = {
  draft: [start, edit, discard],
  running: [ramp, shares, pause, stop, rollBack],
  paused: [resume, stop, rollBack],
  stopped: [promote, reject],
  promoted: [undo],
};

/**
 * @param {string} word
 * @param {string} step
 * @param {{title: string, text: string | ((experiment: any) => string), done: string, look?: string, icon?: string,
 *   isDangerous?: boolean}} more
 */
function simple(word, step, { title, text, done, look, icon, isDangerous = false }) {
  return {
    word,
    look,
    icon,
    ask: (experiment) =>
      ask({
        title,
        text: typeof text === "function" ? text(experiment) : text,
        confirm: word,
        isDangerous,
        done,
        action: ({ reason }) => take(experiment, step, { reason }),
      }),
  };
}

function take({ key, sequence }, step, body) {
  // What somebody decided on is what they saw: after another change they are to look again.
  return call(`experiments/${encodeURIComponent(key)}/${step}`, {
    method: "POST",
    body: { ...body, expected: sequence },
  });
}

function askRamp(experiment) {
  const { ramp: stages } = experiment.plan;
  const next = experiment.stage + 1;
  const id = freshId("stage");
  const options = stages
    .slice(next)
    .map((stage, index) =>
      h("option", { value: String(next + index) }, `stage ${next + index + 1} of ${stages.length}: ${stage.share} %`),
    );
  return ask({
    title: "Advance to the next stage?",
    text: "The candidate gets a larger share of units. Units that have it keep it. You can't reduce a share later.",
    confirm: "Advance",
    fields: [field(id, "Stage", h("select", { id, name: "stage" }, options))],
    done: "The next stage is active.",
    action: ({ reason, stage }) => take(experiment, "ramp", { reason, stage: Number(stage) }),
  });
}

function askShares(experiment) {
  const variants = Object.keys(experiment.plan.variants);
  const fields = variants.map((name) => {
    const id = freshId("share");
    const input = h("input", {
      id,
      name: `share:${name}`,
      type: "number",
      min: "0",
      max: "100",
      step: "0.01",
      value: experiment.shares[name] ?? 0,
      required: true,
    });
    return field(id, `${name}, percent of all units`, input);
  });
  return ask({
    title: "Change the shares?",
    text: "A candidate's share can grow but not shrink. If the shares sum to less than 100 %, the remaining units stay outside the experiment.",
    confirm: "Change shares",
    fields,
    done: "The new shares are active.",
    action: (values) =>
      take(experiment, "ramp", {
        reason: values.reason,
        shares: Object.fromEntries(
          variants
            .map((name) => /** @type {const} */ ([name, Number(values[`share:${name}`])]))
            .filter(([, share]) => share > 0),
        ),
      }),
  });
}

const UNREAD = { headline: "The report is not available.", is_for: false };

async function askPromote(experiment) {
  const path = `experiments/${encodeURIComponent(experiment.key)}/evidence`;
  const { contenders } = await call(path).catch(() => ({ contenders: {} }));
  const id = freshId("variant");
  const { variants, shadows = [], default: control } = experiment.plan;
  const names = [
    ...Object.entries(variants).map(([name, { version }]) => [name, `${name} (${version})`]),
    ...shadows
      .filter(({ version }) => !(version in variants))
      .map(({ version }) => [version, `${version} (shadow only)`]),
  ];
  const candidate = names.find(([name]) => name !== control)?.[0];
  const options = names.map(([name, text]) => h("option", { value: name, selected: name === candidate }, text));
  const select = h("select", { id, name: "variant" }, options);
  const said = h("p", { class: "evidence", role: "status" });
  const tick = h("input", { id: freshId("against"), name: "against_evidence", type: "checkbox" });
  const against = h("label", { class: "choice", for: tick.id }, tick, "Promote despite the evidence");
  const weigh = () => {
    const { headline, is_for: isFor } = contenders[select.value] ?? UNREAD;
    said.textContent = isFor ? headline : `${headline} The evidence does not support promoting it.`;
    said.classList.toggle("is-against", !isFor);
    against.hidden = isFor;
    tick.required = !isFor;
    tick.checked = false;
  };
  select.addEventListener("change", weigh);
  weigh();
  return ask({
    title: "Promote a variant?",
    text: "The champion moves to the variant's version, which then answers all users. You can undo the promotion.",
    confirm: "Promote",
    fields: [field(id, "Variant", select), said, against],
    done: "The variant is promoted.",
    action: ({ reason, variant }) => take(experiment, "promote", { reason, variant, against_evidence: tick.checked }),
  });
}

function field(id, label, control) {
  return h("div", { class: "field" }, h("label", { for: id }, label), control);
}
