// One phone: what its keys do. It remembers what a real one does, its texts, and that only until the page is left.

import { Display } from "./display.js";
import { listen } from "./keys.js";
import { MODES, MultiTap } from "./multitap.js";
import { Call, NoAnswer, Text } from "./network.js";

// A code, and its PIN here or on the next page: in whatever language, this screen says "Sent".
const SENT = /^\D+ \d{4} \d{4}\n(\D+ \d{4}$|98 )/m;
// A text without an answer may have had to wait: the same id asks for its answer, and does nothing else.
const ASK_AGAIN = 6_000; // milliseconds
const TIMES = 10;
const NOBODY = "No answer from the network. Please call again.";
const LEFT = { idle: "Messages", call: "Send", texts: "Send", done: "OK" };

export class Phone extends EventTarget {
  constructor(root, people) {
    super();
    this.display = new Display(root);
    this.people = people; // whose it is, and who picks it up
    this.taps = new MultiTap();
    listen(root, this.display.line, this);
  }

  get typed() {
    return this.display.line.value;
  }

  // As new, with another number.
  settle(country, language, number) {
    this.call?.end();
    Object.assign(this, { country, language, number, thread: [], unread: 0, call: null, asked: null });
    this.holder = this.people[0];
    this.display.parts.number.textContent = number;
    this.display.parts.network.textContent = country.name;
    this.rest();
    this.display.note("");
  }

  // Its views

  rest() {
    const news = this.unread ? [`${this.unread} new message${this.unread > 1 ? "s" : ""}`, ""] : [];
    const ways = [
      this.country.ussd && `Green key: call ${this.country.ussd}`,
      this.country.sms && `Messages: text ${this.country.sms}`,
    ];
    this.#show("idle", [...news, ...ways.filter(Boolean)].join("\n"));
  }

  openTexts(line = "") {
    this.unread = 0;
    if (!this.thread.length) return this.#show("texts", `No messages.\nWrite to ${this.country.sms}: REPORT`, line);
    this.view = "texts";
    this.display.showTexts(this.thread, line);
    this.#settled();
  }

  #show(view, text, line = "") {
    this.view = view;
    this.display.show(view, text, line);
    this.#settled();
  }

  #settled() {
    this.display.waiting(this.busy = false);
    this.#set(this.view === "texts" ? "abc" : "123");
    this.#label();
    this.#name();
  }

  #set(mode) {
    this.mode = mode;
    this.taps.clear();
    this.display.mode(this.view === "call" || this.view === "texts" ? `# ${mode}` : "");
  }

  #label() {
    const empty = this.view === "texts" && this.thread.length ? "Delete" : "";
    this.display.keys(LEFT[this.view], this.typed ? "Clear" : empty);
  }

  #name() {
    const [owner] = this.people;
    const handing = this.holder === owner ? "Someone else picks it up" : `${owner} takes it back`;
    this.display.people(this.holder, handing, Boolean(this.call));
  }

  // Calling

  async dial(code = this.country.ussd) {
    const { ussd } = this.country;
    if (code !== ussd) return this.#show("done", `This phone calls only ${ussd ?? "nobody"}. No call leaves this page.`);
    this.display.note("");
    const call = (this.call = new Call(this.number, code));
    this.answers = 0;
    this.#show("call", "Calling…");
    const first = await this.#turn(call, async () => this.#inLanguage(call, await call.begin()));
    if (first) this.tell("first", first);
    return undefined;
  }

  // The language is chosen as anybody would: the last line of the first screen, then its own name.
  async #inLanguage(call, screen) {
    if (this.country.languages.indexOf(this.language) < 1) return screen;
    let seen = await call.answer(screen.text.match(/^([1-9]) .*\n00 /m)?.[1] ?? "5");
    for (let pages = 1; pages < 3 && !keyOf(this.language, seen.text); pages++) seen = await call.answer("98");
    return call.answer(keyOf(this.language, seen.text) ?? "0");
  }

  async #turn(call, ask) {
    this.display.waiting(this.busy = true);
    const screen = await ask().catch((fault) => {
      if (fault instanceof NoAnswer) return { text: NOBODY, continue: false };
      throw fault;
    });
    if (this.call !== call) return ""; // hung up meanwhile
    if (!screen.continue) this.call = null;
    this.#show(screen.continue ? "call" : "done", screen.text);
    this.display.count(screen.text);
    this.said = screen.text;
    this.tell(SENT.test(screen.text) ? "sent" : "screen", screen.text);
    return screen.text;
  }

  #end() {
    this.call?.end();
    this.call = null;
  }

  hangUp() {
    this.#end();
    this.rest();
  }

  drop() {
    const { answers } = this;
    this.#end();
    this.#show("done", "The line is gone.");
    this.display.note("The line dropped. The green key calls again.");
    this.tell("dropped", answers);
  }

  // Texts

  async text(words) {
    const text = (this.asked = new Text(this.number, this.country.sms, words));
    this.#keep(true, words);
    for (let tried = 0; tried < TIMES && this.asked === text; tried++) {
      if (tried) await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
      const said = await text.send().catch(() => "");
      if (!said || this.asked !== text) continue;
      this.#keep(false, said);
      this.tell("texted", said);
      return;
    }
  }

  #keep(mine, words) {
    this.thread.push({ mine, words });
    if (this.view === "texts") return this.openTexts(mine ? "" : this.typed);
    this.unread++;
    if (this.view === "idle") this.rest();
    return undefined;
  }

  // Keys

  press(key) {
    if (this.view === "done") return this.rest();
    if (key === "#" && this.view !== "idle") return this.#set(MODES[(MODES.indexOf(this.mode) + 1) % MODES.length]);
    return this.write(this.taps.press(this.typed, key, this.view === "idle" ? "123" : this.mode, performance.now()));
  }

  // True where holding a key down is another thing than pressing it.
  hold(key) {
    if (this.mode === "123" || this.view === "done" || key === "#") return false;
    this.taps.clear();
    this.write(this.typed + key);
    return true;
  }

  type(letter) {
    this.view === "done" ? this.rest() : this.write(this.typed + letter);
  }

  write(text) {
    this.display.write(text);
    this.#label();
  }

  // What is on the line goes out: a number is called, an answer or a text is sent.
  async send(words = this.typed) {
    if (this.view === "done") return this.rest();
    if (this.view === "idle") return this.dial(words || undefined);
    if (!words || this.busy) return undefined;
    if (this.view === "texts") return this.text(words);
    this.answers++;
    const { call } = this;
    return this.#turn(call, () => call.answer(words));
  }

  do(what) {
    const deeds = {
      left: () => (this.view === "idle" ? this.openTexts() : this.send()),
      right: () => (this.typed ? this.write(this.typed.slice(0, -1)) : this.#delete()),
      call: () => (this.view === "done" ? this.dial() : this.send()),
      end: () => this.hangUp(),
      up: () => this.display.scroll(-60),
      down: () => this.display.scroll(60),
      drop: () => this.drop(),
      hand: () => this.hand(),
    };
    deeds[what]?.();
  }

  #delete() {
    if (this.view !== "texts") return;
    this.thread = [];
    this.openTexts();
  }

  hand() {
    const [owner, other] = this.people;
    this.holder = this.holder === owner ? other : owner;
    const open = this.call ? " The screen that is open stays open; 00 or the red key ends it." : "";
    this.display.note(`${this.holder} has the phone now.${open}`);
    this.#name();
    this.tell("handed");
  }

  tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}

// The key of the choice with these words.
function keyOf(words, screen) {
  const line = screen.split("\n").find((one) => one.replace(/^\d+ /, "") === words && one !== words);
  return line?.match(/^\d+/)[0];
}
