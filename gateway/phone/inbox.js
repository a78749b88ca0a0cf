// The texts of one phone, both sides, until they are deleted.

import { Text } from "./network.js";

// A text without an answer may have had to wait: the same id asks for its answer, and does nothing else.
const ASK_AGAIN = 6_000; // milliseconds
const TIMES = 10;

export class Inbox {
  constructor(phone) {
    Object.assign(this, { phone, thread: [], unread: 0 });
  }

  async send(words) {
    const { phone } = this;
    const text = (this.asked = new Text(phone.number, phone.country.sms, words));
    this.#keep(true, words);
    for (let tried = 0; tried < TIMES && this.asked === text; tried++) {
      if (tried) await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
      const said = await text.send().catch(() => "");
      if (!said || this.asked !== text || phone.inbox !== this) continue;
      this.#keep(false, said);
      phone.tell("texted", said);
      return;
    }
  }

  clear() {
    this.thread = [];
    this.phone.openTexts();
  }

  #keep(mine, words) {
    const { phone } = this;
    this.thread.push({ mine, words });
    if (phone.view === "texts") return phone.openTexts(mine ? "" : phone.typed);
    this.unread++;
    if (phone.view === "idle") phone.rest();
    return undefined;
  }
}
