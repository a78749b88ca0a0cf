// Loads the list again when something came, unless somebody has opened a report's JSON.

const EVERY = 1_000; // milliseconds
const list = document.getElementById("reports");
let { tag } = list.dataset; // of the list that the page came with

const isRead = () => list.querySelector("details[open]") !== null;

async function renew() {
  if (isRead()) return;
  const answer = await fetch("/reports", { headers: { "If-None-Match": tag } }).catch(() => null);
  if (answer?.status !== 200) return;
  const html = await answer.text();
  if (isRead()) return; // opened meanwhile: the next round asks again
  tag = answer.headers.get("ETag");
  const parsed = new DOMParser().parseFromString(html, "text/html"); // escaped by the server, and scripts do not run
  list.replaceChildren(...parsed.body.children);
  list.firstElementChild?.classList.add("new");
  scrollTo(0, 0);
}

setInterval(renew, EVERY);
