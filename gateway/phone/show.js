// "Show me": plays a thing to try on the first phone, with its own keys, slowly enough to read along.

import { keyOf, LANGUAGE_KEY } from "./network.js";

const PACE = 1_200; // milliseconds between keys
const ANSWERS = ["1", "2", "3", "1", "4"]; // Report, Soon, Asks photos, Me, 13-15; from there the first of each
const MOST = 12; // answers
const PAGES = 5; // of one question, where an alphabet leaves little room
const WORD = "Show me";

export class Show {
  constructor(root, [mine, beside]) {
    this.mine = mine;
    this.beside = beside;
    root.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-show]");
      if (button) this.#clicked(button);
    });
    for (const phone of [mine, beside]) phone.addEventListener("stop", () => this.stop());
  }

  stop() {
    this.running?.abort();
  }

  async #clicked(button) {
    const again = this.button === button;
    this.stop();
    if (again) return;
    const run = (this.running = new AbortController());
    const words = button.firstChild;
    const { root, parts } = this.mine.display;
    this.button = button;
    words.data = "Stop";
    parts.stop.hidden = false;
    root.scrollIntoView({ block: "nearest", inline: "nearest" });
    try {
      await this[button.dataset.show](run.signal);
    } catch (fault) {
      if (!run.signal.aborted) throw fault;
    } finally {
      words.data = WORD;
      if (this.button === button) {
        this.button = null;
        parts.stop.hidden = true;
      }
    }
  }

  async report(signal) {
    await this.#begin(signal);
    await this.#answer(signal, MOST);
  }

  async drop(signal) {
    await this.#begin(signal);
    await this.#answer(signal, 3);
    this.mine.drop();
    await this.#see(signal);
    await this.mine.dial();
  }

  async hand(signal) {
    const { mine, beside } = this;
    mine.hangUp();
    beside.hangUp();
    await beside.dial();
    await this.#see(signal);
    if (mine.holder === mine.people[0]) mine.hand();
    await this.#see(signal);
    await mine.dial();
  }

  // A report, and later back to it with the code and the PIN that it was given.
  async back(signal) {
    const { mine } = this;
    if (!mine.secret.pin) await this.report(signal);
    if (!mine.secret.pin) await this.#press("98", signal);
    await this.#see(signal);
    await this.#begin(signal);
    await this.#press("3", signal);
    await this.#see(signal);
    await this.#press(mine.secret.code, signal);
    await this.#see(signal);
    await this.#press(mine.secret.pin, signal);
  }

  async tips(signal) {
    await this.#begin(signal);
    for (const key of ["2", "1", "2"]) {
      await this.#press(key, signal);
      await this.#see(signal);
    }
  }

  async speak(signal) {
    const { mine } = this;
    await this.#begin(signal);
    const other = mine.country.languages.find((name) => name !== mine.language);
    if (!other) return;
    await this.#press(LANGUAGE_KEY, signal);
    await this.#see(signal);
    for (let page = 1; page < PAGES && !keyOf(other, mine.said); page++) await this.#press("98", signal);
    await this.#press(keyOf(other, mine.said), signal);
  }

  async text(signal) {
    this.mine.hangUp();
    this.mine.openTexts();
    await this.#see(signal);
    await this.mine.send("REPORT");
  }

  async #begin(signal) {
    const { mine } = this;
    mine.hangUp();
    if (mine.holder !== mine.people[0]) mine.hand();
    await mine.dial();
    await this.#see(signal);
  }

  // Until it says Sent, or so often.
  async #answer(signal, times) {
    let sent = false;
    this.mine.addEventListener("sent", () => (sent = true), { once: true, signal });
    for (let n = 0; n < times && !sent; n++) {
      const key = ANSWERS[n] ?? "1";
      for (let page = 1; page < PAGES && !this.#has(key); page++) await this.#press("98", signal);
      await this.#press(key, signal);
      if (!sent) await this.#see(signal);
    }
  }

  // Whether an answer stands on the screen, or on none that follows.
  #has(key) {
    const starts = this.mine.said.split("\n").map((line) => line.split(" ")[0]);
    return starts.includes(key) || !starts.includes("98");
  }

  async #press(keys, signal) {
    for (const key of keys) this.mine.press(key);
    await this.#see(signal, PACE / 3);
    await this.mine.send();
  }

  // Time to read. Rejects when it is stopped.
  #see(signal, time = PACE) {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const waits = setTimeout(resolve, time);
      signal.addEventListener("abort", () => (clearTimeout(waits), reject(signal.reason)), { once: true });
    });
  }
}
