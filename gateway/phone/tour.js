// Seven things to try. Each is ticked when it was seen, done by hand or shown; what is said of two screens is compared
// here, letter for letter.

const SENT = "Sent means: it is on the disk. The hotline has it a second later.";
const TEXTED = "The first answer says whom to call, that texts stay, and how to leave none.";
const SAME = "The same first screen, letter for letter. No trace of a report.";
const ALIKE = "Letter for letter the screen of the phone beside it";
const STRANGE = "The two screens differ. They never should: please tell the project.";
const BACK = "Only code and PIN open it, and it never shows what she wrote.";
const TIPS = "One thing to do on each screen. Nothing is stored, and Report is one key away.";
const SPOKEN = "Every screen speaks it now. These words are drafts: no native speaker has read them.";
const TIP = ["2", "1"]; // Safety tips, under 10; then a topic

export class Tour {
  constructor(root, phones) {
    this.root = root;
    this.phones = phones;
    this.steps = [...root.querySelectorAll("[data-step]")].map(({ dataset }) => dataset.step);
    root.addEventListener("click", ({ target }) => {
      const picked = target.closest("[data-pick]")?.dataset.pick;
      if (picked) this.open(picked);
    });
    this.clear();
    for (const phone of phones) {
      const on = (what, then) => phone.addEventListener(what, ({ detail }) => then(detail));
      on("first", (text) => this.#first(phone, text));
      on("sent", () => {
        this.reported.add(phone);
        this.#mark("report", "done", SENT);
      });
      on("screen", (screen) => this.#screen(phone, screen));
      on("dropped", (answers) => answers > 1 && this.dropped.add(phone));
      on("handed", () => this.latest.delete(phone));
      on("texted", () => this.#mark("text", "done", TEXTED));
    }
  }

  // Begin anew: another country or language has another first screen.
  clear() {
    this.home = new Map(); // each phone's first screen, the first time
    this.latest = new Map(); // and the last time, since it was handed on
    this.reported = new Set();
    this.dropped = new Set();
    for (const step of this.steps) this.#mark(step, "", "");
    this.open(this.steps[0]);
  }

  // Show what one step is about.
  open(step) {
    for (const each of this.steps) {
      this.root.querySelector(`#card-${each}`).hidden = each !== step;
      this.root.querySelector(`[data-pick=${each}]`).setAttribute("aria-expanded", String(each === step));
    }
  }

  #first(phone, text) {
    const before = this.home.get(phone) ?? text;
    if (this.dropped.delete(phone)) this.#compare("drop", before, text, SAME);
    this.home.set(phone, before);
    this.latest.set(phone, text);
    const handed = this.phones.find(({ holder, people: [owner] }) => holder !== owner);
    const [one, two] = this.phones.map((each) => this.latest.get(each));
    if (!handed || !one || !two) return;
    const beside = this.phones.find((each) => each !== handed);
    this.#compare("hand", one, two, `${ALIKE}${this.reported.has(beside) ? "." : ", which never reported."}`);
  }

  #screen(phone, { before, answers }) {
    const { code, pin } = phone.secret;
    const [secondLast, last] = answers.slice(-2).map((answer) => answer.replaceAll(" ", ""));
    if (code && pin && secondLast === code && last === pin) this.#mark("back", "done", BACK);
    if (answers.length > TIP.length && TIP.every((key, n) => answers[n] === key)) this.#mark("tips", "done", TIPS);
    const label = before.split("\n").find((line) => line.startsWith(`${answers.at(-1)} `));
    if (label && phone.country.languages.includes(label.replace(/^\d+ /, ""))) this.#mark("speak", "done", SPOKEN);
  }

  #compare(step, one, two, words) {
    this.#mark(step, one === two ? "done" : "wrong", one === two ? words : STRANGE);
  }

  // The words stand in the card, and under the first phone, where somebody looks who has just pressed its keys.
  #mark(step, state, words) {
    this.root.querySelector(`[data-step=${step}]`).dataset.state = state;
    const button = this.root.querySelector(`[data-pick=${step}]`);
    button.setAttribute("aria-description", { done: "seen", wrong: "failed" }[state] ?? "");
    const seen = this.root.querySelector(`#card-${step} .seen`);
    seen.textContent = words;
    seen.dataset.state = state;
    if (words) this.phones[0].display.note(words);
  }
}
