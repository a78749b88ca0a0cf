// The face of one phone: its small screen, the line under it, the words beside its keys.

import { measure } from "./network.js";

const NAMES = [
  "holder", "number", "clock", "mode", "screen", "words", "mark", "used", "note", "left", "right", "hand", "drop", "stop",
];
const LINES = { idle: "Number to call", call: "Your answer", texts: "Your text", done: "Enter closes this screen" };
const SCREENS = { idle: "Screen. Enter calls", call: "Screen. Enter or a number replies", texts: "Screen. Enter replies", done: "Screen. Enter closes it" };
const MINUTE = 60_000; // milliseconds

export class Display {
  constructor(root) {
    this.root = root;
    this.line = root.querySelector("textarea");
    this.parts = Object.fromEntries(NAMES.map((name) => [name, root.querySelector(`.${name}`)]));
    this.parts.screen.addEventListener("scroll", () => this.#mark());
    new ResizeObserver(() => this.#mark()).observe(this.parts.screen);
    this.#tick();
  }

  #tick() {
    const now = new Date();
    this.parts.clock.textContent = now.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    setTimeout(() => this.#tick(), MINUTE);
  }

  // A whole new screen.
  show(view, text, line = "") {
    this.parts.words.replaceChildren(...text.split("\n").map((words) => paragraph(words, /^\d+ /.test(words) ? "choice" : "")));
    this.#begin(view, line);
    this.parts.screen.scrollTop = 0;
  }

  // Texts that were sent and received, the newest in view from its first line.
  showTexts(thread, line) {
    this.parts.words.replaceChildren(...thread.map(({ mine, words }) => bubble(mine, words)));
    this.#begin("texts", line);
    this.parts.screen.scrollTop = this.parts.words.lastChild.offsetTop - this.parts.words.offsetTop;
  }

  // The list that the soft key Options opens. `at`: the marked one.
  showList(choices, at) {
    this.parts.words.replaceChildren(...choices.map((words, n) => paragraph(`${n + 1} ${words}`, n === at ? "choice at" : "choice")));
    this.parts.screen.scrollTop = 0;
    this.#mark();
  }

  #begin(view, line) {
    this.root.dataset.view = view;
    this.line.value = line;
    this.line.readOnly = view === "done";
    this.line.setAttribute("aria-label", LINES[view]);
    this.parts.screen.setAttribute("aria-label", SCREENS[view]);
    this.parts.used.textContent = "";
    this.#mark();
  }

  // Whether the answer line is open. A small phone shows either the screen or the line.
  writing(yes) {
    const focused = document.activeElement === this.line;
    this.root.dataset.writing = yes ? "yes" : "no";
    if (focused && !yes) this.parts.screen.focus({ preventScroll: true });
    this.#mark();
  }

  // The scroll mark: how much of the words is in view, and where.
  #mark() {
    const { scrollTop, scrollHeight, clientHeight } = this.parts.screen;
    const { style } = this.parts.mark;
    this.parts.mark.hidden = scrollHeight <= clientHeight + 1;
    style.setProperty("--from", scrollTop / scrollHeight);
    style.setProperty("--part", clientHeight / scrollHeight);
  }

  write(text) {
    if (this.line.value !== text) this.line.value = text;
    this.line.scrollTop = this.line.scrollHeight;
  }

  keys(left, right) {
    for (const [side, words] of Object.entries({ left, right })) {
      this.parts[side].textContent = words;
      this.root.querySelector(`[data-do=${side}]`).setAttribute("aria-label", words);
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
    this.parts.used.textContent = `· ${used} of ${of} characters`;
  }

  waiting(yes) {
    this.root.classList.toggle("waiting", yes);
  }

  note(words) {
    this.parts.note.textContent = words;
  }

  scroll(lines) {
    const { screen } = this.parts;
    screen.scrollBy(0, lines * parseFloat(getComputedStyle(screen).lineHeight));
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
