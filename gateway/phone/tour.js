// Four things to try. Each is ticked when it was seen, done by hand or shown; what is said of two screens is compared
// here, letter for letter.

const SENT = "Sent is shown only when the report is on the disk. Its hotline gets it now.";
const TEXTED = "The first answer says whom to call in danger, that texts stay, and how to leave none.";
const SAME = "The same first screen, letter for letter. Nothing shows that a report was begun.";
const ALIKE = "Letter for letter the screen of the phone beside it";
const STRANGE = "The two screens differ. They never should: please tell the project.";

export class Tour {
  constructor(root, phones) {
    this.root = root;
    this.phones = phones;
    this.clear();
    for (const phone of phones) {
      const on = (what, then) => phone.addEventListener(what, ({ detail }) => then(detail));
      on("first", (text) => this.#first(phone, text));
      on("sent", () => {
        this.reported.add(phone);
        this.#mark("report", "done", SENT);
      });
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
    for (const step of this.root.querySelectorAll("[data-step]")) this.#mark(step.dataset.step, "", "");
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

  #compare(step, one, two, words) {
    this.#mark(step, one === two ? "done" : "wrong", one === two ? words : STRANGE);
  }

  #mark(step, state, words) {
    const shown = this.root.querySelector(`[data-step=${step}]`);
    shown.dataset.state = state;
    shown.querySelector(".seen").textContent = words;
  }
}
