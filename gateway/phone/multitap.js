// Twelve keys make an alphabet: pressed again in time, a key gives its next letter; held, its digit.

const LETTERS = {
  1: ".,?!'1", 2: "abc2à", 3: "def3éè", 4: "ghi4ì", 5: "jkl5", 6: "mno6ñò",
  7: "pqrs7", 8: "tuv8ùü", 9: "wxyz9", 0: " 0", "*": "+-/@&()*",
};
const AGAIN = 900; // milliseconds
export const MODES = ["123", "abc", "ABC"];

export class MultiTap {
  constructor() {
    this.clear();
  }

  // Begin anew: what was pressed last does not count any more.
  clear() {
    this.last = { key: "", at: 0, choices: "", step: 0 };
  }

  // The text after a key. `mode` is one of MODES.
  press(text, key, mode, now) {
    if (mode === "123") return text + key;
    const { last } = this;
    if (key === last.key && now - last.at < AGAIN && text) {
      const step = (last.step + 1) % last.choices.length;
      this.last = { ...last, at: now, step };
      return text.slice(0, -1) + last.choices[step];
    }
    const choices = choicesOf(key, mode, text);
    this.last = { key, at: now, choices, step: 0 };
    return text + choices[0];
  }

  // The text after a key was held down: its digit.
  hold(text, key) {
    this.clear();
    return text + key;
  }
}

function choicesOf(key, mode, text) {
  const choices = mode === "ABC" ? LETTERS[key].toUpperCase() : LETTERS[key];
  // on an empty line 0 and 1 are answers (Back, skip) before they are a space and a full stop
  return text === "" && (key === "0" || key === "1") ? key + choices.replace(key, "") : choices;
}
