// The face of one phone: its small screen, the line under it, the words beside its keys.

import { measure } from "./network.js";

const NAMES = ["holder", "number", "network", "mode", "screen", "words", "meter", "note", "left", "right", "hand", "drop"];
const LINES = { idle: "Number to call", call: "Your answer", texts: "Your text", done: "Enter closes this screen" };

export class Display {
  constructor(root) {
    this.root = root;
    this.line = root.querySelector("input");
    this.parts = Object.fromEntries(NAMES.map((name) => [name, root.querySelector(`.${name}`)]));
  }

  // A whole new screen.
  show(view, text, line = "") {
    this.parts.words.replaceChildren(...text.split("\n").map((words) => paragraph(words, /^\d+ /.test(words) ? "choice" : "")));
    this.parts.screen.scrollTop = 0;
    this.#begin(view, line);
    this.parts.meter.textContent = "";
  }

  // Texts that were sent and received, the newest in view from its first line.
  showTexts(thread, line) {
    this.parts.words.replaceChildren(...thread.map(({ mine, words }) => bubble(mine, words)));
    this.#begin("texts", line);
    this.parts.screen.scrollTop = this.parts.words.lastChild.offsetTop - this.parts.words.offsetTop;
    this.parts.meter.textContent = "";
  }

  #begin(view, line) {
    this.root.dataset.view = view;
    this.line.value = line;
    this.line.readOnly = view === "done";
    this.line.setAttribute("aria-label", LINES[view]);
  }

  write(text) {
    if (this.line.value !== text) this.line.value = text;
    this.line.scrollLeft = this.line.scrollWidth;
  }

  keys(left, right) {
    for (const [side, words] of Object.entries({ left, right })) {
      this.parts[side].textContent = words;
      this.root.querySelector(`[data-do=${side}]`).setAttribute("aria-label", words || "No function now");
    }
  }

  mode(words) {
    this.parts.mode.textContent = words;
  }

  // Who holds it, and what can befall it.
  people(holder, handing, onLine) {
    this.parts.holder.textContent = `${holder} has this phone`;
    this.parts.hand.textContent = handing;
    this.parts.drop.disabled = !onLine;
  }

  // How much of a screen the network's words take.
  count(text) {
    const { used, of } = measure(text);
    this.parts.meter.textContent = `Screen: ${used} of ${of} characters`;
  }

  waiting(yes) {
    this.root.classList.toggle("waiting", yes);
  }

  note(words) {
    this.parts.note.textContent = words;
  }

  scroll(pixels) {
    this.parts.screen.scrollBy(0, pixels);
  }
}

function paragraph(words, name = "") {
  const made = document.createElement("p");
  made.className = name;
  made.textContent = words;
  return made;
}

function bubble(mine, words) {
  const made = paragraph(words, mine ? "mine" : "theirs");
  const who = document.createElement("span");
  who.className = "unseen";
  who.textContent = mine ? "Sent: " : "Received: ";
  made.prepend(who);
  return made;
}
