// One phone: what its keys do. It remembers what a real one does, its texts, and that only until the page is left.

import { Display } from "./display.js";
import { Inbox } from "./inbox.js";
import { listen } from "./keys.js";
import { MODES, MultiTap } from "./multitap.js";
import { Call, NoAnswer, keyOf, LANGUAGE_KEY } from "./network.js";
import { SoftKeys } from "./softkeys.js";

// A code, and its PIN here or on the next page: in whatever language, this screen says "Sent".
const SENT = /^\D+ (\d{4} \d{4})\n(\D+ \d{4}$|98 )/m;
const PIN = /^\D+ (\d{4})$/m;
const NOBODY = "No answer from the network. Please call again.";
const NAMES = { 123: "numbers", abc: "small letters", ABC: "capital letters" };

export class Phone extends EventTarget {
  constructor(root, people) {
    super();
    this.display = new Display(root);
    this.people = people; // whose it is, and who picks it up
    this.taps = new MultiTap();
    this.softs = new SoftKeys(this);
    listen(root, this.display, this);
  }

  get typed() {
    return this.display.line.value;
  }

  // As new, with another number.
  settle(country, language, number) {
    this.call?.end();
    Object.assign(this, { country, language, number, inbox: new Inbox(this), call: null, secret: {} });
    this.holder = this.people[0];
    this.display.parts.number.textContent = number;
    this.rest();
    this.display.note("");
  }

  // A small screen shows either the words or the answer line.
  resize(small) {
    this.small = small;
    this.display.root.classList.toggle("small", small);
    if (this.view) this.compose(Boolean(this.typed));
  }

  // Its views

  rest() {
    const { unread } = this.inbox;
    const news = unread ? [`${unread} new message${unread > 1 ? "s" : ""}`, ""] : [];
    const ways = [
      this.country.ussd && `Green key: call ${this.country.ussd}`,
      this.country.sms && `Messages: text ${this.country.sms}`,
    ];
    this.#show("idle", [...news, ...ways.filter(Boolean)].join("\n"));
  }

  openTexts(line = "") {
    const { thread } = this.inbox;
    this.inbox.unread = 0;
    if (!thread.length) return this.#show("texts", `No messages.\nWrite to ${this.country.sms}: REPORT`, line);
    this.view = "texts";
    this.display.showTexts(thread, line);
    return this.#settled();
  }

  #show(view, text, line = "") {
    this.view = view;
    this.display.show(view, text, line);
    this.#settled();
  }

  #settled() {
    this.display.waiting(this.busy = false);
    this.compose(Boolean(this.typed));
    this.#name();
  }

  // Open the answer line, or close it again. On a larger phone it is always open.
  compose(open = true) {
    this.softs.close();
    this.open = open || !this.small;
    this.display.writing(this.open);
    this.#set(this.view === "texts" ? "abc" : "123");
    this.softs.label();
  }

  #set(mode) {
    this.mode = mode;
    this.taps.clear();
    this.display.mode(this.open && (this.view === "call" || this.view === "texts") ? mode : "");
  }

  #name() {
    const [owner] = this.people;
    const handing = this.holder === owner ? "Someone else picks it up" : `${owner} takes it back`;
    this.display.people(this.holder, handing, Boolean(this.call));
  }

  // From the answer line or a list to what was on the screen; from the messages to the first view.
  back() {
    if (this.view === "call") return this.#seeAgain();
    if (this.view === "texts" && this.small && (this.softs.list || this.open)) return this.openTexts();
    return this.rest();
  }

  // The screen that the network sent last.
  #seeAgain() {
    this.#show("call", this.said);
    this.display.count(this.said);
  }

  // Calling

  async dial(code = this.country.ussd) {
    const { ussd } = this.country;
    if (code !== ussd) return this.#show("done", `This phone calls only ${ussd ?? "nobody"}. No call leaves this page.`);
    this.display.note("");
    const call = (this.call = new Call(this.number, code));
    this.answers = [];
    this.said = "";
    this.#show("call", "Calling…");
    const first = await this.#turn(call, async () => this.#inLanguage(call, await call.begin()));
    if (first) this.tell("first", first);
    return undefined;
  }

  // The language is chosen as anybody would: its key on the first screen, then its own name.
  async #inLanguage(call, screen) {
    if (this.country.languages.indexOf(this.language) < 1) return screen;
    let seen = await call.answer(LANGUAGE_KEY);
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
    const before = this.said;
    this.said = screen.text;
    const sent = screen.text.match(SENT);
    if (sent) this.secret = { code: sent[1].replace(" ", "") };
    if (this.secret.code && !this.secret.pin) this.secret.pin = screen.text.match(PIN)?.[1];
    this.tell(sent ? "sent" : "screen", { text: screen.text, before, answers: this.answers });
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
    this.#show("done", "The call was dropped.");
    this.display.note("The call dropped. The green key dials again.");
    this.tell("dropped", answers.length);
  }

  // Keys

  press(key) {
    if (this.softs.list) return this.softs.choose(Number(key) - 1);
    if (this.view === "done") return this.rest();
    if (key === "#" && this.view !== "idle") return this.#change();
    if (!this.open) this.compose();
    return this.write(this.taps.press(this.typed, key, this.view === "idle" ? "123" : this.mode, performance.now()));
  }

  #change() {
    if (!this.open) this.compose();
    this.#set(MODES[(MODES.indexOf(this.mode) + 1) % MODES.length]);
    this.display.note(`The keys type ${NAMES[this.mode]} now.`);
  }

  // True where holding a key down is another thing than pressing it.
  hold(key) {
    if (!this.open || this.mode === "123" || this.view === "done" || key === "#") return false;
    this.taps.clear();
    this.write(this.typed + key);
    return true;
  }

  type(letter) {
    if (this.softs.list) return this.softs.choose(Number(letter) - 1);
    if (this.view === "done") return this.rest();
    if (!this.open) this.compose();
    return this.write(this.typed + letter);
  }

  write(text) {
    this.display.write(text);
    this.softs.label();
  }

  // What is on the line goes out: a number is called, an answer or a text is sent.
  async send(words = this.typed) {
    if (this.softs.list) return this.softs.choose();
    if (this.view === "done") return this.rest();
    if (this.view === "idle") return this.dial(words || undefined);
    if (!words || this.busy) return this.open ? undefined : this.compose();
    if (this.view === "texts") return this.inbox.send(words);
    this.answers.push(words);
    const { call } = this;
    return this.#turn(call, () => call.answer(words));
  }

  do(what) {
    const deeds = {
      left: () => this.softs.press(0),
      right: () => this.softs.press(1),
      call: () => (this.view === "done" ? this.dial() : this.send()),
      end: () => this.hangUp(),
      up: () => (this.softs.list ? this.softs.move(-1) : this.display.scroll(-2)),
      down: () => (this.softs.list ? this.softs.move(1) : this.display.scroll(2)),
      drop: () => this.drop(),
      hand: () => this.hand(),
      stop: () => this.tell("stop"),
    };
    return deeds[what]?.();
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
