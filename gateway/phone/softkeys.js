// The two keys under the screen: what stands above them, and what they do. Options opens a list.

// Left, and right while nothing is typed. A small phone shows either the screen or the answer line.
const WRITING = { idle: ["Call", "Back"], call: ["Send", "Back"], texts: ["Send", "Back"], done: ["OK", "Call"] };
const READING = { idle: ["Messages", "Call"], call: ["Options", "Reply"], texts: ["Options", "Reply"], done: ["OK", "Call"] };
const LARGE = { idle: ["Messages", "Call"], call: ["Send", "Hang up"], texts: ["Send", "Back"], done: ["OK", "Call"] };
const LISTS = { call: ["Reply", "Hang up"], texts: ["Reply", "Delete"] };

export class SoftKeys {
  constructor(phone) {
    this.phone = phone;
    this.list = null;
  }

  // Say what they do now.
  label() {
    const { view, typed, open, small, inbox } = this.phone;
    let [left, right] = (small ? (open ? WRITING : READING) : LARGE)[view];
    if (view === "idle" && typed) left = "Call";
    if (!small && view === "texts" && inbox.thread.length) right = "Delete";
    if (typed) right = "Clear";
    this.words = this.list ? ["Select", "Back"] : [left, right];
    this.phone.display.keys(...this.words);
  }

  press(side) {
    return this.#do(this.words[side]);
  }

  close() {
    this.list = null;
  }

  // Move the mark of the list.
  move(by) {
    this.#show(this.list.at + by);
  }

  choose(at = this.list.at) {
    const chosen = this.list.choices[at];
    if (!chosen) return;
    this.phone.back();
    this.#do(chosen);
  }

  #show(at) {
    const choices = LISTS[this.phone.view];
    this.list = { choices, at: (at + choices.length) % choices.length };
    this.phone.display.showList(choices, this.list.at);
    this.label();
  }

  #do(words) {
    const { phone } = this;
    const deeds = {
      Messages: () => phone.openTexts(),
      Call: () => (phone.view === "done" ? phone.dial() : phone.send()),
      Send: () => phone.send(),
      OK: () => phone.rest(),
      Options: () => phone.busy || this.#show(0),
      Reply: () => phone.busy || phone.compose(),
      Select: () => this.choose(),
      Back: () => phone.back(),
      Clear: () => phone.write(phone.typed.slice(0, -1)),
      "Hang up": () => phone.hangUp(),
      Delete: () => phone.inbox.clear(),
    };
    return deeds[words]();
  }
}
