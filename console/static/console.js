// What a script adds: hiding at once, blanking when nobody is there, new rows of the list, clocks that run, and an alarm
// for urgent reports that nobody has opened. Without it all still works.

const IDLE = 15 * 60 * 1000;
const ALIVE = 4 * 60 * 1000; // a session ends by itself after 15 minutes without a request; typing is being there, too
const POLL = 10 * 1000;
const LOOK = 5 * 1000;
const LOCK_AGAIN = 2000;
const TWICE = 600; // milliseconds between two touches of Esc
const RING = 30 * 1000; // an alarm comes again so often, until somebody has opened the report
const ANSWERS = 30 * 1000; // a draft that has no answer after so long counts as not kept
const LAST_BYTES = 60000; // browsers send at most 64 KiB for a page that ends; a longer text is sent while it is open
const LOADED = Date.now();

const token = document.body.dataset.token;
let lastTouch = Date.now();
let lastWord = Date.now();
let lastShared = 0;
let isLocking = false;
let lastEscape = 0;

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("tokaut") : null; // of this console, in this browser

const say = (address, fields = { token, ...unsent() }) => {
  const body = String(new URLSearchParams(fields));
  const keepalive = body.length < LAST_BYTES;
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  return fetch(address, { method: "POST", keepalive, redirect: "manual", headers, body });
};

// What is being written on this page. It is kept on the server, sealed, and never in this browser.
const areas = [...document.querySelectorAll("textarea[data-draft]")];
const writing = document.getElementById("writing");
let saved = "";
let isSent = false; // by a form of this page

// A report that is being entered: the whole form is the draft.
const entering = document.querySelector("form[data-entry]");

function unsent() {
  if (entering) {
    const isPart = ({ name, type, checked }) => name && !["token", "do"].includes(name) && (checked || !["radio", "checkbox"].includes(type));
    return Object.fromEntries([...entering.elements].filter(isPart).map(({ name, value }) => [name, value]));
  }
  if (!areas.length || !writing) return {};
  const { draft_of, once } = writing.elements; // `once` names the page: what it has sent, it does not save again
  return { draft_of: draft_of.value, once: once.value, ...Object.fromEntries(areas.filter(isTouched).map((area) => [area.name, area.value])) };
}

// What nobody has changed here is not sent: another tab may have saved a newer text.
const isTouched = (area) => "touched" in area.dataset || area.value !== area.defaultValue;

// Returns whether everything that was written here is on the server. A form or link that was pressed is followed though
// the session is locked, which keeps the draft, or over: the answer says that nothing was done.
async function keep(isPressed = false) {
  const now = JSON.stringify(unsent());
  if (now === saved || isSent) {
    sayUnsaved(false);
    return true;
  }
  const answering = say(entering ? entering.dataset.entry : `/reports/${writing.elements.draft_of.value}/draft`).catch(() => null);
  const answer = await Promise.race([answering, new Promise((done) => setTimeout(done, ANSWERS))]);
  const isOver = answer?.type === "opaqueredirect";
  if (isOver && !isPressed && !isSent) leave();
  const isKept = answer?.status === 204 || (isOver && isPressed);
  if (isKept) saved = now;
  sayUnsaved(!isKept && !isSent);
  return isKept;
}

function sayUnsaved(isUnsaved) {
  for (const said of document.querySelectorAll("[data-unsaved]")) {
    const area = areas.find(({ name }) => name === said.dataset.unsaved);
    const words = isUnsaved && (!area || isTouched(area)) ? said.dataset.words : "";
    if (said.textContent !== words) said.textContent = words;
  }
}

function keepDrafts() {
  saved = JSON.stringify(unsent());
  let waits = 0;
  let held = null; // the link or button that was pressed while the text could not be kept
  const autosave = async () => {
    if (!(await keep())) waits = setTimeout(autosave, POLL);
  };
  for (const area of entering ? [entering] : areas) {
    area.addEventListener("input", () => {
      // The report began when somebody began to write it: the page may have been open for hours.
      const begun = entering?.elements.begun;
      if (begun?.dataset.now && !("touched" in area.dataset)) begun.value = Math.floor(nowOf(begun) / 1000);
      area.dataset.touched = "";
      isSent = false;
      held = null;
      clearTimeout(waits);
      waits = setTimeout(autosave, 1000);
    });
  }
  addEventListener("pagehide", () => keep());
  // Whatever form of this page is sent carries it, too.
  document.addEventListener("formdata", ({ formData }) => {
    saved = JSON.stringify(unsent());
    isSent = true; // an older autosave whose answer comes now must not make the page save again
    clearTimeout(waits);
    for (const area of areas.filter(isTouched)) formData.delete(`shown.${area.name}`);
    if (entering && formData.has("draft_of")) return; // the form itself
    for (const [name, value] of Object.entries(unsent())) if (!formData.has(name)) formData.set(name, value);
  });
  // What was written here is kept before a link or a form is followed: the next page may show it, or never come. If it
  // cannot be kept, the page says so, and only a second press leaves: one that comes before it says so is none.
  let isKeeping = false;
  const unlessLost = async (by, go) => {
    if (isKeeping) return;
    isKeeping = true;
    by?.setAttribute("aria-busy", "true");
    const isKept = await keep(true);
    by?.removeAttribute("aria-busy");
    isKeeping = false;
    if (isKept || held === by) return go();
    held = by;
    document.querySelector("[data-unsaved]:not(:empty)")?.scrollIntoView({ block: "center" });
  };
  document.addEventListener("submit", (event) => {
    const { target, submitter } = event;
    if (submitter?.closest(".hide") || held === submitter || JSON.stringify(unsent()) === saved) return;
    event.preventDefault();
    unlessLost(submitter, () => target.requestSubmit(submitter));
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || JSON.stringify(unsent()) === saved) return;
    event.preventDefault();
    unlessLost(link, () => location.assign(link.href));
  });
}

// Of the further questions only those of what happened are shown.
function showFurther({ target }) {
  if (target.name !== "category") return;
  for (const one of entering.querySelectorAll("[data-for]")) one.hidden = !(one.open = one.dataset.for === target.value);
}
entering?.addEventListener("change", showFurther);

function blank() {
  document.documentElement.hidden = true;
  baseTitle = document.title = "…";
}

const isBlank = () => document.documentElement.hidden;

function leave() {
  blank();
  location.replace(`/locked?then=${encodeURIComponent(document.body.dataset.here)}`);
}

// The open report is not here for this person any more: a page that says so, without asking for the report again.
function gone(status) {
  blank();
  location.replace(status === 410 ? document.body.dataset.here : "/?said=gone#said");
}

function hide() {
  tabs?.postMessage("hide");
  hidden();
}

// Each page stays blank until the session is locked: before that, any page that loads opens without a password. So each
// sees to it: the others may be closed.
function hidden() {
  blank();
  if (!isLocking) lock();
}

async function lock() {
  isLocking = true;
  const answer = await say("/lock").catch(() => null);
  if (answer?.type === "opaqueredirect") leave();
  else if (answer?.status !== 400 || !(await lockPresent().catch(() => false))) setTimeout(lock, LOCK_AGAIN);
}

// The token of an earlier login is refused: the present session is locked by a token of its own, without this page's
// texts. Returns whether it is locked, or over.
async function lockPresent() {
  let answer = await fetch("/help", { redirect: "manual" });
  if (answer.ok) {
    const { body } = new DOMParser().parseFromString(await answer.text(), "text/html");
    answer = await say("/lock", { token: body.dataset.token });
  }
  const isLocked = answer.type === "opaqueredirect";
  if (isLocked) location.replace("/locked");
  return isLocked;
}

const isPast = (moment, period) => Math.abs(Date.now() - moment) > period; // also after the clock was set back

function touched() {
  look(); // after a computer slept this may be another person, and the timers have not run yet
  if (isBlank()) return;
  lastTouch = Date.now();
  if (isPast(lastShared, LOOK)) {
    lastShared = lastTouch;
    tabs?.postMessage("touched"); // whoever works in this tab is not idle in the others
  }
  if (isPast(lastWord, ALIVE)) {
    lastWord = lastTouch;
    say("/alive").then(({ type, status }) => {
      if (type === "opaqueredirect") leave();
      else if (status !== 204) throw new Error();
    }).catch(() => {
      lastWord -= ALIVE - 3 * POLL; // soon once more
    });
  }
}

function look() {
  if (Date.now() - lastTouch >= IDLE) hide();
}

// Puts `twin`, of a new page, around `kept`, which has the focus and therefore must not move.
function around(kept, twin) {
  for (const one of [...kept.parentNode.childNodes]) if (one !== kept) one.remove();
  const all = [...twin.parentNode.childNodes];
  const at = all.indexOf(twin);
  kept.before(...all.slice(0, at));
  kept.after(...all.slice(at + 1));
}

// A row whose link has the focus: the rest of it is replaced, and the link too where it says something else by now.
function renewRow(row, twin) {
  row.className = twin.className;
  if (row.innerHTML === twin.innerHTML) return;
  const [link, other] = [row.querySelector("a"), twin.querySelector("a")];
  if (document.activeElement === link && link.outerHTML === other?.outerHTML) around(link, other);
  else {
    const { id } = document.activeElement;
    row.replaceChildren(...twin.childNodes);
    (document.getElementById(id) ?? row.querySelector("a"))?.focus({ preventScroll: true });
  }
}

// Nobody loses their place: focus stays on what it was on, by its id; else it goes to the row that stands there now.
function replace(list, fresh) {
  const held = list.contains(document.activeElement) && document.activeElement !== list ? document.activeElement : null;
  const row = held?.closest("li[id]");
  const twin = row && fresh.getElementById(row.id);
  if (twin) {
    const twinList = twin.parentNode;
    renewRow(row, twin);
    around(row, twin);
    return around(row.parentNode, twinList);
  }
  const at = row ? [...row.parentNode.children].indexOf(row) : -1;
  list.replaceChildren(...document.importNode(fresh.body, true).childNodes);
  if (!held) return;
  const rows = list.querySelectorAll("li[id] a");
  const next = (held.id && document.getElementById(held.id)) || rows[Math.min(at, rows.length - 1)] || list;
  next.focus({ preventScroll: true });
}

// The title begins with how many reports nobody has acknowledged, and the tabs say it anew.
function retitle(list) {
  const fresh = list.querySelector("[data-title]")?.dataset.title;
  if (!fresh || fresh === baseTitle) return;
  baseTitle = fresh;
  if (alarm) showTitle();
  else document.title = fresh;
}

async function renew(list) {
  try {
    const seen = document.hidden && list.matches(".newsbar") ? "&hidden=1" : ""; // nobody looks at the report just now
    const answer = await fetch(list.dataset.live + seen, { redirect: "manual" });
    if (list.matches(".newsbar") && [404, 410].includes(answer.status)) return gone(answer.status);
    if (answer.type === "opaqueredirect" || answer.status === 404) return leave(); // not theirs any more
    if (!answer.ok) throw new Error();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (fresh.body.innerHTML !== list.innerHTML) {
      const height = list.offsetHeight;
      replace(list, fresh);
      retitle(list);
      if (list.matches(".newsbar")) scrollBy(0, height - list.offsetHeight); // what was in sight is not under it
    }
    list.removeAttribute("data-stale");
  } catch {
    list.dataset.stale = ""; // the page says that it is not new
  }
}

const two = (number) => String(number).padStart(2, "0");

function lasting(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours) return `${hours} h ${two(minutes % 60)} min`;
  return minutes ? `${minutes} min ${two(seconds % 60)} s` : `${seconds} s`;
}

// By the server's clock, which its last answer told; until then `data-now`, when it made the page. This computer's clock
// may be set while a page is open.
let ahead = null; // milliseconds of the server's clock before this computer's
const nowOf = (one) => Date.now() + (ahead ?? Number(one.dataset.now) - LOADED);

function runClocks() {
  for (const one of document.querySelectorAll("[data-due]")) {
    const left = Number(one.dataset.due) - nowOf(one);
    one.classList.toggle("over", left <= 0);
    one.textContent = (left > 0 ? one.dataset.left : one.dataset.over).replace("{time}", lasting(Math.abs(left)));
  }
  for (const one of document.querySelectorAll("[data-sentence]")) runReach(one);
}

function runReach(one) {
  const now = nowOf(one);
  const left = Number(one.dataset.changes) - now;
  if (left <= 0) {
    one.textContent = one.dataset.after;
    if (one.dataset.way === "now") for (const number of document.querySelectorAll(".number")) number.remove();
    one.classList.replace("now", "later");
    return;
  }
  const minutes = Math.ceil(left / 60000);
  const wait = minutes >= 60 ? `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min` : `${minutes} min`;
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: one.dataset.zone };
  const local = new Intl.DateTimeFormat("en-GB", clock).format(now);
  one.textContent = one.dataset.sentence.replace("{wait}", wait).replace("{local}", local);
}

const alarm = document.getElementById("alarm");
let baseTitle = document.title;
let heard = null; // what was last heard of urgent reports
let lastRing = 0;
let audio = null;

const ask = (address) => fetch(address, { redirect: "manual" });
const hasEnded = ({ type, status }) => type === "opaqueredirect" || status === 404;

// A page that was unlocked in another tab goes back to what it showed when somebody looks at it: a report that opens by
// itself would count as read, and end its alarm.
async function hear() {
  try {
    let answer = await ask(alarm.dataset.alarm);
    if (hasEnded(answer) && !token && document.hidden) answer = await ask("/waiting");
    if (hasEnded(answer)) return token ? leave() : unlocked();
    if (!answer.ok) throw new Error();
    tell(await answer.json());
  } catch {
    const time = heard ? heard.at : "…";
    announce(alarm.dataset.lost.replace("{time}", time));
  }
}

function unlocked() {
  const { value } = document.querySelector("input[name=then]");
  location.replace(`/locked?then=${encodeURIComponent(value)}`);
}

function announce(text) {
  const said = document.getElementById("alarm-said");
  if (said.textContent !== text) said.textContent = text;
}

function showTitle(unopened = heard?.unopened ?? 0) {
  document.title = (unopened ? `(!${unopened}) ` : "") + baseTitle;
}

function tell(found) {
  ahead = found.now - Date.now();
  const isNew = found.unopened > 0 && found.newest > (heard?.newest ?? 0);
  const waiting = document.getElementById("waiting");
  if (waiting) waiting.textContent = waiting.dataset.waiting.replace("{count}", found.urgent).replace("{time}", found.at);
  const sentence = isNew && heard ? alarm.dataset.new : alarm.dataset.old;
  const before = document.getElementById("alarm-said").textContent;
  const stays = found.unopened === heard?.unopened && !isNew && before !== "" && !before.startsWith(alarm.dataset.lost.slice(0, 9));
  if (!stays) announce(found.unopened ? sentence.replace("{count}", found.unopened) : "");
  document.getElementById("alarm-look")?.toggleAttribute("hidden", !found.unopened);
  showTitle(found.unopened);
  const icon = document.getElementById("icon");
  icon.dataset.plain ??= icon.getAttribute("href");
  icon.setAttribute("href", found.unopened ? icon.dataset.alert : icon.dataset.plain);
  tellFollowUps(found, heard);
  tellForYou(found.for_you ?? 0, heard?.for_you);
  heard = found;
  if (found.unopened && (isNew || Date.now() - lastRing >= RING)) ring();
}

// Reports that somebody has to look at again: said until that is done, moved or removed; a sound when one becomes due.
const FOLLOW_UP_RING = 10 * 60 * 1000;
let lastFollowUpRing = LOADED;

function tellFollowUps(found, before) {
  const count = found.follow_ups ?? 0;
  const text = count ? alarm.dataset.followUps.replace("{count}", count) : "";
  const said = document.getElementById("follow-ups-said");
  if (said.textContent !== text) said.textContent = text;
  if (!count) return;
  document.title = `(⏰${count}) ${document.title}`;
  const isNew = before && (count > before.follow_ups || found.follow_ups_newest > before.follow_ups_newest);
  if (!isNew && Date.now() - lastFollowUpRing < FOLLOW_UP_RING) return;
  lastFollowUpRing = Date.now();
  ring();
}

// Reports that a colleague passed to this person: the badge of each page, and a status line where it changes.
function tellForYou(count, before) {
  const badge = document.getElementById("for-you");
  const shown = badge ? Number(badge.dataset.count) : before;
  if (count === shown) return;
  if (badge) {
    badge.dataset.count = count;
    badge.firstElementChild.textContent = badge.dataset.label.replace("{count}", count);
    badge.toggleAttribute("hidden", !count);
  }
  document.getElementById("for-you-said").textContent = count ? alarm.dataset.forYou.replace("{count}", count) : "";
}

// One tab of a browser rings for all; the others know when it did.
function ring() {
  lastRing = Date.now();
  if (!alarm.dataset.ways) return;
  const rings = (lock) => {
    if (!lock) return undefined;
    tabs?.postMessage("rang");
    if (alarm.dataset.ways.includes("sound")) sound();
    if (alarm.dataset.ways.includes("notice")) notice();
    return new Promise((done) => setTimeout(done, 2000));
  };
  if (navigator.locks) navigator.locks.request("tokaut-alarm", { ifAvailable: true }, rings);
  else rings(true);
}

function sound() {
  audio ??= new AudioContext();
  audio.resume().catch(() => {});
  setTimeout(() => {
    document.getElementById("alarm-mute").toggleAttribute("hidden", audio.state === "running");
  }, 300);
  for (const [at, pitch] of [[0, 880], [0.25, 660], [0.5, 880]]) {
    const [tone, volume] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = pitch;
    volume.gain.value = 0.2;
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.2);
  }
}

// Nothing but to look: whoever sees this screen learns no more from it.
function notice() {
  try {
    if (Notification.permission === "granted") new Notification(alarm.dataset.notice, { tag: "tokaut", renotify: true });
  } catch {
    // a browser that has them for service workers only
  }
}

async function switched(event) {
  const form = event.target;
  if (!form.elements.notice?.checked || !("Notification" in window) || Notification.permission !== "default") return;
  event.preventDefault();
  await Notification.requestPermission();
  form.submit();
}

// The counter and the picture of the phone count as the server does: septets, or UTF-16 units where a letter needs them.
function sizeOf(text, { basic, double }) {
  let septets = 0;
  for (const letter of text) {
    if (double.includes(letter)) septets += 2;
    else if (basic.includes(letter)) septets += 1;
    else return { size: text.length, isPlain: false };
  }
  return { size: septets, isPlain: true };
}

function splitAtEdge(text, room, isPlain, { double }) {
  let used = 0;
  let length = 0;
  for (const letter of text) {
    used += isPlain ? 1 + double.includes(letter) : letter.length;
    if (used > room) break;
    length += letter.length;
  }
  return [text.slice(0, length), text.slice(length)];
}

function measure(area) {
  const shown = document.getElementById(area.dataset.shown);
  const counter = document.getElementById("counter");
  const said = document.getElementById("counter-said");
  const edge = document.createElement("mark");
  edge.dataset.edge = shown.dataset.edge;
  const show = (event) => {
    const { size, isPlain } = sizeOf(area.value, counter.dataset);
    const room = Number(counter.dataset.limits.split(" ")[isPlain ? 0 : 1]);
    const [fits, over] = splitAtEdge(area.value, room, isPlain, counter.dataset);
    edge.textContent = over;
    shown.replaceChildren(fits, ...(over ? [edge] : []));
    const sentence = over ? counter.dataset.over : counter.dataset.count;
    counter.textContent = sentence.replace("{size}", size).replace("{room}", room).replace("{over}", size - room);
    // Spoken only when the edge is crossed, not at each letter.
    if (event && counter.classList.contains("over") !== Boolean(over)) said.textContent = counter.textContent;
    counter.classList.toggle("over", Boolean(over));
  };
  area.addEventListener("input", show);
  show();
  for (const button of area.form.querySelectorAll("button[data-ready]")) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      area.value = [area.value, button.dataset.ready].filter(Boolean).join("\n");
      area.dispatchEvent(new Event("input"));
      button.closest("details").open = false;
      area.focus({ preventScroll: true });
    });
  }
}

// Two columns: the status stays in sight above the forms, so these begin below it, however high it is.
function measureStatus() {
  const status = document.getElementById("status");
  const box = document.querySelector(".case");
  if (!status || !box || !("ResizeObserver" in window)) return;
  new ResizeObserver(() => {
    box.style.setProperty("--status", `${status.offsetHeight + 16}px`);
    box.classList.add("measured");
  }).observe(status);
}

// Single keys, while nothing is being typed. The list of them is a dialog; Esc closes it, and Esc twice hides all.
const keysDialog = document.getElementById("keys");

function moveRow(by) {
  const rows = [...document.querySelectorAll("li.report a")];
  const at = rows.findIndex((row) => row.parentNode.contains(document.activeElement));
  rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}

const KEYS = {
  j: () => moveRow(1),
  k: () => moveRow(-1),
  a: () => isSent || document.querySelector("button[data-free]")?.click(), // never a colleague's, nor while a form is on its way
  n: () => focusField(document.getElementById("note")),
  "/": () => focusField(document.getElementById("reference")),
  "?": () => keysDialog.showModal(),
};

function focusField(field) {
  field?.closest("details:not([open])")?.setAttribute("open", "");
  field?.focus();
}

function pressed(event) {
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat && event.key === "a") return;
  if (isBlank() || keysDialog.open || !(event.key in KEYS) || ("keysOff" in document.body.dataset && event.key !== "?")) return;
  event.preventDefault();
  KEYS[event.key]();
}

if (keysDialog?.showModal) {
  addEventListener("keydown", pressed);
  const opener = document.getElementById("keys-open");
  opener.hidden = false;
  opener.addEventListener("click", () => keysDialog.showModal());
  keysDialog.querySelector("[data-close]").addEventListener("click", () => keysDialog.close());
}

// Passkeys: the browser signs what the server asks for, and an ordinary form brings the answer. Nothing is kept here.
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const toText = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function decoded(options) {
  const withBytes = (list) => list?.map((one) => ({ ...one, id: toBytes(one.id) }));
  const found = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) found.user = { ...options.user, id: toBytes(options.user.id) };
  if (options.allowCredentials) found.allowCredentials = withBytes(options.allowCredentials);
  if (options.excludeCredentials) found.excludeCredentials = withBytes(options.excludeCredentials);
  return found;
}

function encoded({ id, rawId, type, response }) {
  const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const found = parts.filter((part) => response[part]).map((part) => [part, toText(response[part])]);
  return JSON.stringify({ id, rawId: toText(rawId), type, response: Object.fromEntries(found) });
}

async function askPasskey(event) {
  event.preventDefault();
  const form = event.target;
  const said = form.querySelector("[data-failed]");
  said.textContent = "";
  try {
    const body = new URLSearchParams({ token: form.elements.token.value });
    const answer = await fetch(`${form.getAttribute("action")}/options`, { method: "POST", redirect: "manual", body });
    if (answer.type === "opaqueredirect") return location.reload(); // logged out, locked, or to confirm again
    if (!answer.ok) throw new Error();
    const publicKey = decoded(await answer.json());
    form.elements.answer.value = encoded(await navigator.credentials[form.dataset.passkey]({ publicKey }));
    form.submit();
  } catch {
    said.textContent = said.dataset.failed;
  }
}

// The code of an invitation comes in the fragment of its address, which no server sees, and does not stay in the history.
const invited = document.querySelector("form[data-from-fragment]");
function takeCode() {
  if (location.hash.length < 2) return;
  invited.elements[invited.dataset.fromFragment].value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  invited.submit();
}
if (invited) {
  takeCode();
  addEventListener("hashchange", takeCode); // a link that is opened while this page is open
}
for (const one of document.querySelectorAll("[data-print-button]")) {
  one.hidden = false;
  one.addEventListener("click", () => print());
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", askPasskey);
  form.hidden = !("PublicKeyCredential" in window);
}

// What an act has done is said once, not again when the page is loaded again.
const query = new URLSearchParams(location.search);
if (query.has("said") && !query.has("closed")) {
  query.delete("said");
  history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : "") + location.hash);
}

if (token) {
  if (document.querySelector("[data-print]")) print();
  measureStatus();
  for (const kind of ["pointerdown", "keydown", "scroll"]) addEventListener(kind, touched, { passive: true });
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const now = Date.now();
    if (now - lastEscape < TWICE) hide();
    lastEscape = now;
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  setInterval(look, LOOK);
  const lists = document.querySelectorAll("[data-live]");
  for (const list of lists) setInterval(renew, list.dataset.every ? 1000 * list.dataset.every : POLL, list);
  addEventListener("visibilitychange", () => lists.forEach(renew)); // who comes back to a tab sees what holds now
  document.querySelector("form[data-alarm-switch]")?.addEventListener("submit", switched);
  if (entering || (areas.length && writing)) keepDrafts();
  runClocks();
  setInterval(runClocks, 1000);
  addEventListener("submit", (event) => {
    if (event.submitter?.closest(".hide")) {
      event.preventDefault();
      hide();
    } else if (!event.defaultPrevented && event.submitter?.closest("[data-ends]")) tabs?.postMessage("blank");
  });
  // Other tabs are blank at once; where they belong they go when the page that follows is there, and the server knows.
  tabs?.addEventListener("message", ({ data }) => {
    if (data === "rang") lastRing = Date.now();
    else if (data === "touched") lastTouch = Date.now();
    else if (data === "over") leave();
    else if (data === "hide") hidden();
    else blank();
  });
  for (const area of document.querySelectorAll("textarea[data-shown]")) measure(area);
}
if (alarm) {
  hear();
  setInterval(hear, POLL); // in a tab that nobody sees, too
  addEventListener("visibilitychange", hear);
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, () => audio?.resume().then(() => document.getElementById("alarm-mute").setAttribute("hidden", "")));
  }
}
if ("over" in document.body.dataset) tabs?.postMessage("over");
document.body.dataset.ready = "";
