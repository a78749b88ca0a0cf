// What happens to a phone's keys: touched, held down, or typed on a computer's keyboard.

const HELD = 600; // milliseconds
const WAYS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -3, ArrowDown: 3 };

export function listen(root, { line, parts: { screen } }, phone) {
  let held = 0;
  let wasHeld = false;
  root.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button && !wasHeld) button.dataset.key ? phone.press(button.dataset.key) : phone.do(button.dataset.do);
    wasHeld = false;
  });
  root.addEventListener("pointerdown", ({ target }) => {
    const key = target.closest("button")?.dataset.key;
    wasHeld = false;
    clearTimeout(held);
    if (key) held = setTimeout(() => (wasHeld = phone.hold(key)), HELD);
  });
  for (const over of ["pointerup", "pointercancel", "pointerleave"])
    root.addEventListener(over, () => clearTimeout(held));
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && typed(event, line, screen, phone)) event.preventDefault();
  });
  line.addEventListener("input", () => phone.write(line.value));
  oneStop(root.querySelector(".keys"));
}

// Wherever in this phone the focus is, what is typed lands on its line. True where nothing else is to happen.
function typed({ key, target }, line, screen, phone) {
  if (key === "Escape") phone.hangUp();
  else if (key === "Enter" && target === screen) {
    phone.send();
    line.focus(); // where it is open now
  } else if (key === "Enter" && target === line) phone.send();
  else if ((target === line || target === screen) && key === "ArrowUp") phone.do("up");
  else if ((target === line || target === screen) && key === "ArrowDown") phone.do("down");
  else if (target !== line && key.length === 1 && key !== " ") {
    phone.type(key);
    line.focus();
  } else return false;
  return true;
}

// The twelve keys are one stop for Tab; the arrows go from key to key.
function oneStop(pad) {
  const keys = [...pad.querySelectorAll("button")];
  keys.forEach((key, n) => (key.tabIndex = n ? -1 : 0));
  pad.addEventListener("keydown", (event) => {
    const at = keys.indexOf(event.target);
    const next = keys[at + WAYS[event.key]];
    if (!next) return;
    keys[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  });
}
