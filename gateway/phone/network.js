// The mobile network of this page: carries what a phone dials and texts to the simulator's door, and its answers back.
// A request that fails is said again with the same number, so that no key counts twice.

const DOOR = "/hooks/simulator";
const PATIENCE = 10_000; // milliseconds; about what a real network waits
const TRIES = 3;

export class NoAnswer extends Error {}

async function ask(body) {
  for (let tried = 1; ; tried++) {
    const said = await once(body);
    if (said) return said;
    if (tried === TRIES) throw new NoAnswer();
    await new Promise((resolve) => setTimeout(resolve, 1000 * tried));
  }
}

async function once(body) {
  try {
    const answer = await fetch(DOOR, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE),
    });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

// One call of a service code, from dialling to hanging up.
export class Call {
  constructor(number, code) {
    this.line = { session: crypto.randomUUID(), phone: number, service_code: code };
    this.turn = 0;
  }

  begin() {
    return ask({ ...this.line, event: "new", turn: String(++this.turn) });
  }

  answer(text) {
    return ask({ ...this.line, event: "resume", text, turn: String(++this.turn) });
  }

  end() {
    // nobody waits for it: a real line is often just gone
    once({ ...this.line, event: "close" });
  }
}

// One text. Its answer comes at once; asked again with the same id, the answer is the same, and nothing happens twice.
export class Text {
  constructor(number, code, words) {
    this.body = { sms: words, phone: number, service_code: code, id: crypto.randomUUID() };
  }

  async send() {
    return (await ask(this.body)).text;
  }
}

// How much of a screen is used: 160 characters of the phones' own alphabet, or 70 where one does not fit into it.
const PLAIN =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
  "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const DOUBLE = "^{}\\[~]|€";

export function measure(text) {
  const letters = [...text];
  if (!letters.every((letter) => PLAIN.includes(letter) || DOUBLE.includes(letter)))
    return { used: text.length, of: 70 };
  return { used: letters.length + letters.filter((letter) => DOUBLE.includes(letter)).length, of: 160 };
}

// The key of the language on a first screen.
export const LANGUAGE_KEY = "5";

// The key of the choice with these words.
export function keyOf(words, screen) {
  const line = screen.split("\n").find((one) => one.replace(/^\d+ /, "") === words && one !== words);
  return line?.match(/^\d+/)[0];
}
