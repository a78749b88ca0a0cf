// What a script adds: hiding at once, blanking when nobody is there, and new rows of the list. Without it all still works.

const IDLE = 15 * 60 * 1000;
const ALIVE = 4 * 60 * 1000; // a session ends by itself after 15 minutes without a request; typing is being there, too
const POLL = 10 * 1000;
const TWICE = 600; // milliseconds between two touches of Esc

const token = document.body.dataset.token;
let lastTouch = Date.now();
let lastWord = Date.now();
let lastEscape = 0;

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("tokaut") : null; // of this console, in this browser

const say = (address) =>
  fetch(address, {
    method: "POST",
    keepalive: true,
    redirect: "manual",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ token }),
  });

function blank() {
  document.documentElement.hidden = true;
  document.title = "…";
}

function leave() {
  blank();
  location.replace(`/locked?then=${encodeURIComponent(document.body.dataset.here)}`);
}

async function hide() {
  blank();
  tabs?.postMessage("blank");
  await say("/lock").catch(() => {});
  leave();
}

function touched() {
  lastTouch = Date.now();
  if (lastTouch - lastWord > ALIVE) {
    lastWord = lastTouch;
    say("/alive").catch(() => {});
  }
}

function look() {
  if (Date.now() - lastTouch >= IDLE) hide();
}

async function renew(list) {
  if (document.hidden || list.contains(document.activeElement)) return;
  try {
    const answer = await fetch(list.dataset.live, { redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 404) return leave(); // not theirs any more
    if (!answer.ok) throw new Error();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (list.contains(document.activeElement)) return; // nobody loses their place by it
    if (fresh.body.innerHTML !== list.innerHTML) list.replaceChildren(...document.importNode(fresh.body, true).childNodes);
    list.removeAttribute("data-stale");
  } catch {
    list.dataset.stale = ""; // the page says that it is not new
  }
}

function measure(area) {
  const shown = document.getElementById(area.dataset.shown);
  const show = () => {
    shown.textContent = area.value;
  };
  area.addEventListener("input", show);
  show();
}

if (token) {
  for (const kind of ["pointerdown", "keydown", "scroll"]) addEventListener(kind, touched, { passive: true });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const now = Date.now();
    if (now - lastEscape < TWICE) hide();
    lastEscape = now;
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  setInterval(look, 5000);
  const lists = document.querySelectorAll("[data-live]");
  for (const list of lists) setInterval(renew, POLL, list);
  addEventListener("visibilitychange", () => lists.forEach(renew)); // who comes back to a tab sees what holds now
  for (const form of document.querySelectorAll("form[data-ends]")) {
    form.addEventListener("submit", () => tabs?.postMessage("blank"));
  }
  // Other tabs are blank at once; where they belong they go when the page that follows is there, and the server knows.
  tabs?.addEventListener("message", ({ data }) => (data === "over" ? leave() : blank()));
  for (const area of document.querySelectorAll("textarea[data-shown]")) measure(area);
}
if ("over" in document.body.dataset) tabs?.postMessage("over");
document.body.dataset.ready = "";
