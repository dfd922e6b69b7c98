// Puts the parts of the page together.

import { announce } from "./announcer.js";
import { Card } from "./card.js";
import { byId, calmScroll } from "./dom.js";
import { loadGuide } from "./guide.js";
import { History } from "./history.js";
import { amend, remember } from "./history-store.js";
import { askForPhoto, openIntake } from "./intake.js";
import { Submission } from "./submission.js";

const cards = new Map(); // element -> Card, in the order on the page
let counter = 0;

const history = new History({
  isOnCard: (id) => [...cards.values()].some((card) => card.record?.id === id),
  onOtherPhoto: askForPhoto,
});

const hooks = {
  onAnswer(card) {
    const { id, result } = card.submission.prediction;
    const record = { id, at: new Date().toISOString(), keepsake: card.submission.keepsake, result, feedback: null };
    remember(record);
    return record;
  },
  onFeedback(card) {
    amend(card.record.id, { feedback: card.record.feedback });
  },
  isAlone: () => cards.size === 1,
  onRemove: removeCard,
  onOtherPhoto: askForPhoto,
};

function receive(files) {
  const fresh = files.map((file) => {
    counter += 1;
    return new Card(new Submission(file), counter, hooks);
  });
  for (const card of fresh) cards.set(card.element, card);
  byId("cards").prepend(...fresh.map((card) => card.element));
  arrange();
  announce(fresh.length === 1 ? "One photo added." : `${fresh.length} photos added.`);
  for (const card of fresh) card.submission.start();
  calmScroll(fresh[0].element);
}

function removeCard(card) {
  const neighbour = card.element.nextElementSibling ?? card.element.previousElementSibling;
  drop(card);
  arrange();
  if (neighbour) cards.get(neighbour).focus();
  else byId("intake").focus();
}

function drop(card) {
  card.submission.cancel();
  card.submission.release();
  cards.delete(card.element);
  card.element.remove();
}

function removeAllCards() {
  for (const card of [...cards.values()]) drop(card);
  arrange();
  byId("intake").focus();
  announce("All photos removed. Their results are in the list below.");
}

function arrange() {
  const isEmpty = cards.size === 0;
  byId("photos").hidden = isEmpty;
  byId("photos-title").textContent = cards.size === 1 ? "Your photo" : "Your photos";
  byId("tips").hidden = !isEmpty;
  byId("clear-photos").hidden = cards.size < 2;
  byId("intake-title").textContent = isEmpty ? "Check a leaf" : "Check another leaf";
  document.body.classList.toggle("has-photos", !isEmpty);
  history.refresh();
}

byId("clear-photos").addEventListener("click", removeAllCards);
openIntake(receive);
await loadGuide(); // photos may come in meanwhile
arrange();
document.documentElement.dataset.ready = "";
